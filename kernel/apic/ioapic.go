package apic

import (
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/mmio"
	"muster/kernel/percpu"
)

// Registers of an I/O APIC (82093AA data sheet): an index and a data register at
// its address. Two words for each input follow.
const (
	ioSelect = 0x00
	ioWindow = 0x10

	ioVersion  = 0x01 // bits 23:16: number of the last input
	ioRedirect = 0x10 // + 2*input: low word, then high

	redirLow    = 1 << 13 // active low
	redirLevel  = 1 << 15
	redirMasked = 1 << 16

	redirMode    = 7 << 8 // delivery mode
	redirModeSMI = 2 << 8
)

// IOAPIC is one I/O APIC. Its inputs are the global system interrupts from
// GSIBase on.
type IOAPIC struct {
	mu      lock.Spin
	base    uintptr
	GSIBase uint32
	Inputs  uint32
	ID      uint8
}

// Init takes the register page at va and masks all inputs but those that the firmware
// has led to System Management Mode: firmware that misses such an interrupt can stop the
// machine.
func (a *IOAPIC) Init(c *percpu.CPU, va uintptr, id uint8, gsiBase uint32) {
	a.mu.Rank = lock.RankIOAPIC
	a.base, a.ID, a.GSIBase = va, id, gsiBase
	a.mu.Lock(c)
	a.Inputs = a.read(ioVersion)>>16&0xff + 1
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
	mmio.Store32(a.base+ioSelect, r)
	return mmio.Load32(a.base + ioWindow)
}

func (a *IOAPIC) write(r, v uint32) {
	mmio.Store32(a.base+ioSelect, r)
	mmio.Store32(a.base+ioWindow, v)
}

// Has reports whether a global system interrupt is one of a's inputs.
func (a *IOAPIC) Has(gsi uint32) bool { return gsi >= a.GSIBase && gsi-a.GSIBase < a.Inputs }

// Firmware reports whether the firmware has led an input to System Management Mode.
func (a *IOAPIC) Firmware(c *percpu.CPU, gsi uint32) bool {
	a.mu.Lock(c)
	v := a.read(ioRedirect + 2*(gsi-a.GSIBase))
	a.mu.Unlock(c)
	return v&redirMode == redirModeSMI
}

// Route sends an input's interrupts to the CPU with APIC id dest, below 255,
// as vector, and unmasks it.
func (a *IOAPIC) Route(c *percpu.CPU, gsi uint32, vector uint8, dest uint32, low, level bool) {
	lo, hi := redirection(vector, dest, low, level)
	i := gsi - a.GSIBase
	a.mu.Lock(c)
	a.write(ioRedirect+2*i, redirMasked) // the CPU never sees half an entry
	a.write(ioRedirect+2*i+1, hi)
	a.write(ioRedirect+2*i, lo)
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

// Mask masks or unmasks an input.
func (a *IOAPIC) Mask(c *percpu.CPU, gsi uint32, masked bool) {
	r := ioRedirect + 2*(gsi-a.GSIBase)
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
