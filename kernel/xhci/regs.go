package xhci

import (
	"sync/atomic"
	"time"
)

// Capability registers, from the start of the controller's memory.
//
// Source: xHCI 1.2, "Host Controller Capability Registers".
const (
	regLength    = 0x00 // of these registers, 8 bits
	regHCS1      = 0x04 // slots 7:0, ports 31:24
	regHCS2      = 0x08 // scratchpad pages
	regHCC1      = 0x10
	regDoorbells = 0x14
	regRuntime   = 0x18

	hccWide    = 1 << 0
	hccContext = 1 << 2 // contexts have 64 bytes
)

// Operational registers, after the capability registers.
//
// Source: xHCI 1.2, "Host Controller Operational Registers".
const (
	opCommand     = 0x00
	opStatus      = 0x04
	opPageSize    = 0x08
	opCommandRing = 0x18
	opContexts    = 0x30
	opConfig      = 0x38
	opPorts       = 0x400 // 16 bytes for each, from port 1 on

	cmdRun        = 1 << 0
	cmdReset      = 1 << 1
	cmdInterrupts = 1 << 2

	stsHalted   = 1 << 0
	stsFatal    = 1 << 2 // host system error
	stsEvent    = 1 << 3
	stsNotReady = 1 << 11
	stsBroken   = 1 << 12 // host controller error
)

// Bits of a port's register. The changes, and portEnabled, are cleared by writing ones.
//
// Source: xHCI 1.2, "Port Status and Control Register (PORTSC)".
const (
	portConnected = 1 << 0
	portEnabled   = 1 << 1
	portReset     = 1 << 4
	portPower     = 1 << 9
	portConnect   = 1 << 17 // changed
	portResetDone = 1 << 21
	portChanges   = 0x7f << 17
	portKeep      = portPower | 3<<14 | 7<<25 // what a write keeps: power, lights, wake-up
	portSpeed     = 10                        // bits 13:10
)

// Registers of interrupter 0, from the runtime registers on.
//
// Source: xHCI 1.2, "Interrupter Register Set".
const (
	intManage   = 0x20
	intModerate = 0x24
	intSegments = 0x28
	intTable    = 0x30
	intDequeue  = 0x38

	managePending = 1 << 0
	manageEnable  = 1 << 1
	dequeueBusy   = 1 << 3
)

// The extended capability of the firmware's use.
//
// Source: xHCI 1.2, "USB Legacy Support Capability".
const (
	extendedLegacy = 1
	maxExtended    = 256
	legacyBIOS     = 1 << 16
	legacyOS       = 1 << 24
	legacyKeep     = 7<<1 | 0xff<<5 | 7<<17 // all but the bits that enable SMIs, and the events
	legacyEvents   = 7 << 29                // cleared by writing ones
)

// registers is the controller's memory, in its parts.
type registers struct {
	mem                            Registers
	operational, runtime, doorbell uintptr
}

func findRegisters(mem Registers) (r registers, err error) {
	length := mem.Load32(regLength)
	if length == ^uint32(0) {
		return r, ErrGone
	}
	return registers{mem, uintptr(length & 0xff), uintptr(mem.Load32(regRuntime) &^ 0x1f), uintptr(mem.Load32(regDoorbells) &^ 3)}, nil
}

func (r registers) load(off uintptr) uint32     { return r.mem.Load32(r.operational + off) }
func (r registers) store(off uintptr, v uint32) { r.mem.Store32(r.operational+off, v) }

// store64 writes a register of 64 bits, the low half first.
func (r registers) store64(off uintptr, v uint64) {
	r.store(off, uint32(v))
	r.store(off+4, uint32(v>>32))
}

func (r registers) storeRuntime(off uintptr, v uint32) { r.mem.Store32(r.runtime+off, v) }

// ring says that a ring of a slot has work: the command ring is slot 0, target 0.
func (r registers) ring(slot int, target uint32) { r.mem.Store32(r.doorbell+4*uintptr(slot), target) }

func (r registers) port(n int) uint32       { return r.load(opPorts + 16*uintptr(n-1)) }
func (r registers) setPort(n int, v uint32) { r.store(opPorts+16*uintptr(n-1), v) }

// wait polls until done, at most limit.
func (r registers) wait(limit time.Duration, scale int, done func() bool) bool {
	end := time.Now().Add(limit * time.Duration(max(scale, 1)))
	for pause := 20 * time.Microsecond; !done(); pause = min(2*pause, 5*time.Millisecond) {
		if time.Now().After(end) {
			return done()
		}
		time.Sleep(pause)
	}
	return true
}

// The controller reads and writes pages at any time, so words are accessed atomically.

func (p Page) get(i int) uint32    { return atomic.LoadUint32(&p.Words[i]) }
func (p Page) put(i int, v uint32) { atomic.StoreUint32(&p.Words[i], v) }

func (p Page) put64(i int, v uint64) {
	p.put(i, uint32(v))
	p.put(i+1, uint32(v>>32))
}

// bytes returns n bytes from an offset that is a multiple of 4.
func (p Page) bytes(off, n int) []byte {
	b := make([]byte, 0, n+3)
	for i := off / 4; len(b) < n; i++ {
		v := p.get(i)
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	return b[:n]
}
