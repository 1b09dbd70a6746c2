package apic

import "unsafe"

// reg is one register of the memory-mapped local APIC: 32 bits on a 16-byte
// stride (Intel SDM vol. 3A, "Local APIC Register Address Map").
type reg struct {
	v uint32
	_ [3]uint32
}

// xapicRegs is the register page.
type xapicRegs struct {
	_        [0x020 / 16]reg
	id       reg // 0x020, bits 31:24
	version  reg // 0x030
	_        [(0x080 - 0x040) / 16]reg
	tpr      reg // 0x080
	_        [(0x0b0 - 0x090) / 16]reg
	eoi      reg // 0x0b0, write-only
	_        [(0x0d0 - 0x0c0) / 16]reg
	ldr      reg // 0x0d0
	dfr      reg // 0x0e0
	svr      reg // 0x0f0
	isr      [8]reg
	tmr      [8]reg
	irr      [8]reg // 0x200
	esr      reg    // 0x280
	_        [(0x2f0 - 0x290) / 16]reg
	lvtCMCI  reg // 0x2f0, not on every CPU
	icrLo    reg // 0x300, writing it sends
	icrHi    reg // 0x310, destination in bits 31:24
	lvtTimer reg // 0x320
	lvtTherm reg // 0x330
	lvtPerf  reg // 0x340
	lvtLINT0 reg // 0x350
	lvtLINT1 reg // 0x360
	lvtError reg // 0x370
	initial  reg // 0x380
	current  reg // 0x390, read-only
	_        [(0x3e0 - 0x3a0) / 16]reg
	divide   reg // 0x3e0
	_        [(0x1000 - 0x3f0) / 16]reg
}

// Both lengths on a line agree, or the package does not compile.
var (
	_ [0x0b0]byte  = [unsafe.Offsetof(xapicRegs{}.eoi)]byte{}
	_ [0x0d0]byte  = [unsafe.Offsetof(xapicRegs{}.ldr)]byte{}
	_ [0x0f0]byte  = [unsafe.Offsetof(xapicRegs{}.svr)]byte{}
	_ [0x100]byte  = [unsafe.Offsetof(xapicRegs{}.isr)]byte{}
	_ [0x200]byte  = [unsafe.Offsetof(xapicRegs{}.irr)]byte{}
	_ [0x280]byte  = [unsafe.Offsetof(xapicRegs{}.esr)]byte{}
	_ [0x2f0]byte  = [unsafe.Offsetof(xapicRegs{}.lvtCMCI)]byte{}
	_ [0x300]byte  = [unsafe.Offsetof(xapicRegs{}.icrLo)]byte{}
	_ [0x390]byte  = [unsafe.Offsetof(xapicRegs{}.current)]byte{}
	_ [0x3e0]byte  = [unsafe.Offsetof(xapicRegs{}.divide)]byte{}
	_ [0x1000]byte = [unsafe.Sizeof(xapicRegs{})]byte{}
)

// Register offsets; the x2APIC MSR is 0x800 + offset/16.
const (
	offID       = unsafe.Offsetof(xapicRegs{}.id)
	offVersion  = unsafe.Offsetof(xapicRegs{}.version)
	offTPR      = unsafe.Offsetof(xapicRegs{}.tpr)
	offEOI      = unsafe.Offsetof(xapicRegs{}.eoi)
	offLDR      = unsafe.Offsetof(xapicRegs{}.ldr)
	offDFR      = unsafe.Offsetof(xapicRegs{}.dfr)
	offSVR      = unsafe.Offsetof(xapicRegs{}.svr)
	offISR      = unsafe.Offsetof(xapicRegs{}.isr)
	offIRR      = unsafe.Offsetof(xapicRegs{}.irr)
	offESR      = unsafe.Offsetof(xapicRegs{}.esr)
	offLVTCMCI  = unsafe.Offsetof(xapicRegs{}.lvtCMCI)
	offICR      = unsafe.Offsetof(xapicRegs{}.icrLo)
	offICRHi    = unsafe.Offsetof(xapicRegs{}.icrHi)
	offLVTTimer = unsafe.Offsetof(xapicRegs{}.lvtTimer)
	offLVTTherm = unsafe.Offsetof(xapicRegs{}.lvtTherm)
	offLVTPerf  = unsafe.Offsetof(xapicRegs{}.lvtPerf)
	offLVTLINT0 = unsafe.Offsetof(xapicRegs{}.lvtLINT0)
	offLVTLINT1 = unsafe.Offsetof(xapicRegs{}.lvtLINT1)
	offLVTError = unsafe.Offsetof(xapicRegs{}.lvtError)
	offInitial  = unsafe.Offsetof(xapicRegs{}.initial)
	offCurrent  = unsafe.Offsetof(xapicRegs{}.current)
	offDivide   = unsafe.Offsetof(xapicRegs{}.divide)
)

// Destination format register: the flat model (Intel SDM vol. 3A, "Logical Destination Mode").
const dfrFlat = 0xffffffff

// Spurious-interrupt vector register (Intel SDM vol. 3A, "Spurious Interrupt").
const svrEnable = 1 << 8

// Local vector table (Intel SDM vol. 3A, "Local Vector Table").
const (
	lvtModeNMI    = 4 << 8
	lvtModeExtINT = 7 << 8
	lvtLow        = 1 << 13 // input is active low
	lvtLevel      = 1 << 15
	lvtMasked     = 1 << 16
	lvtPeriodic   = 1 << 17
	lvtDeadline   = 2 << 17
)

// Divide configuration register: by 16.
const divideBy16 = 3

// Interrupt command register, low half (Intel SDM vol. 3A, "Interrupt Command Register (ICR)").
const (
	icrModeFixed   = 0 << 8
	icrModeNMI     = 4 << 8
	icrModeINIT    = 5 << 8
	icrModeStartup = 6 << 8
	icrLogical     = 1 << 11 // destination mode
	icrPending     = 1 << 12 // xAPIC, read-only: not yet accepted
	icrAssert      = 1 << 14
	icrLevel       = 1 << 15
)
