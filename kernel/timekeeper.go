package main

import (
	"runtime"
	"syscall"
	"time"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/kcall"
	"muster/kernel/klog"
)

// keepTime makes the timekeeper compare the clock with its reference, as often as the core says. It
// ends if there is no reference.
func keepTime() {
	for {
		k := kcall.KeepTime(true)
		if k.NextNS == 0 {
			return
		}
		time.Sleep(time.Duration(k.NextNS))
	}
}

// aheadNS is how far the fault tsc:N makes a time-stamp counter be ahead.
const aheadNS = 5_000_000

// compareBudget is how long all comparisons of time-stamp counters may take. An emulator with many CPUs
// on few would take seconds.
const compareBudget = 100 * time.Millisecond

// faultTries is how often the CPU of the fault may fail to answer in time: that it is found is a test.
const faultTries = 100

// compareTSCs compares the time-stamp counters of the CPUs that are online with the boot CPU's, one
// after the other, until one differs. faulty is the CPU of the fault tsc:N, 0 for none.
func compareTSCs(cpus, faulty int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if kcall.Pin(0) != nil {
		return
	}
	defer kcall.Pin(abi.AnyCPU)
	began := time.Now()
	for n := 1; n < cpus; n++ {
		ahead, tries := int64(0), 1
		if n == faulty {
			ahead, tries = aheadNS, faultTries
		}
		differ, err := kcall.CompareTSC(n, ahead)
		for ; err == syscall.ETIMEDOUT && tries > 1; tries-- {
			differ, err = kcall.CompareTSC(n, ahead)
		}
		if err == nil && differ > 0 {
			then := "the clock may step back between CPUs, because there is no HPET and no ACPI PM timer that counts"
			if kind := clock.Clock(); kind < clock.Kinds {
				then = kind.String() + " is the clock, and each reading is a system call"
			}
			klog.Warnf("clock: the time-stamp counter of cpu%d differs by %.3f ms from another CPU's: %s", n, float64(differ)/1e6, then)
			return
		}
		if time.Since(began) > compareBudget && faulty == 0 {
			return
		}
	}
}
