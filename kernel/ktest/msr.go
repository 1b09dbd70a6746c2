package ktest

import (
	"context"
	"errors"
	"fmt"

	"muster/kernel/cpu"
	"muster/kernel/msr"
)

// msrNone is a register that no CPU has: the ids of x2APIC registers begin with it, and there is
// none with this offset (Intel SDM vol. 3A, "x2APIC Register Address Space").
const msrNone = cpu.MSRX2APIC

// noMSR reads a register that does not exist, and one that does, on all CPUs at once.
func noMSR(context.Context) error {
	return parallel(2*cpus(), func(int) error {
		for range 100 {
			if v, err := msr.Read(msrNone); err == nil {
				return fmt.Errorf("register %#x has the value %#x", msrNone, v)
			}
			if v, err := msr.Read(cpu.MSREFER); err != nil {
				return err
			} else if v&1 == 0 {
				return errors.New("EFER says that there is no SYSCALL")
			}
		}
		return nil
	})
}
