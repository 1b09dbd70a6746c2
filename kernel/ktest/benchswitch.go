package ktest

// The cost of a switch between threads.

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"muster/kernel/abi"
	"muster/kernel/kcall"
)

// contextSwitch makes two threads on one CPU yield to each other in the core. The core measures
// that, and refuses a measurement with other switches than these: the runtime's threads may have
// been ready, too, or one of the two late. Then the measurement is repeated.
func contextSwitch(n int) (time.Duration, error) {
	const (
		yields   = 25 // of one call, which is a stretch with interrupts off
		refusals = 1000
	)
	if before := runtime.GOMAXPROCS(0); before < 2 {
		runtime.GOMAXPROCS(2) // each of the two threads keeps its P
		defer runtime.GOMAXPROCS(before)
	}
	cpu := onlineCPUs()[0]
	var (
		wg    sync.WaitGroup
		ready atomic.Uint32
		done  atomic.Int64 // switches that were measured
		took  [2]time.Duration
		errs  [2]error
	)
	for i := range took {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			defer kcall.Pin(abi.AnyCPU)
			errs[i] = kcall.Pin(cpu)
			for ready.Add(1); ready.Load() < 2; {
				syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
			}
			for left := refusals; done.Load() < int64(n) && errs[i] == nil; {
				t, err := kcall.Measure(abi.MeasureSwitch, yields)
				switch {
				case err == syscall.EAGAIN && left > 0:
					left--
				case err != nil:
					errs[i] = err
				case t > 0: // this is the one that measures
					took[i] += t
					done.Add(2 * yields)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return (took[0] + took[1]) * time.Duration(n) / time.Duration(done.Load()), nil
}
