package apic

import (
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/mmio"
	"muster/kernel/percpu"
)

// Registers of an I/O APIC (82093AA data sheet): an index and a data register at
// its address. Two words for each input follow. Those of version 0x20 and later have an
// EOI register, which is not reached by the index.
const (
	ioSelect = 0x00
	ioWindow = 0x10
	ioEOI    = 0x40 // write a vector: ends the level interrupts with it

	ioVersion  = 0x01 // bits 7:0: version; bits 23:16: number of the last input
	ioRedirect = 0x10 // + 2*input: low word, then high

	// IOEnd is the EOI register for IOWrite: an index that no register has.
	IOEnd = 0x100

	versionEOI = 0x20 // the first with an EOI register

	redirLow       = 1 << 13 // active low
	redirRemoteIRR = 1 << 14 // read-only: a level interrupt was accepted, and no EOI has come
	redirLevel     = 1 << 15
	redirMasked    = 1 << 16

	redirVector  = 0xff
	redirMode    = 7 << 8 // delivery mode
	redirModeSMI = 2 << 8
	redirModeNMI = 4 << 8
)

// IOAPIC is one I/O APIC. Its inputs are the global system interrupts from
// GSIBase on.
type IOAPIC struct {
	mu      lock.Spin
	base    uintptr
	GSIBase uint32
	Inputs  uint32
	ID      uint8
	Version uint8
}

// Init takes the register page at va and masks all inputs but those that the firmware
// has led to System Management Mode: firmware that misses such an interrupt can stop the
// machine.
func (a *IOAPIC) Init(c *percpu.CPU, va uintptr, id uint8, gsiBase uint32) {
	a.mu.Rank = lock.RankIOAPIC
	a.base, a.ID, a.GSIBase = va, id, gsiBase
	a.mu.Lock(c)
	version := a.read(ioVersion)
	a.Inputs, a.Version = version>>16&0xff+1, uint8(version)
	for i := range a.Inputs {
		if a.read(ioRedirect+2*i)&redirMode == redirModeSMI {
			continue
		}
		a.write(ioRedirect+2*i, redirMasked)
		a.write(ioRedirect+2*i+1, 0)
	}
	a.mu.Unlock(c)
}

func (a *IOAPIC) read(r uint32) uint32 {
	if Simulated && IORead != nil {
		return IORead(a.base, r)
	}
	mmio.Store32(a.base+ioSelect, r)
	return mmio.Load32(a.base + ioWindow)
}

func (a *IOAPIC) write(r, v uint32) {
	if Simulated && IOWrite != nil {
		IOWrite(a.base, r, v)
		return
	}
	mmio.Store32(a.base+ioSelect, r)
	mmio.Store32(a.base+ioWindow, v)
}

// entry returns the register of the low word of an input's entry.
func (a *IOAPIC) entry(gsi uint32) uint32 { return ioRedirect + 2*(gsi-a.GSIBase) }

// Has reports whether a global system interrupt is one of a's inputs.
func (a *IOAPIC) Has(gsi uint32) bool { return gsi >= a.GSIBase && gsi-a.GSIBase < a.Inputs }

// Firmware reports whether the firmware has led an input to System Management Mode.
func (a *IOAPIC) Firmware(c *percpu.CPU, gsi uint32) bool {
	a.mu.Lock(c)
	v := a.read(a.entry(gsi))
	a.mu.Unlock(c)
	return v&redirMode == redirModeSMI
}

// Route sends an input's interrupts to the CPU with APIC id dest, below 255,
// as vector, and unmasks it.
func (a *IOAPIC) Route(c *percpu.CPU, gsi uint32, vector uint8, dest uint32, low, level bool) {
	lo, hi := redirection(vector, dest, low, level)
	r := a.entry(gsi)
	a.mu.Lock(c)
	a.write(r, redirMasked) // the CPU never sees half an entry
	a.write(r+1, hi)
	a.write(r, lo)
	a.mu.Unlock(c)
}

// RouteNMI makes an input an NMI of the CPU with APIC id dest, and unmasks it. An input of
// this kind has no vector, and is edge-triggered whatever its wiring is.
//
// Source: Intel 82093AA data sheet, "I/O Redirection Table Registers", delivery mode.
func (a *IOAPIC) RouteNMI(c *percpu.CPU, gsi uint32, dest uint32, low bool) {
	lo, hi := redirection(0, dest, low, false)
	r := a.entry(gsi)
	a.mu.Lock(c)
	a.write(r, redirMasked)
	a.write(r+1, hi)
	a.write(r, lo|redirModeNMI)
	a.mu.Unlock(c)
}

// redirection encodes an entry: fixed delivery, physical destination.
func redirection(vector uint8, dest uint32, low, level bool) (lo, hi uint32) {
	lo = uint32(vector)
	if low {
		lo |= redirLow
	}
	if level {
		lo |= redirLevel
	}
	return lo, dest << 24
}

// Move sends an input's interrupts to another CPU, or as another vector. The input stays
// masked if it was. Meanwhile it is masked: an edge that comes then is lost, so the caller
// has the line served once afterwards.
//
// A level interrupt that a CPU has accepted, and not ended, keeps the entry as it is: the
// EOI carries the vector, and would not find an entry with another one, so that the input
// would never interrupt again. Move then changes nothing and reports false. With force it
// ends the interrupt at the I/O APIC instead.
//
// Source: Intel 82093AA data sheet, "I/O Redirection Table Registers", remote IRR.
func (a *IOAPIC) Move(c *percpu.CPU, gsi uint32, vector uint8, dest uint32, force bool) bool {
	r := a.entry(gsi)
	a.mu.Lock(c)
	old := a.read(r) &^ redirRemoteIRR
	a.write(r, old|redirMasked)
	if a.read(r)&redirRemoteIRR != 0 {
		if !force {
			a.write(r, old)
			a.mu.Unlock(c)
			return false
		}
		a.end(c, r, old)
	}
	a.write(r+1, dest<<24)
	a.write(r, old&^redirVector|redirMasked|uint32(vector))
	if old&redirMasked == 0 {
		a.write(r, old&^redirVector|uint32(vector))
	}
	a.read(r) // what was sent before has reached its CPU when this read returns
	a.mu.Unlock(c)
	return true
}

// end clears the remote IRR of a masked entry. Before there was an EOI register, an entry
// forgot its remote IRR when it became edge-triggered.
//
// Locks: a.mu held.
func (a *IOAPIC) end(c *percpu.CPU, r, old uint32) {
	a.mu.AssertHeld(c)
	if a.Version >= versionEOI {
		a.endVector(old & redirVector)
		return
	}
	a.write(r, old&^redirLevel|redirMasked)
	a.write(r, old|redirMasked)
}

func (a *IOAPIC) endVector(v uint32) {
	if Simulated && IOWrite != nil {
		IOWrite(a.base, IOEnd, v)
		return
	}
	mmio.Store32(a.base+ioEOI, v)
}

// Mask masks or unmasks an input.
func (a *IOAPIC) Mask(c *percpu.CPU, gsi uint32, masked bool) {
	r := a.entry(gsi)
	a.mu.Lock(c)
	v := a.read(r)
	if masked {
		v |= redirMasked
	} else {
		v &^= redirMasked
	}
	a.write(r, v)
	a.mu.Unlock(c)
}

// Masked reports whether an input is masked.
func (a *IOAPIC) Masked(c *percpu.CPU, gsi uint32) bool {
	a.mu.Lock(c)
	v := a.read(a.entry(gsi))
	a.mu.Unlock(c)
	return v&redirMasked != 0
}

// Ports of the two 8259 interrupt controllers.
const (
	pic1Command, pic1Data = 0x20, 0x21
	pic2Command, pic2Data = 0xa0, 0xa1
)

// RetirePIC moves the vectors of the 8259 pair away from the exceptions, because a
// masked 8259 can still raise a spurious interrupt, and masks all inputs.
//
// Source: Intel 8259A data sheet, "Initialization Command Words".
func RetirePIC(vector uint8) {
	cpu.Out8(pic1Command, 0x11) // ICW1: edge-triggered, cascade, ICW4 follows
	cpu.Out8(pic2Command, 0x11)
	cpu.Out8(pic1Data, vector) // ICW2
	cpu.Out8(pic2Data, vector+8)
	cpu.Out8(pic1Data, 4) // ICW3: the second is on input 2
	cpu.Out8(pic2Data, 2)
	cpu.Out8(pic1Data, 1) // ICW4: 8086 mode
	cpu.Out8(pic2Data, 1)
	cpu.Out8(pic1Data, 0xff)
	cpu.Out8(pic2Data, 0xff)
}
