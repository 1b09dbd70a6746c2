package apic

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/mmio"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// The interrupt command register: how one CPU interrupts another.

// Bounds of the wait for the ICR. An APIC accepts an IPI within microseconds, unless
// the target, or this CPU itself, is in System Management Mode meanwhile: firmware stays
// there for milliseconds. During an SMI of this CPU time passes and the ICR is not read,
// so the wait ends only after a number of reads, too.
const (
	icrTimeout = clock.Second
	icrReads   = 1000
)

// send writes the ICR. In xAPIC mode it waits at most 1 s until the APIC has
// accepted the IPI before, and reports whether it has.
//
// Context: interrupts off, since in xAPIC mode the register takes two writes.
// Source: Intel SDM vol. 3A, "Interrupt Command Register (ICR)": delivery status.
func send(dest, lo uint32) bool {
	if Simulated && Sent != nil {
		Sent(dest, lo)
		return true
	}
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
	end := clock.After(icrTimeout)
	for reads := 0; reads < icrReads || !end.Passed(); reads++ {
		if mmio.Load32(base+offICR)&icrPending == 0 {
			return true
		}
		cpu.Pause()
	}
	return false
}

// fence orders all earlier stores and loads before what follows (Intel SDM vol. 3A,
// "MSR Access in x2APIC Mode": MFENCE; LFENCE).
func fence()

// SendVector interrupts one CPU, by its physical destination.
//
// Context: interrupts off.
func SendVector(c, to *percpu.CPU, vector uint8) {
	if !send(to.APICID, icrModeFixed|icrAssert|uint32(vector)) {
		upcall.Panic(c, "apic: no IPI sent, ICR busy for 1 s; CPU, vector", uint64(to.ID), uint64(vector))
	}
}

// SendLogical interrupts CPUs of one cluster: those whose bits are set in the lower
// half of dest. dest is made of their CPU.Logical.
//
// Context: interrupts off.
// Source: Intel SDM vol. 3A, "Logical Destination Mode".
func SendLogical(c *percpu.CPU, dest uint32, vector uint8) {
	if !send(dest, icrModeFixed|icrLogical|icrAssert|uint32(vector)) {
		upcall.Panic(c, "apic: no IPI sent, ICR busy for 1 s; logical destination, vector", uint64(dest), uint64(vector))
	}
}

// SendNMI sends an NMI to one CPU. A busy ICR is not reported, because the caller
// is in a panic or in a backtrace.
func SendNMI(c, to *percpu.CPU) { send(to.APICID, icrModeNMI|icrAssert) }

// Code is the result of SendINIT and SendStartup.
type Code uint8

// Results.
const (
	OK          Code = iota
	ErrPending       // the APIC had not accepted the previous IPI after 1 s
	ErrBadEntry      // not page-aligned, or not below 1 MiB
	ErrBadID         // does not fit the 8 bits of xAPIC mode
)

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

// SendStartup sends a SIPI: the CPU with APIC id id, which waits after INIT, begins
// at physical address entry. entry is page-aligned and below 1 MiB, since the SIPI
// carries bits 19:12 alone.
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
