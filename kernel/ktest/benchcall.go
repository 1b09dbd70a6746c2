package ktest

// The cost of calls to other CPUs.

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"muster/kernel/abi"
	"muster/kernel/kcall"
)

func callOne(n int) error {
	cpus := onlineCPUs()
	for range n {
		to := cpus[(currentCPU()+1)%len(cpus)]
		if _, err := kcall.CrossCall(to, abi.CallNop, 0); err != nil {
			return err
		}
	}
	return nil
}

func callAll(n int) error {
	for range n {
		if _, err := kcall.CrossCall(abi.AllCPUs, abi.CallNop, 0); err != nil {
			return err
		}
	}
	return nil
}

// inCore makes the core measure one of its own operations.
func inCore(kind int) func(n int) (time.Duration, error) {
	return func(n int) (total time.Duration, err error) {
		for ; n > 0; n -= 100 {
			took, err := kcall.Measure(kind, min(n, 100))
			if err != nil {
				return 0, err
			}
			total += took
		}
		return total, nil
	}
}

// callRunning calls a CPU on which a loop runs.
func callRunning(n int) (time.Duration, error) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	ready := make(chan error)
	cpus := onlineCPUs()
	wg.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer kcall.Pin(abi.AnyCPU)
		ready <- kcall.Pin(cpus[1])
		for !stop.Load() {
		}
	})
	if err := <-ready; err != nil {
		return 0, err
	}
	return callFrom(cpus[0], cpus[1], n, func() {})
}

// callHalted calls a CPU that has been idle for a while. The time that the CPU
// spent idle shows that it was halted.
func callHalted(n int) (time.Duration, error) {
	cpus := onlineCPUs()
	idle := func() uint64 {
		c, err := kcall.CPUInfo(cpus[1])
		if err != nil {
			return 0
		}
		return uint64(c.IdleNS)
	}
	const rest = 100 * time.Microsecond
	before, began := idle(), time.Now()
	took, err := callFrom(cpus[0], cpus[1], n, func() {
		for t := time.Now(); time.Since(t) < rest; {
		}
	})
	if share := float64(idle()-before) / float64(time.Since(began).Nanoseconds()); err == nil && share < 0.5 {
		err = fmt.Errorf("cpu %d was idle for %.0f %% of the time only: the benchmark needs a halted CPU", cpus[1], 100*share)
	}
	return took, err
}

// callFrom calls a CPU n times and returns how long the calls took in all.
func callFrom(from, to, n int, between func()) (total time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer kcall.Pin(abi.AnyCPU)
	if err := kcall.Pin(from); err != nil {
		return 0, err
	}
	for range n {
		between()
		began := time.Now()
		if _, err := kcall.CrossCall(to, abi.CallNop, 0); err != nil {
			return 0, err
		}
		total += time.Since(began)
	}
	return total, nil
}
