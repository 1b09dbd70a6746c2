// Package pci finds the functions on the PCI buses, and reads and writes what their
// configuration space has: base address registers, capabilities, MSI.
//
// The configuration space is input: a device may have gone, or firmware may have left a
// loop. Each walk is bounded.
//
// Layer: pure.
// Context: one goroutine at a time.
// Locks: none.
// Manual: PCI Local Bus Specification 3.0, chapter 6 "Configuration Space"; PCI-to-PCI
// Bridge Architecture Specification 1.2; PCI Express Base Specification.
// Chapter: docs/13-devices.md.
// Left out: bus numbers and addresses that the firmware did not assign, root buses that
// only AML names, hot plug, extended capabilities.
package pci

import (
	"errors"
	"fmt"
)

// Addr is where a function is.
type Addr struct {
	Bus, Device, Function uint8
}

// String returns the usual form, bus:device.function.
func (a Addr) String() string { return fmt.Sprintf("%02x:%02x.%x", a.Bus, a.Device, a.Function) }

// Config reads and writes configuration space. off is a multiple of 4. A function that is
// not there reads as all ones.
type Config interface {
	Read(a Addr, off int) uint32
	Write(a Addr, off int, v uint32)
}

// Offsets in configuration space.
//
// Source: PCI Local Bus Specification 3.0, "Configuration Space Header".
const (
	offID      = 0x00
	offCommand = 0x04 // the status in the upper half
	offClass   = 0x08
	offHeader  = 0x0c
	offBARs    = 0x10
	offBuses   = 0x18 // of a bridge
	offCaps    = 0x34
	offLine    = 0x3c

	commandIO      = 1 << 0
	commandMemory  = 1 << 1
	commandMaster  = 1 << 2
	commandNoINTx  = 1 << 10
	statusCaps     = 1 << 20
	headerMulti    = 1 << 7 // the device has further functions
	headerMask     = 0x7f
	headerBridge   = 1
	nowhere        = 0xffff // vendor of a function that is not there
	lastDevice     = 31
	lastFunction   = 7
	classBridge    = 0x06
	classPCIBridge = 0x0604
)

// Function is one function of a device.
type Function struct {
	Addr     Addr
	Vendor   uint16
	Device   uint16
	Class    uint32 // base class, subclass, interface: 24 bits
	Revision uint8
	Header   uint8 // 0 for devices, 1 for bridges
	Pin      uint8 // INTx: 1 to 4, 0 for none
	Line     uint8 // the interrupt that the firmware gave the pin at the 8259s
	Below    uint8 // of a bridge, the bus below it
	BARs     []BAR
	Caps     []Cap

	cfg Config
}

// Errors of Scan.
var (
	ErrLoop    = errors.New("the list of capabilities has a loop")
	ErrPointer = errors.New("a pointer of the list of capabilities leads into the header")
	ErrBus     = errors.New("the bridge leads to a bus that was seen already")
)

// Scan finds the functions on bus 0, and on those below bridges. problems lists what
// was left out.
func Scan(cfg Config) (list []*Function, problems []error) {
	s := scan{cfg: cfg}
	s.seen[0] = true
	for todo := []uint8{0}; len(todo) > 0; todo = todo[1:] {
		todo = append(todo, s.bus(todo[0])...)
	}
	return s.list, s.problems
}

type scan struct {
	cfg      Config
	seen     [256]bool // buses
	list     []*Function
	problems []error
}

// bus scans one bus, and returns those below its bridges.
func (s *scan) bus(bus uint8) (below []uint8) {
	for dev := range uint8(lastDevice + 1) {
		for fn := range uint8(lastFunction + 1) {
			f := s.function(Addr{bus, dev, fn})
			if f == nil {
				if fn == 0 { // then the device has no other functions
					break
				}
				continue
			}
			if f.Below != 0 {
				below = append(below, f.Below)
			}
			if fn == 0 && s.cfg.Read(f.Addr, offHeader)>>16&headerMulti == 0 {
				break
			}
		}
	}
	return below
}

// function reads one function, nil if there is none.
func (s *scan) function(a Addr) *Function {
	id := s.cfg.Read(a, offID)
	if uint16(id) == nowhere || id == 0 {
		return nil
	}
	class := s.cfg.Read(a, offClass)
	f := &Function{Addr: a, Vendor: uint16(id), Device: uint16(id >> 16), Class: class >> 8, Revision: uint8(class),
		Header: uint8(s.cfg.Read(a, offHeader)>>16) & headerMask, cfg: s.cfg}
	s.list = append(s.list, f)
	line := s.cfg.Read(a, offLine)
	f.Line, f.Pin = uint8(line), uint8(line>>8)
	say := func(err error) {
		if err != nil {
			s.problems = append(s.problems, fmt.Errorf("pci: %v: %w", a, err))
		}
	}
	var err error
	f.Caps, err = capabilities(s.cfg, a)
	say(err)
	if f.Header == headerBridge {
		f.Below, err = s.below(a)
		say(err)
		return f
	}
	f.BARs = f.bars(f.measured())
	return f
}

// below returns the bus below a bridge, 0 if it has none: each bus is scanned once, so
// that a bridge which points at itself or upwards ends nowhere.
func (s *scan) below(a Addr) (uint8, error) {
	buses := s.cfg.Read(a, offBuses)
	bus := uint8(buses >> 8)
	if bus == 0 || buses == ^uint32(0) {
		return 0, nil // the firmware has not configured it
	}
	if s.seen[bus] {
		return 0, fmt.Errorf("%w: %d", ErrBus, bus)
	}
	s.seen[bus] = true
	return bus, nil
}

// Use enables the function's memory and its reads and writes of memory.
func (f *Function) Use() {
	f.command(commandMemory|commandMaster, 0)
}

// command sets and clears bits of the command register. The status above it is written
// as zeros, which change nothing.
func (f *Function) command(set, clear uint32) {
	c := f.cfg.Read(f.Addr, offCommand) & 0xffff
	f.cfg.Write(f.Addr, offCommand, c&^clear|set)
}
