// Package msr reads model-specific registers that this CPU may not have.
//
// Layer: service.
// Context: any goroutine; the register is that of the CPU on which the goroutine happens to run.
// Locks: none.
// Manual: Intel SDM vol. 2B, "RDMSR".
// Chapter: docs/12-shell-and-tests.md.
package msr

import (
	"fmt"
	"runtime/debug"

	"muster/kernel/cpu"
)

// Read returns a register. One that the CPU does not have raises #GP, which the core passes to
// the Go runtime as SIGSEGV, as for a program; here the runtime makes a panic of it, and Read
// an error.
func Read(number uint32) (v uint64, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("msr: %#x cannot be read: %v", number, r)
		}
	}()
	return cpu.ReadMSR(number), nil
}
