// Command jitter measures how steady a ticker of 10 ms is, by the runtime's timers and without them,
// and how late sleeps of 1 ms end,
// while some threads of the program compute. JITTER=N:THREADS,THREADS... says how many times, and beside how many
// threads; JITTER=100:0,4,12 without it. An argument is as the variable. On Linux it may be the first process.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	n, threads := 100, []int{0, 4, 12}
	spec := os.Getenv("JITTER")
	if len(os.Args) > 1 {
		spec = os.Args[1]
	}
	if count, list, ok := strings.Cut(spec, ":"); ok {
		n = number(count)
		threads = nil
		for s := range strings.SplitSeq(list, ",") {
			threads = append(threads, number(s))
		}
	}
	for _, busy := range threads {
		stop := compute(busy)
		report("ticker", busy, ticker(n))
		report("absolute", busy, absolute(n))
		report("sleep", busy, each(n, func() { time.Sleep(time.Millisecond) }))
		report("nanosleep", busy, each(n, func() {
			left := syscall.NsecToTimespec(int64(time.Millisecond))
			for syscall.Nanosleep(&left, &left) == syscall.EINTR {
			}
		}))
		stop()
	}
	fmt.Println("jitter: done")
	if os.Getpid() == 1 {
		syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// compute makes threads compute until stop is called. The runtime has room for others beside them.
func compute(threads int) (stop func()) {
	runtime.GOMAXPROCS(max(threads+4, runtime.NumCPU()))
	var end atomic.Bool
	ended := make(chan bool)
	for range threads {
		go func() {
			runtime.LockOSThread()
			for !end.Load() {
			}
			ended <- true
		}()
	}
	time.Sleep(100 * time.Millisecond)
	return func() {
		end.Store(true)
		for range threads {
			<-ended
		}
	}
}

// ticker returns by how much the times between n ticks differ from 10 ms.
func ticker(n int) (all []time.Duration) {
	const period = 10 * time.Millisecond
	t := time.NewTicker(period)
	defer t.Stop()
	<-t.C
	for last := time.Now(); len(all) < n; {
		<-t.C
		now := time.Now()
		all = append(all, (now.Sub(last) - period).Abs())
		last = now
	}
	return all
}

// absolute is ticker without the runtime's timers: a thread sleeps until each time of the clock.
func absolute(n int) (all []time.Duration) {
	const period = 10 * time.Millisecond
	next := clockTime()
	for last := time.Duration(0); len(all) < n; {
		next += period
		until := syscall.NsecToTimespec(int64(next))
		for {
			_, _, e := syscall.Syscall6(syscall.SYS_CLOCK_NANOSLEEP, clockMonotonic, timerAbsolute, uintptr(unsafe.Pointer(&until)), 0, 0, 0)
			if e != syscall.EINTR {
				break
			}
		}
		now := clockTime()
		if last != 0 {
			all = append(all, (now - last - period).Abs())
		}
		last = now
	}
	return all
}

// Arguments of clock_nanosleep.
const (
	clockMonotonic = 1
	timerAbsolute  = 1
)

// clockTime returns the time of the clock that does not jump.
func clockTime() time.Duration {
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}

// each returns by how much more than 1 ms each of n sleeps takes.
func each(n int, sleep func()) (all []time.Duration) {
	for range n {
		began := time.Now()
		sleep()
		all = append(all, time.Since(began)-time.Millisecond)
	}
	return all
}

// report prints the median, the 99th percentile, the largest and the mean, in microseconds.
func report(name string, busy int, all []time.Duration) {
	slices.Sort(all)
	sum := time.Duration(0)
	for _, d := range all {
		sum += d
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	at := func(percent int) float64 { return us(all[(len(all)-1)*percent/100]) }
	fmt.Printf("jitter: %s %d %.1f %.1f %.1f %.1f us\n", name, busy, at(50), at(99), at(100), us(sum)/float64(len(all)))
}
