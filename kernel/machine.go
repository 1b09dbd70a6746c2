package main

import (
	"runtime"
	"time"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/cpu"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/options"
	"muster/kernel/smp"
	"muster/trampoline"
)

// machine is what the firmware says about the hardware.
type machine struct {
	boot   *abi.Boot
	tables *acpi.Tables // nil without ACPI
	madt   *acpi.MADT   // nil without a usable one
	err    error        // why there is none

	features cpu.Features // the boot CPU's
}

// discover reads the firmware's tables.
func discover(boot *abi.Boot) *machine {
	m := &machine{boot: boot}
	if self, err := kcall.CPUInfo(0); err == nil {
		m.features = cpu.FromWords(self.Features)
	}
	root, err := acpi.FindRSDP(kcall.MapPhys, boot.RSDP, kcall.Slice[byte](boot.RSDPCopy, boot.RSDPLength))
	if err == nil {
		var t acpi.Tables
		var problems []error
		t, problems, err = acpi.Load(kcall.MapPhys, root)
		for _, p := range problems {
			klog.Warnf("%v", p)
		}
		if err == nil {
			m.tables = &t
			klog.Infof("acpi: RSDP revision %d from %q, %d tables from the %s", root.Revision, root.OEMID, len(t.List), t.From)
		}
	}
	if err == nil {
		m.madt, err = m.parseMADT()
	}
	m.err = err
	return m
}

func (m *machine) parseMADT() (*acpi.MADT, error) {
	t, ok := m.tables.Find("APIC")
	if !ok {
		return nil, &acpi.TableError{Table: "APIC", Err: acpi.ErrMissing}
	}
	madt, err := acpi.ParseMADT(t)
	if err != nil {
		klog.Warnf("%v", err)
	}
	return madt, nil
}

// isa returns how an ISA interrupt is wired: as on every PC, without an MADT.
func (m *machine) isa(irq uint8) acpi.Line {
	if m.madt == nil {
		return acpi.Line{GSI: uint32(irq)}
	}
	return m.madt.ISA(irq)
}

// startCPUs starts the CPUs that the MADT lists, as far as the options allow.
func (m *machine) startCPUs(opts options.Options) {
	self, _ := kcall.CPUInfo(0)
	switch {
	case !m.features.Has(cpu.APIC):
		klog.Warnf("smp: no local APIC, running on one CPU")
		return
	case m.madt == nil:
		klog.Warnf("smp: no MADT (%v), running on one CPU", m.err)
		return
	}
	var targets []smp.Target
	for _, c := range m.madt.Startable() {
		targets = append(targets, smp.Target{APICID: c.APICID, UID: c.UID})
		mark := ""
		if c.APICID == self.APICID {
			mark = ", boot CPU"
		}
		klog.Infof("smp: CPU with APIC ID %d, ACPI id %d%s", c.APICID, c.UID, mark)
	}
	if opts.NoSMP {
		klog.Infof("smp: nosmp, running on one CPU")
		return
	}
	regions := kcall.Slice[abi.Region](m.boot.Regions, m.boot.RegionCount)
	r := smp.StartAll(coreMachine{m.boot.DirectMap}, targets, smp.Config{
		Boot:     self.APICID,
		Max:      opts.MaxCPUs,
		Page:     smp.ChoosePage(regions, ebda()),
		INITWait: initWait(m.features),
		Timeout:  smp.Limit * time.Duration(opts.Scale),
	})
	for _, err := range r.Problems {
		klog.Errorf("%v", err)
	}
	if r.Took > 0 {
		klog.Infof("smp: %d of %d CPUs running, %.1f ms after the first INIT", r.Online, r.Wanted, r.Took.Seconds()*1e3)
	} else {
		klog.Infof("smp: %d of %d CPUs running", r.Online, r.Wanted)
	}
	runtime.SetDefaultGOMAXPROCS() // at once; the runtime itself looks every second
}

// initWait returns the wait between INIT and the start-up message: 10 ms by the
// manual, none on CPUs that are known to need none, as Linux has it.
//
// Source: Intel SDM vol. 3A, "Typical BSP Initialization Sequence".
func initWait(f cpu.Features) time.Duration {
	if f.Vendor == cpu.VendorIntel && f.Family >= 6 || f.Vendor == cpu.VendorAMD && f.Family >= 0xf {
		return 0
	}
	return 10 * time.Millisecond
}

// ebda returns the address of the extended BIOS data area, 0 if there is none.
func ebda() uint64 {
	b, err := kcall.MapPhys(0x40e, 2)
	if err != nil {
		return 0
	}
	return (uint64(b[0]) | uint64(b[1])<<8) << 4
}

// coreMachine is smp's view of the core.
type coreMachine struct{ directMap uintptr }

func (coreMachine) SetCPULimit(n int) error { return kcall.SetCPULimit(n) }

func (coreMachine) PrepareCPU(apicID, uid uint32) (int, error) { return kcall.PrepareCPU(apicID, uid) }

func (coreMachine) UseTrampoline(page uint64) error { return kcall.UseTrampoline(page) }

func (coreMachine) SendINIT(apicID uint32) error { return kcall.SendINIT(apicID) }

func (coreMachine) SendStartup(apicID uint32, page uint64) error {
	return kcall.SendStartup(apicID, page)
}

func (coreMachine) State(n int) (state, stage uint32) {
	c, err := kcall.CPUInfo(n)
	if err != nil {
		return 0, 0
	}
	return c.State, c.Stage
}

func (m coreMachine) Slot(page uint64, i int) (apicID, stage uint32) {
	b := kcall.Slice[[trampoline.Size]byte](m.directMap+uintptr(page), 1)
	return trampoline.Slot(&b[0], i)
}

func (coreMachine) Proceed(n int) error { return kcall.Proceed(n) }

func (coreMachine) Now() time.Time { return time.Now() }

func (coreMachine) Sleep(d time.Duration) { time.Sleep(d) }
