// Command plug computes, sleeps and reads the clock on all CPUs for the seconds of its argument, while CPUs go
// offline and come online. It fails if the clock goes back, or a sleep is too short.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	seconds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Println("plug:", err)
		os.Exit(2)
	}
	began := time.Now()
	var latest, rounds, bad atomic.Int64
	var all sync.WaitGroup
	work := func(f func()) {
		all.Go(func() {
			for time.Since(began) < time.Duration(seconds)*time.Second {
				f()
				rounds.Add(1)
			}
		})
	}
	for i := range 2 * runtime.NumCPU() {
		work(func() {
			for range 1000 {
				before := latest.Load()
				now := int64(time.Since(began))
				if now < before {
					bad.Add(1)
				}
				for before < now && !latest.CompareAndSwap(before, now) {
					before = latest.Load()
				}
			}
		})
		work(func() {
			want := time.Duration(i+1) * 300 * time.Microsecond
			t := time.Now()
			time.Sleep(want)
			if time.Since(t) < want {
				bad.Add(1)
			}
		})
	}
	all.Wait()
	fmt.Printf("plug: %d rounds, %d wrong\n", rounds.Load(), bad.Load())
	if bad.Load() != 0 || rounds.Load() == 0 {
		os.Exit(1)
	}
}
