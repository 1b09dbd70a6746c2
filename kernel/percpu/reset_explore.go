//go:build explore

package percpu

import "muster/kernel/atom"

// Reset empties the table of CPUs, so that a model can be set up anew.
func Reset() {
	table.base, table.count, table.limit = atom.Uintptr{}, atom.Uint32{}, 0
}
