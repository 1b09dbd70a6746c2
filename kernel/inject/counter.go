package inject

import (
	"fmt"
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

// checkCounter reports whether a fault is one of a counter, and what is wrong with it.
func checkCounter(who, what string) (counter bool, err error) {
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
