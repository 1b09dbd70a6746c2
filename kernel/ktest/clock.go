package ktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	_ "unsafe" // for linkname

	"muster/kernel/abi"
	"muster/kernel/kcall"
)

// nanotime is the runtime's reading of CLOCK_MONOTONIC, which makes no system call.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// relay is a time that goes from CPU to CPU: each reads the clock, and compares what it gets with the
// latest time that any CPU has got before.
type relay struct {
	latest   atomic.Int64
	readings atomic.Int64
	back     atomic.Int64 // the largest step back, in nanoseconds
	backOn   atomic.Int64 // the CPU that saw it
}

// read makes readings until ctx ends. skew is what this CPU is ahead of the clock: 0, or the fault of the
// control.
func (r *relay) read(ctx context.Context, cpu int, skew int64) {
	n := int64(0)
	for ctx.Err() == nil {
		for range 1000 {
			before := r.latest.Load()
			now := nanotime()
			if n%64 == 0 {
				now = kcall.UpTime() // the same clock, by the core
			}
			now += skew
			n++
			if now < before {
				if back := before - now; back > r.back.Load() {
					r.back.Store(back)
					r.backOn.Store(int64(cpu))
				}
			}
			for now > before && !r.latest.CompareAndSwap(before, now) {
				before = r.latest.Load()
			}
		}
	}
	r.readings.Add(n)
}

// run makes every CPU that is online read the clock for d. skew is how far the last of them is ahead.
func (r *relay) run(ctx context.Context, d time.Duration, skew int64) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var wg sync.WaitGroup
	list := onlineCPUs()
	errs := make([]error, len(list))
	for i, cpu := range list {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if errs[i] = kcall.Pin(cpu); errs[i] != nil {
				return
			}
			defer kcall.Pin(abi.AnyCPU)
			if i == len(list)-1 {
				r.read(ctx, cpu, skew)
			} else {
				r.read(ctx, cpu, 0)
			}
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// moveTimekeeper makes one CPU after the other the timekeeper, and has it make a check, until stop
// is called.
func moveTimekeeper() (stop func() error) {
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		list := onlineCPUs()
		for i := 0; err == nil; i++ {
			select {
			case <-end:
				ended <- kcall.MoveTimekeeper(list[0])
				return
			case <-time.After(5 * time.Millisecond):
				err = kcall.MoveTimekeeper(list[i%len(list)])
				kcall.KeepTime(true)
			}
		}
		ended <- err
	}()
	return func() error {
		close(end)
		return <-ended
	}
}

// Monotonic makes a test in which all CPUs read the clock for d and exchange what they get. No CPU may get
// less than another one got before. At its end it does the same for a moment with a CPU that is 5 ms ahead,
// and that must be found.
func Monotonic(d time.Duration) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var r relay
		stop := moveTimekeeper()
		err := r.run(ctx, d, 0)
		if err = errors.Join(err, stop()); err != nil {
			return err
		}
		if back := r.back.Load(); back != 0 {
			return fmt.Errorf("cpu%d: the clock went back by %d ns, of %d readings", r.backOn.Load(), back, r.readings.Load())
		}
		if r.readings.Load() == 0 {
			return errors.New("no readings")
		}
		if len(onlineCPUs()) == 1 {
			return nil
		}
		var control relay
		for range 20 { // until two of the CPUs have run at the same time
			if err := control.run(ctx, 20*time.Millisecond, int64(5*time.Millisecond)); err != nil {
				return err
			}
			if control.back.Load() != 0 {
				return nil
			}
		}
		return errors.New("a CPU that was 5 ms ahead was not found")
	}
}
