package main

import (
	"sync"

	"muster/kernel/acpi"
	"muster/kernel/cpu"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/mmio"
	"muster/kernel/pci"
	"muster/kernel/shell"
)

// buses is the PCI functions of the machine. They are looked for once, by the first
// goroutine that uses them.
type buses struct {
	once sync.Once
	list []*pci.Function
	ways string // how configuration space is reached
}

// functions returns the PCI functions.
func (m *hardware) functions() []*pci.Function {
	m.pci.once.Do(func() {
		var c pci.Config
		c, m.pci.ways = m.pciConfig()
		if c == nil {
			return
		}
		var problems []error
		m.pci.list, problems = pci.Scan(c)
		for _, p := range problems {
			klog.Warnf("%v", p)
		}
		klog.Infof("pci: %d functions, by %s", len(m.pci.list), m.pci.ways)
	})
	return m.pci.list
}

// pciConfig returns the way to configuration space: the memory that the MCFG names, if it
// shows the same first function as the ports or there are no ports; else the ports; nil
// if there is neither.
func (m *hardware) pciConfig() (c pci.Config, ways string) {
	ports := &pciPorts{}
	havePorts := ports.answer()
	if e := m.ecam(); e != nil {
		a, b := e.Read(pci.Addr{}, 0), ports.Read(pci.Addr{}, 0)
		switch {
		case !havePorts && a != ^uint32(0), havePorts && a == b:
			return e, "memory"
		default:
			klog.Warnf("pci: MCFG not used: its memory has %#x as the first function, the ports have %#x", a, b)
		}
	}
	if havePorts {
		return ports, "ports"
	}
	return nil, "no way"
}

// pciPorts is configuration space by a pair of ports (PCI Local Bus Specification 3.0,
// "Software Generation of Configuration Transactions").
type pciPorts struct{ mu sync.Mutex }

const (
	portConfigAddress = 0xcf8
	portConfigData    = 0xcfc
	configEnable      = 1 << 31
)

// answer reports whether there are such ports: the first keeps what is written.
func (p *pciPorts) answer() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := cpu.In32(portConfigAddress)
	cpu.Out32(portConfigAddress, configEnable)
	ok := cpu.In32(portConfigAddress) == configEnable
	cpu.Out32(portConfigAddress, before)
	return ok
}

func (p *pciPorts) address(a pci.Addr, off int) uint32 {
	return configEnable | uint32(a.Bus)<<16 | uint32(a.Device)<<11 | uint32(a.Function)<<8 | uint32(off)
}

func (p *pciPorts) Read(a pci.Addr, off int) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	cpu.Out32(portConfigAddress, p.address(a, off))
	return cpu.In32(portConfigData)
}

func (p *pciPorts) Write(a pci.Addr, off int, v uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cpu.Out32(portConfigAddress, p.address(a, off))
	cpu.Out32(portConfigData, v)
}

// ecam is configuration space as memory, a mebibyte for each bus. A bus is mapped when it
// is first used.
type ecam struct {
	segment acpi.Segment
	mu      sync.Mutex
	mapped  [256]uintptr
	bad     [256]bool
}

// ecam returns the memory that the MCFG names for the first segment, nil if there is none.
func (m *hardware) ecam() *ecam {
	if m.tables == nil {
		return nil
	}
	t := parse(m.tables, "MCFG", acpi.ParseMCFG)
	if t == nil {
		return nil
	}
	for _, s := range t.Segments {
		if s.Segment == 0 && s.StartBus == 0 && s.Valid() {
			return &ecam{segment: s}
		}
	}
	return nil
}

// register returns the address of a register, 0 if the bus has no memory.
func (e *ecam) register(a pci.Addr, off int) uintptr {
	if a.Bus > e.segment.EndBus {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mapped[a.Bus] == 0 && !e.bad[a.Bus] {
		va, err := kcall.MapDevice(e.segment.Base+uint64(a.Bus)<<20, 1<<20)
		if err != nil {
			klog.Errorf("pci: bus %d: %v", a.Bus, err)
			e.bad[a.Bus] = true
		}
		e.mapped[a.Bus] = va
	}
	if e.bad[a.Bus] {
		return 0
	}
	return e.mapped[a.Bus] + uintptr(a.Device)<<15 + uintptr(a.Function)<<12 + uintptr(off)
}

func (e *ecam) Read(a pci.Addr, off int) uint32 {
	if r := e.register(a, off); r != 0 {
		return mmio.Load32(r)
	}
	return ^uint32(0)
}

func (e *ecam) Write(a pci.Addr, off int, v uint32) {
	if r := e.register(a, off); r != 0 {
		mmio.Store32(r, v)
	}
}

// PCI lists the functions for the shell.
func (s *system) PCI() (list []shell.PCI) {
	for _, f := range s.functions() {
		row := shell.PCI{Function: f.Addr.String(), Vendor: f.Vendor, Device: f.Device, Class: f.Class, Name: f.ClassName(), Below: f.Below}
		for _, b := range f.BARs {
			row.BARs = append(row.BARs, shell.BAR{Index: b.Index, Base: b.Address, Size: b.Size, IO: b.IO})
		}
		for _, c := range f.Caps {
			row.Capabilities = append(row.Capabilities, c.String())
		}
		list = append(list, row)
	}
	return list
}
