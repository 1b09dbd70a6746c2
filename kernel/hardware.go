package main

import (
	"fmt"
	"sync"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/cpu"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/layout"
	"muster/kernel/mmio"
	"muster/kernel/power"
	"muster/kernel/smp"
)

// hardware is what the firmware lists. A field is nil if the firmware does not list
// it.
type hardware struct {
	boot     *abi.Boot
	features cpu.Features // the boot CPU's
	self     uint32       // its APIC id

	tables *acpi.Tables
	madt   *acpi.MADT
	srat   *acpi.SRAT
	slit   *acpi.SLIT
	fadt   *acpi.FADT
	s5     *acpi.Sleep
	top    *acpi.Topology

	pci buses

	keyboard found

	starting sync.Mutex       // one start of CPUs at a time
	catching map[int]*catcher // by the late CPU's number; guarded by starting
	startCfg smp.Config
	marks    []smp.Mark // of the start of the APs
	tscs     comparisons
	offSteps []power.Step
	err      error // why there is no MADT
}

// discover reads the firmware's tables.
//
// Context: while the boot CPU runs alone.
func discover(boot *abi.Boot) *hardware {
	m := &hardware{boot: boot, keyboard: found{ch: make(chan struct{})}}
	if self, err := kcall.CPUInfo(0); err == nil {
		m.features, m.self = cpu.FromWords(self.Features), self.APICID
	}
	m.readACPI()
	if m.madt == nil && m.features.Has(cpu.APIC) {
		m.readMP()
	}
	m.makeTopology()
	if err := kcall.SetBootCPU(&m.top.CPUs[0].Processor); err != nil {
		klog.Errorf("smp: boot CPU without its ACPI id and its NMI pins: %v", err)
	}
	m.divideMemory()
	m.preparePower()
	return m
}

// readACPI finds the tables and decodes those that the kernel uses.
func (m *hardware) readACPI() {
	root, err := acpi.FindRSDP(kcall.MapPhys, m.boot.RSDP, kcall.Slice[byte](m.boot.RSDPCopy, m.boot.RSDPLength))
	if err != nil {
		m.err = err
		return
	}
	t, problems, err := acpi.Load(kcall.MapPhys, root)
	for _, p := range problems {
		klog.Warnf("%v", p)
	}
	if err != nil {
		m.err = err
		return
	}
	m.tables = &t
	klog.Infof("acpi: RSDP revision %d from %q, %d tables from the %s", root.Revision, root.OEMID, len(t.List), t.From)
	m.madt = parse(m.tables, "APIC", acpi.ParseMADT)
	m.srat = parse(m.tables, "SRAT", acpi.ParseSRAT)
	m.slit = parse(m.tables, "SLIT", acpi.ParseSLIT)
	m.fadt = parse(m.tables, "FACP", acpi.ParseFADT)
	if m.madt == nil {
		m.err = &acpi.TableError{Table: "APIC", Err: acpi.ErrMissing}
	}
	m.s5 = m.findS5()
}

// parse decodes the first table with a signature, up to the first error; nil if
// there is no such table.
func parse[T any](tables *acpi.Tables, sig string, decode func(acpi.Table) (*T, error)) *T {
	t, ok := tables.Find(sig)
	if !ok {
		return nil
	}
	v, err := decode(t)
	if err != nil {
		klog.Warnf("%v", err)
	}
	return v
}

// findS5 searches the DSDT and then the SSDTs for the way to power off.
func (m *hardware) findS5() *acpi.Sleep {
	if m.fadt == nil {
		return nil
	}
	if addr := m.fadt.DSDTAddress(); addr != 0 {
		dsdt, err := acpi.ReadTable(kcall.MapPhys, addr)
		if err != nil {
			klog.Warnf("%v", err)
		} else {
			m.tables.List = append(m.tables.List, dsdt) // for listing and dumping
			if s, err := acpi.FindS5(dsdt); err == nil {
				return &s
			}
		}
	}
	for _, t := range m.tables.List {
		if t.Sig() == "SSDT" {
			if s, err := acpi.FindS5(t); err == nil {
				return &s
			}
		}
	}
	return nil
}

// readMP reads the MP tables, which are older than ACPI.
func (m *hardware) readMP() {
	mp, err := acpi.FindMP(kcall.MapPhys)
	if err != nil {
		m.err = fmt.Errorf("%w; %w", m.err, err)
		return
	}
	klog.Infof("acpi: no MADT: %v: using the MP tables of %q at %#x, %d CPUs", m.err, mp.OEM, mp.Addr, len(mp.CPUs))
	m.madt = mp.MADT(ioapicInputs)
}

// ioapicInputs reads from an I/O APIC how many inputs it has (Intel 82093AA data
// sheet, "I/O APIC Version Register"). The result is 0 for one that cannot be read.
func ioapicInputs(addr uint32) int {
	const window, version = 0x10, 1
	base, err := kcall.MapDevice(uint64(addr), layout.PageSize)
	if err != nil {
		klog.Errorf("acpi: I/O APIC at %#x: %v", addr, err)
		return 0
	}
	mmio.Store32(base, version)
	return int(mmio.Load32(base+window)>>16&0xff) + 1
}

// makeTopology combines the tables with what the boot CPU reports of itself.
func (m *hardware) makeTopology() {
	madt := m.madt
	if madt == nil { // the boot CPU is there without a table
		madt = &acpi.MADT{CPUs: []acpi.CPU{{APICID: m.self, Enabled: true}}}
	}
	s := acpi.Sources{MADT: madt, SRAT: m.srat, SLIT: m.slit, Boot: m.self, BusHz: acpi.BusHz(cpu.CPUID), Levels: acpi.ReadLevels(cpu.CPUID)}
	if m.features.Has(cpu.APIC) {
		s.APICBase = cpu.ReadMSR(cpu.MSRAPICBase) & apicBaseAddress
	}
	top, problems := acpi.NewTopology(s)
	for _, p := range problems {
		klog.Warnf("%v", p)
	}
	m.top = top
}

// apicBaseAddress is the field of IA32_APIC_BASE that says where the registers are.
const apicBaseAddress = 1<<52 - 1<<12

// isa returns how an ISA interrupt is wired. Without a table the wiring is that of
// every PC.
func (m *hardware) isa(irq uint8) acpi.Line {
	if m.madt == nil {
		return acpi.Line{GSI: uint32(irq)}
	}
	return m.madt.ISA(irq)
}
