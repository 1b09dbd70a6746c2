package ktest

import (
	"context"
	"errors"
	"fmt"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/kcall"
)

// Error codes of page faults, with the bit that says that there was a fault (Intel
// SDM vol. 3A, "Page-Fault Exceptions").
const (
	faulted     = 1 << 63
	faultNoLoad = faulted | 0x01 // present; a load by the kernel
	faultNoExec = faulted | 0x11 // present; a fetch by the kernel
	faultNoPut  = faulted | 0x03 // present; a store by the kernel
)

// mitigations makes every CPU try the accesses that its mitigations must stop: with
// the mitigation, which must stop the access if the CPU has it, and without, when
// the access must succeed. Control registers have known values, whatever firmware left in
// them.
func mitigations(context.Context) error {
	var first *abi.Mitigations
	var f cpu.Features // of the first CPU, which decide for all
	for _, n := range onlineCPUs() {
		info, err := kcall.CPUInfo(n)
		if err != nil {
			return err
		}
		p, err := kcall.TryMitigations(n)
		if err != nil {
			return fmt.Errorf("cpu %d: %w", n, err)
		}
		if first == nil {
			f = cpu.FromWords(info.Features)
		}
		if err := judge(p, &f); err != nil {
			return fmt.Errorf("cpu %d: %w", n, err)
		}
		if first == nil {
			first = p
		} else if *p != *first {
			return fmt.Errorf("control registers of cpu %d differ from the first CPU's: %+x and %+x", n, *p, *first)
		}
	}
	if first == nil {
		return errors.New("no CPU is online")
	}
	return nil
}

// judge returns an error for a CPU with features f whose mitigations did not do
// what they must.
func judge(p *abi.Mitigations, f *cpu.Features) error {
	bites := func(x cpu.Feature, code uint64) uint64 {
		if f.Has(x) {
			return code
		}
		return 0
	}
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"fetch from a user page without SMEP", p.FetchOff, 0},
		{"fetch from a user page with SMEP", p.FetchOn, bites(cpu.SMEP, faultNoExec)},
		{"load from a user page without SMAP", p.LoadOff, 0},
		{"load from a user page with SMAP", p.LoadOn, bites(cpu.SMAP, faultNoLoad)},
		{"fetch from data", p.FetchData, bites(cpu.NX, faultNoExec)},
		{"store to text", p.StoreText, faultNoPut},
		{"CR0", p.CR0, cpu.CR0Wanted},
		{"CR4", p.CR4, f.CR4()},
		{"EFER without the automatic IBRS", p.EFER &^ cpu.EFERAutoIBRS, cpu.EFERSyscall | cpu.EFERLongMode | cpu.EFERLongModeActive | cpu.EFERNoExecute},
		{"PAT", p.PAT, cpu.PATWanted},
		{"DR7", p.DR7, cpu.DR7Clear},
		{"LDTR", p.LDTR, 0},
		{"IA32_SYSENTER_CS", p.SysenterCS, 0},
		{"IA32_MISC_ENABLE's limits", p.Hidden, 0},
	} {
		if c.got != c.want {
			return fmt.Errorf("%s: %#x, want %#x", c.what, c.got, c.want)
		}
	}
	return nil
}

// stacks gets a backtrace of every CPU by NMI. All its addresses must lie in the
// kernel, or in ring 3.
func stacks(ctx context.Context) error {
	callers := 0
	return onEach(ctx, func(caller int) error {
		if callers++; callers > 2 {
			return nil // two CPUs see all CPUs
		}
		for _, n := range onlineCPUs() {
			if n == caller {
				continue
			}
			t, err := kcall.Backtrace(n)
			if err != nil {
				return fmt.Errorf("backtrace of cpu %d: %w", n, err)
			}
			if t.N == 0 || t.Ring == 0 && t.PC[0] < 1<<63 {
				return fmt.Errorf("backtrace of cpu %d: %+v", n, t)
			}
		}
		return nil
	})
}
