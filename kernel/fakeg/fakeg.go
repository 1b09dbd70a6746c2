// Package fakeg makes the g that compiled code finds while it runs on a stack
// of the core, where there is no goroutine.
//
// Every function prologue compares the stack pointer with g.stackguard0, and every
// wrapper of an assembly function reloads g from -8(FS). A fake g satisfies both.
// All words of its m are poison. The parts of the runtime that core code must not
// call follow the m: they fault at an address that no mapping ever has, and package
// crash names the function.
//
// Layer: core.
// Context: any.
// Locks: none; Init runs once.
// Manual: $GOROOT/src/runtime/runtime2.go and asm_amd64.s of Go 1.26; the test
// compares the offsets with the runtime's DWARF.
// Chapter: docs/03-hosting-go.md.
package fakeg

import (
	"unsafe"

	"muster/kernel/layout"
)

// G is a fake g with the TLS block that holds its address.
type G struct {
	g   [64]uintptr
	tls uintptr // address of g
	_   uintptr // FS base points here
}

// Offsets in a G, for assembly: the TLS word with the address of the g, and the
// address for FS base.
const (
	OffTLS    = unsafe.Offsetof(G{}.tls)
	OffFSBase = OffTLS + 8
)

// Indexes of the words of a g that compiled code touches.
const (
	gStackLow    = 0
	gStackHigh   = 1
	gStackGuard0 = 2
	gStackGuard1 = 3
	gM           = 6
	gSchedSP     = 7 // morestack stores the caller's SP, PC and BP here
	gSchedPC     = 8
	gSchedBP     = 12
)

// reserve is how much of a stack the prologues leave free: chains of nosplit
// functions use up to 800 bytes of it.
const reserve = 1536

var poison [512]uintptr // the m of all fake gs

// Init fills the shared m.
//
// Context: boot CPU, before the first SetStack.
func Init() {
	for i := range poison {
		poison[i] = layout.Poison + uintptr(i)<<16
	}
}

// SetStack gives the fake g the stack [low, high).
func (s *G) SetStack(low, high uintptr) {
	s.g[gStackLow], s.g[gStackHigh] = low, high
	s.g[gStackGuard0], s.g[gStackGuard1] = low+reserve, low+reserve
	s.g[gM] = uintptr(unsafe.Pointer(&poison))
	s.tls = uintptr(unsafe.Pointer(&s.g))
}

// Addr is the value for R14.
func (s *G) Addr() uintptr { return uintptr(unsafe.Pointer(&s.g)) }

// FSBase is the value for the base of FS.
func (s *G) FSBase() uintptr { return uintptr(unsafe.Pointer(&s.tls)) + 8 }

// Overflow returns where a prologue found the stack too small: morestack stored it
// before it followed the poison.
func Overflow(g uintptr) (pc, sp, bp uint64) {
	w := (*[64]uintptr)(unsafe.Pointer(g))
	return uint64(w[gSchedPC]), uint64(w[gSchedSP]), uint64(w[gSchedBP])
}
