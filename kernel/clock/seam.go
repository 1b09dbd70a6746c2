//go:build !explore

package clock

import "muster/kernel/cpu"

// readTSC reads the time-stamp counter, after all loads and atomic stores before it.
func readTSC() uint64 { return cpu.TSCOrdered() }
