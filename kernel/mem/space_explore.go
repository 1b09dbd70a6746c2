//go:build explore

package mem

import "muster/kernel/percpu"

// ModelSpace returns a space for models of other packages: its user memory is the
// test's own, from low up to high. No CPU has it loaded.
func ModelSpace(low, high uintptr) *Space {
	loadRoot = func(*percpu.CPU, PhysAddr) {}
	s := &Space{low: low, high: high}
	s.cpus = &s.own
	return s
}
