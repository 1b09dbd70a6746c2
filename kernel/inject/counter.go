package inject

import (
	"fmt"
	"strconv"
	"strings"
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
	ms, late := strings.CutPrefix(what, "late=")
	if n, err := strconv.ParseUint(ms, 10, 16); what == "dead" || late && err == nil && n >= 1 && n <= 1000 {
		return nil
	}
	return fmt.Errorf("%q: a timer can be dead, or late=MS with MS from 1 to 1000", what)
}

// checkCounter reports whether a fault is one of a counter, and what is wrong with it.
func checkCounter(who, what string) (counter bool, err error) {
	if who == "timer" {
		return true, checkTimer(what)
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
