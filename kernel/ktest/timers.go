package ktest

// Very many timers.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"muster/kernel/abi"
	"muster/kernel/kcall"
)

// timerStep is how many timers one call arms or withdraws.
const timerStep = 200

// eachTimer makes a call for the timers from first on, and returns the sum of the results.
func eachTimer(what, first, n int, ns uint64) (sum uint64, err error) {
	for ; n > 0; n -= timerStep {
		k, err := kcall.TestTimers(what, first, min(n, timerStep), ns)
		if err != nil {
			return sum, err
		}
		sum += k
		first += timerStep
	}
	return sum, nil
}

// withTimers measures an operation of the core while as many timers as there are for tests
// are armed on the CPU.
func withTimers(kind int) func(n int) (time.Duration, error) {
	return func(n int) (took time.Duration, err error) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer kcall.Pin(abi.AnyCPU)
		if err := kcall.Pin(onlineCPUs()[0]); err != nil {
			return 0, err
		}
		if _, err := eachTimer(abi.TimersArm, 0, abi.TestTimers, uint64(time.Hour)); err != nil {
			return 0, err
		}
		took, err = inCore(kind)(n)
		if n, e := eachTimer(abi.TimersCancel, 0, abi.TestTimers, 0); err == nil && (e != nil || n != abi.TestTimers) {
			err = errors.Join(e, fmt.Errorf("%d of %d timers withdrawn", n, abi.TestTimers))
		}
		return took, err
	}
}

// manyTimers arms all timers, spread over the CPUs, moves those of a CPU to another one, and withdraws each from another CPU; then
// it lets all of them expire at the same moment, and counts.
func manyTimers(ctx context.Context) error {
	cpus := onlineCPUs()
	share := abi.TestTimers / timerStep / len(cpus) * timerStep
	total := uint64(share * len(cpus))
	onAll := func(what, from int, ns uint64, want uint64) error {
		var wg sync.WaitGroup
		errs := make(chan error, len(cpus))
		for i, cpu := range cpus {
			wg.Go(func() {
				errs <- onOne(cpu, func() error {
					n, err := eachTimer(what, (i+from)%len(cpus)*share, share, ns)
					if err == nil && n != want {
						err = fmt.Errorf("cpu %d: %d timers of %d", cpu, n, want)
					}
					return err
				})
			})
		}
		wg.Wait()
		for range cpus {
			if err := <-errs; err != nil {
				return err
			}
		}
		return nil
	}
	expired := func() (uint64, error) { return kcall.TestTimers(abi.TimersExpired, 0, 0, 0) }
	before, err := expired()
	if err != nil {
		return err
	}
	if err := onAll(abi.TimersArm, 0, uint64(time.Hour), uint64(share)); err != nil {
		return err
	}
	if err := moveTimers(cpus); err != nil {
		return err
	}
	if err := onAll(abi.TimersCancel, 1, 0, uint64(share)); err != nil {
		return err
	}
	if n, err := expired(); err != nil || n != before {
		return errors.Join(err, fmt.Errorf("%d timers that were withdrawn expired", n-before))
	}
	if err := onAll(abi.TimersArmEqual, 0, 1, uint64(share)); err != nil { // long past
		return err
	}
	var n uint64
	end := await(ctx, func() bool {
		n, err = expired()
		return err != nil || n-before == total
	})
	if err = errors.Join(err, end); err != nil {
		return fmt.Errorf("%d of %d timers expired: %w", n-before, total, err)
	}
	return onAll(abi.TimersCancel, 1, 0, 0)
}

// moveTimers gives the timers of the first CPU to the last.
func moveTimers(cpus []int) error {
	if len(cpus) == 1 {
		return nil
	}
	return onOne(cpus[len(cpus)-1], func() error {
		for {
			if more, err := kcall.TestTimers(abi.TimersMove, cpus[0], 0, 0); err != nil || more == 0 {
				return err
			}
		}
	})
}

// onOne runs f on one CPU.
func onOne(cpu int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer kcall.Pin(abi.AnyCPU)
	if err := kcall.Pin(cpu); err != nil {
		return fmt.Errorf("cpu %d: %w", cpu, err)
	}
	return f()
}
