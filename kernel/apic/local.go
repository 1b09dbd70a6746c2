// Package apic drives the local APIC of each CPU, in xAPIC and x2APIC mode: its
// identity, its timer, end of interrupt, and the interrupts one CPU sends
// another; and the I/O APICs, which bring device interrupts.
//
// Layer: core.
// Context: each CPU touches its own local APIC, with interrupts off.
// Locks: none for the local APIC; IOAPIC.mu for an I/O APIC's register pair.
// Manual: Intel SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)";
// Intel 82093AA I/O APIC data sheet.
// Chapter: docs/06-interrupts.md.
// Left out: thermal and performance-counter vectors; lowest-priority delivery,
// which many CPUs ignore.
package apic

import (
	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/mmio"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// mode is the same on all CPUs: the boot CPU's, once it has chosen.
var (
	x2   bool
	base uintptr // register page, in xAPIC mode
)

// Physical returns the address of the register page, whether the APIC is there, and
// whether it is in x2APIC mode already.
func Physical() (addr uint64, enabled, x2apic bool) {
	v := cpu.ReadMSR(cpu.MSRAPICBase)
	return v & 0x000ffffffffff000, v&cpu.APICBaseEnable != 0, v&cpu.APICBaseX2APIC != 0
}

// Use chooses the mode for all CPUs: x2APIC, or the register page at va.
//
// Context: boot CPU, before Enable.
func Use(x2apic bool, va uintptr) { x2, base = x2apic, va }

// Install makes this package handle the vectors that the local APIC raises on
// errors, and every vector without a handler of its own.
//
// Context: boot CPU, before it enables interrupts.
func Install() {
	vector.Handle(vector.Error, onError)
	vector.Handle(vector.Spurious, func(*percpu.CPU, *cpu.Frame) {}) // a spurious interrupt needs no EOI
	vector.HandleRest(onUnclaimed)
}

// onError counts the errors that the local APIC has recorded, and logs some of them.
func onError(c *percpu.CPU, _ *cpu.Frame) {
	EOI()
	status := ClearErrors()
	countErrors(c, status)
	if !report() {
		return
	}
	var l console.Line
	l.Str("apic: the local APIC has recorded errors, error status ").Hex(uint64(status))
	for bit := range uint64(errorBits) {
		if status>>bit&1 != 0 {
			l.Str(", ").Str(ErrorName(bit))
		}
	}
	console.Warn(c, &l)
}

// countErrors counts each error of an error status.
func countErrors(c *percpu.CPU, status uint32) {
	for bit := range uint64(errorBits) {
		if status>>bit&1 != 0 {
			c.Count(abi.CountErrors + bit)
		}
	}
}

// reports is how many times report was called.
var reports atom.Uint32

// report reports whether to log an error: the first ten, and then those whose number is a
// power of two, since a broken bus has thousands a second.
func report() bool {
	n := reports.Add(1)
	return n <= 10 || n&(n-1) == 0
}

// errorBits is the number of bits of the error status register.
const errorBits = 8

// errorNames are the bits' names in the manual.
//
// Source: Intel SDM vol. 3A, "Error Handling", "Error Status Register (ESR)".
var errorNames = [errorBits]string{"send checksum error", "receive checksum error", "send accept error", "receive accept error",
	"redirectable IPI", "send illegal vector", "received illegal vector", "illegal register address"}

// ErrorName returns the name of a bit of the error status register, below 8.
func ErrorName(bit uint64) string { return errorNames[bit] }

// onUnclaimed ends an interrupt without an owner. Without an EOI it would block all
// vectors of its class and below.
func onUnclaimed(c *percpu.CPU, _ *cpu.Frame) {
	EOI()
	c.Count(abi.CountUnclaimed)
}

func read(off uintptr) uint32 {
	if x2 {
		return uint32(cpu.ReadMSR(cpu.MSRX2APIC + uint32(off>>4)))
	}
	return mmio.Load32(base + off)
}

func write(off uintptr, v uint32) {
	if x2 {
		cpu.WriteMSR(cpu.MSRX2APIC+uint32(off>>4), uint64(v))
		return
	}
	mmio.Store32(base+off, v)
}

// Enable turns this CPU's local APIC on in the chosen mode, masks every local
// source, and sets c.APICID from it.
//
// Context: once on each CPU, interrupts off.
// Source: Intel SDM vol. 3A, "Local APIC Status and Location" and "x2APIC State
// Transitions": x2APIC is entered from xAPIC, never left.
func Enable(c *percpu.CPU) {
	v := cpu.ReadMSR(cpu.MSRAPICBase)
	if v&cpu.APICBaseEnable == 0 {
		v |= cpu.APICBaseEnable
		cpu.WriteMSR(cpu.MSRAPICBase, v)
	}
	if x2 && v&cpu.APICBaseX2APIC == 0 {
		cpu.WriteMSR(cpu.MSRAPICBase, v|cpu.APICBaseX2APIC)
	}
	c.Boot = v&cpu.APICBaseBSP != 0
	maskLocal()
	write(offTPR, 0)
	write(offSVR, svrEnable|vector.Spurious)
	ClearErrors()
	write(offLVTError, vector.Error)
	write(offDivide, divideBy16)
	// An interrupt that the firmware left in service would block lower vectors.
	for range 256 {
		if !InService() {
			break
		}
		EOI()
	}
	c.APICID = ID()
	c.Logical = logicalID(c)
}

// maskLocal masks every local source. Firmware may have left one enabled whose vector
// means something else to this kernel.
func maskLocal() {
	for _, off := range [6]uintptr{offLVTTimer, offLVTLINT0, offLVTLINT1, offLVTTherm, offLVTPerf, offLVTCMCI} {
		if present(off) {
			write(off, lvtMasked)
		}
	}
}

// Disable makes this CPU's local APIC take no interrupt but NMI, SMI, INIT and SIPI.
//
// Source: Intel SDM vol. 3A, "Local APIC State After It Has Been Software Disabled".
func Disable() {
	maskLocal()
	write(offSVR, vector.Spurious)
}

// flatCPUs is how many CPUs have a bit of their own in the flat model of xAPIC
// mode. It is not eight, because a destination with all eight bits set reaches
// every CPU.
const flatCPUs = 7

// logicalID returns this CPU's logical destination, 0 for none. In x2APIC mode the
// hardware derives it from the id: a cluster and one of 16 bits. In xAPIC mode it
// is the flat model's bit, which software assigns, for the first seven CPUs. The
// other model of xAPIC mode, clusters of four, is not used: many chipsets lack it.
//
// Source: Intel SDM vol. 3A, "Logical Destination Mode" and "Deriving Logical
// x2APIC ID from the Local x2APIC ID".
func logicalID(c *percpu.CPU) uint32 {
	if x2 {
		return read(offLDR)
	}
	if c.ID >= flatCPUs {
		write(offLDR, 0)
		return 0
	}
	write(offDFR, dfrFlat)
	write(offLDR, 1<<c.ID<<24)
	return 1 << c.ID
}

// present reports whether the APIC has an entry of its local vector table: the
// version register gives the number of the last one.
//
// Source: Intel SDM vol. 3A, "Local APIC Version Register" and "Local Vector Table".
func present(off uintptr) bool {
	last := read(offVersion) >> 16 & 0xff
	switch off {
	case offLVTPerf:
		return last >= 4
	case offLVTTherm:
		return last >= 5
	case offLVTCMCI:
		return last >= 6
	}
	return true
}

// InService reports whether this CPU has taken an interrupt for which no EOI was written.
//
// Source: Intel SDM vol. 3A, "Interrupt Acceptance for Fixed Interrupts".
func InService() bool {
	for i := uintptr(0); i < 8; i++ {
		if read(offISR+16*i) != 0 {
			return true
		}
	}
	return false
}

// Holds reports whether this CPU has accepted an interrupt with a vector, for which no EOI
// was written: it is requested, or in service.
func Holds(v uint8) bool {
	off, bit := uintptr(v>>5)*16, uint32(1)<<(v&31)
	return (read(offISR+off)|read(offIRR+off))&bit != 0
}

// ID returns this CPU's APIC id: 32 bits in x2APIC mode, 8 in xAPIC mode.
func ID() uint32 {
	if x2 {
		return read(offID)
	}
	return read(offID) >> 24
}

// Deafen holds back every interrupt but NMI, INIT and SIPI on this CPU, to test
// whether other CPUs notice.
func Deafen() { write(offTPR, 0xff) }

// EOI ends the interrupt in service. A spurious interrupt needs no EOI.
func EOI() {
	if x2 {
		cpu.WriteMSR(cpu.MSRX2APIC+uint32(offEOI>>4), 0)
		return
	}
	end()
}

// end stores to the register page. It is assembly without arguments, because every
// IPI calls it.
func end()

// ClearErrors empties the error status register and returns its former content. A
// write latches the errors since the previous write, and the read returns them.
func ClearErrors() uint32 {
	write(offESR, 0)
	v := read(offESR)
	write(offESR, 0)
	return v
}

// SetNMI programs local interrupt pin 0 or 1 with the firmware's wiring of NMI.
func SetNMI(pin int, low, level bool) {
	v := uint32(lvtModeNMI)
	if low {
		v |= lvtLow
	}
	if level {
		v |= lvtLevel
	}
	if pin == 0 {
		write(offLVTLINT0, v)
	} else {
		write(offLVTLINT1, v)
	}
}
