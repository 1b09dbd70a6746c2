package inject

import (
	"fmt"
	"strings"

	"muster/kernel/setting"
)

// counterFaults are the faults of each counter of time. The core reads these words itself,
// before the Go runtime starts (kernel/start/counters.go:counterFaults, kernel/start/calibrate.go:calibrate); here they are only
// checked.
var counterFaults = map[string][]string{
	"hpet":    {"still"},
	"pm":      {"still"},
	"pit":     {"dead"},
	"cmos":    {"still"},
	"cpuid15": {"wrong"},
}

// checkTimer checks a fault of the local APIC's timer, which the core reads
// (kernel/start/timer.go:timerFault).
func checkTimer(what string) error {
	if what == "dead" {
		return nil
	}
	if ms, late := strings.CutPrefix(what, "late="); late {
		if _, ok := setting.TimerLate.Parse([]byte(ms)); ok {
			return nil
		}
	}
	return fmt.Errorf("%q: a timer can be dead, or late=MS with MS from %d to %d", what, setting.TimerLate.Lowest, setting.TimerLate.Highest)
}

// checkAlloc checks a fault of allocations, which the core reads (kernel/start/boot.go:denyAllocations).
func checkAlloc(what string) error {
	name, n, _ := strings.Cut(what, "=")
	for _, known := range []setting.Number{setting.DenyEvery, setting.DenyAfter} {
		if _, ok := known.Parse([]byte(n)); ok && known.Name == "fault=alloc:"+name {
			return nil
		}
	}
	return fmt.Errorf("%q: one in N allocations of a program can fail (every=N), N from %d to %d, after its first K (after=K)", what, setting.DenyEvery.Lowest, setting.DenyEvery.Highest)
}

// checkCounter reports whether a fault is one of a counter, of the timer, or of allocations, and what is wrong with it.
func checkCounter(who, what string) (counter bool, err error) {
	if who == "timer" {
		return true, checkTimer(what)
	}
	if who == "alloc" {
		return true, checkAlloc(what)
	}
	known, counter := counterFaults[who]
	if !counter {
		return false, nil
	}
	for _, k := range known {
		if what == k {
			return true, nil
		}
	}
	return true, fmt.Errorf("%q: what can be wrong with %s: %s", what, who, strings.Join(known, ", "))
}
