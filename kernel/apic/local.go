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
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/mmio"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// mode is the same on all CPUs: the boot CPU's, once it has chosen.
var (
	x2   bool
	base uintptr // register page, in xAPIC mode
)

// Vectors that the local APIC raises itself; package start sets them.
var (
	VecTimer    uint8
	VecError    uint8
	VecSpurious uint8
)

// icrTimeout bounds the wait for the ICR; a message is accepted within microseconds.
const icrTimeout = clock.Millisecond

// Physical returns the address of the register page and whether the APIC is
// there and in x2APIC mode already.
func Physical() (addr uint64, enabled, x2apic bool) {
	v := cpu.ReadMSR(cpu.MSRAPICBase)
	return v & 0x000ffffffffff000, v&cpu.APICBaseEnable != 0, v&cpu.APICBaseX2APIC != 0
}

// Use chooses the mode for all CPUs: x2APIC, or the register page at va.
//
// Context: boot CPU, before Enable.
func Use(x2apic bool, va uintptr) { x2, base = x2apic, va }

// X2 reports whether the local APICs run in x2APIC mode.
func X2() bool { return x2 }

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

// Enable turns this CPU's local APIC on in the chosen mode, with every local
// source masked, and sets c.APICID from it.
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
	for _, off := range [5]uintptr{offLVTTimer, offLVTLINT0, offLVTLINT1, offLVTTherm, offLVTPerf} {
		if present(off) {
			write(off, lvtMasked)
		}
	}
	write(offTPR, 0)
	write(offSVR, svrEnable|uint32(VecSpurious))
	ClearErrors()
	write(offLVTError, uint32(VecError))
	write(offDivide, divideBy16)
	// Whatever the firmware left in service would block lower vectors.
	for range 256 {
		if !inService() {
			break
		}
		EOI()
	}
	c.APICID = ID()
	c.Logical = logicalID(c)
}

// flatCPUs is how many CPUs have a bit of their own in the flat model of xAPIC mode:
// not eight, as the destination with all bits set is everybody, whoever has a bit.
const flatCPUs = 7

// logicalID returns this CPU's logical destination, 0 for none: in x2APIC mode what
// the hardware derives from the id, a cluster and one of 16 bits; in xAPIC mode the
// flat model's bit, which software assigns, for the first seven CPUs. The other
// model of xAPIC mode, clusters of four, is not used: many chipsets lack it.
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
func present(off uintptr) bool {
	last := read(offVersion) >> 16 & 0xff
	switch off {
	case offLVTPerf:
		return last >= 4
	case offLVTTherm:
		return last >= 5
	}
	return true
}

func inService() bool {
	for i := uintptr(0); i < 8; i++ {
		if read(0x100+16*i) != 0 {
			return true
		}
	}
	return false
}

// ID returns this CPU's APIC id: 32 bits in x2APIC mode, 8 in xAPIC mode.
func ID() uint32 {
	if x2 {
		return read(offID)
	}
	return read(offID) >> 24
}

// Deafen holds back every interrupt but NMI, INIT and start-up on this CPU, to see
// who notices.
func Deafen() { write(offTPR, 0xff) }

// EOI ends the interrupt in service. A spurious interrupt has none to end.
func EOI() {
	if x2 {
		endX2()
		return
	}
	end()
}

func endX2() { write(offEOI, 0) }

// end stores to the register page. It has no arguments, so that EOI is put in line:
// each message from another CPU passes here.
func end()

// ClearErrors empties the error status register and returns what it held: it is
// written once to latch, and reads as the errors since the write before.
func ClearErrors() uint32 {
	write(offESR, 0)
	v := read(offESR)
	write(offESR, 0)
	return v
}

// SetNMI programs local interrupt pin 0 or 1 as the firmware says NMI is wired.
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

// send writes the ICR. In xAPIC mode it waits until the APIC has accepted the
// message, at most 1 ms, and reports whether it did.
//
// Context: interrupts off, since in xAPIC mode the register takes two writes.
func send(dest, lo uint32) bool {
	if x2 {
		fence() // WRMSR to the ICR does not wait for earlier stores
		cpu.WriteMSR(cpu.MSRX2APIC+uint32(offICR>>4), encodeX2(dest, lo))
		return true
	}
	if !accepted() {
		return false
	}
	mmio.Store32(base+offICRHi, encodeHi(dest))
	mmio.Store32(base+offICR, lo)
	return true
}

// encodeX2 builds the 64-bit ICR of x2APIC mode.
func encodeX2(dest, lo uint32) uint64 { return uint64(dest)<<32 | uint64(lo) }

// encodeHi builds the high half of the ICR of xAPIC mode.
func encodeHi(dest uint32) uint32 { return dest << 24 }

// accepted waits until the ICR is free.
func accepted() bool {
	if mmio.Load32(base+offICR)&icrPending == 0 {
		return true
	}
	for end := clock.After(icrTimeout); !end.Passed(); {
		if mmio.Load32(base+offICR)&icrPending == 0 {
			return true
		}
		cpu.Pause()
	}
	return false
}

// fence orders all earlier stores and loads before what follows (Intel SDM
// vol. 3A, "MSR Access in x2APIC Mode": MFENCE; LFENCE).
func fence()

// SendVector interrupts one CPU, by its physical destination.
//
// Context: interrupts off.
func SendVector(c, to *percpu.CPU, vector uint8) {
	if !send(to.APICID, icrModeFixed|icrAssert|uint32(vector)) {
		upcall.Panic(c, "apic: ICR busy for 1 ms; CPU, vector", uint64(to.ID), uint64(vector))
	}
}

// SendLogical interrupts the CPUs of one cluster whose bits are set in the lower
// half of dest, which is made of their CPU.Logical.
//
// Context: interrupts off.
// Source: Intel SDM vol. 3A, "Logical Destination Mode".
func SendLogical(c *percpu.CPU, dest uint32, vector uint8) {
	if !send(dest, icrModeFixed|icrLogical|icrAssert|uint32(vector)) {
		upcall.Panic(c, "apic: ICR busy for 1 ms; logical destination, vector", uint64(dest), uint64(vector))
	}
}

// SendNMI sends an NMI to one CPU. A busy ICR is not reported: the caller is in trouble already.
func SendNMI(c, to *percpu.CPU) { send(to.APICID, icrModeNMI|icrAssert) }

// Code is the result of a start-up message.
type Code uint8

// Results.
const (
	OK          Code = iota
	ErrPending       // the APIC had not accepted the message before after 1 ms
	ErrBadEntry      // not page-aligned, or not below 1 MiB
	ErrBadID         // does not fit the 8 bits of xAPIC mode
)

// Error makes a Code an error value.
func (e Code) Error() string {
	switch e {
	case OK:
		return "no error"
	case ErrPending:
		return "apic: ICR busy for 1 ms"
	case ErrBadEntry:
		return "apic: start-up address not a page below 1 MiB"
	case ErrBadID:
		return "apic: APIC id needs x2APIC mode"
	}
	return "apic: unknown error"
}

// SendINIT resets the CPU with APIC id id: level-triggered assert, then de-assert.
//
// Source: Intel SDM vol. 3A, "Typical BSP Initialization Sequence".
func SendINIT(id uint32) Code {
	if !x2 && id > 0xfe {
		return ErrBadID
	}
	ClearErrors()
	if !send(id, icrModeINIT|icrLevel|icrAssert) || !x2 && !accepted() {
		return ErrPending
	}
	if !send(id, icrModeINIT|icrLevel) {
		return ErrPending
	}
	return OK
}

// SendStartup asks the CPU with APIC id id, which waits after INIT, to begin at
// physical address entry, which is page-aligned and below 1 MiB since the
// message carries bits 19:12 alone.
//
// Source: Intel SDM vol. 3A, "Interrupt Command Register (ICR)".
func SendStartup(id uint32, entry uint64) Code {
	if !x2 && id > 0xfe {
		return ErrBadID
	}
	if entry&0xfff != 0 || entry >= 1<<20 {
		return ErrBadEntry
	}
	ClearErrors()
	if !send(id, icrModeStartup|uint32(entry>>12)) {
		return ErrPending
	}
	return OK
}
