package ktest

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// hold fills X0 to X14 with values made from seed, counts down from n, and returns
// how many of the registers have changed. It makes no call, so only preemption can
// change them.
func hold(seed, n uint64) (changed uint64)

// vectorState makes goroutines hold values in vector registers while others force
// preemption, signals and migration.
func vectorState(ctx context.Context) error {
	var stop atomic.Bool
	go func() {
		for !stop.Load() {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}()
	defer stop.Store(true)
	return parallel(2*cpus(), func(i int) error {
		for round := range uint64(20) {
			if n := hold(uint64(i)<<32|round<<8, 2_000_000); n != 0 {
				return fmt.Errorf("%d vector registers changed under a goroutine", n)
			}
		}
		return nil
	})
}
