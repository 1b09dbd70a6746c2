//go:build explore

package clock

import "muster/kernel/cpu"

// readTSC reads the time-stamp counter of a model, or that of the host.
var readTSC = cpu.TSCOrdered
