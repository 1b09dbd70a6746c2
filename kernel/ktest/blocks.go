package ktest

import (
	"context"
	"fmt"
	"math/rand/v2"

	"muster/kernel/abi"
	"muster/kernel/kcall"
	"muster/kernel/layout"
)

// blocks has all CPUs allocate and free blocks of memory, a hundred times. The core
// compares what they hold. Afterwards as much is free as before, except what the kernel's
// own runtime took meanwhile.
func blocks(context.Context) error {
	inUse := func() uint64 {
		m := kcall.MemInfo()
		return m.TotalPages - m.FreePages - m.KernelPages - m.StacksMade*m.StackSize/layout.PageSize
	}
	before := inUse()
	for range 100 {
		if _, err := kcall.CrossCall(abi.AllCPUs, abi.CallBlocks, rand.Uint64()); err != nil {
			return err
		}
	}
	const spare = 64 // page tables of the runtime, and pages of caches
	if after := inUse(); after > before+spare {
		return fmt.Errorf("%d pages of the core in use before, %d after", before, after)
	}
	return nil
}
