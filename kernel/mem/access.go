package mem

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// These functions are the only ones that reach user memory. For a bad pointer they
// return false; the kernel never faults. They bring in a page that is not there
// yet. They are called without a lock, because bringing in a page takes locks.

var (
	smap           bool // CR4.SMAP is on, on every CPU
	accessPCs      [7]uintptr
	accessFailedPC uintptr
)

// UseSMAP records that CR4.SMAP is on.
//
// Context: boot CPU.
func UseSMAP() { smap = true }

// These are func values, because assembly that is called through one gets its arguments in registers. mem_amd64.s sets them.
var (
	load64  func(src uintptr) (v uint64, ok bool)
	store64 func(dst uintptr, v uint64) (ok bool)
	load32  func(src uintptr) (v uint32, ok bool)
	store32 func(dst uintptr, v uint32) (ok bool)
)

func copyUser(dst, src, n uintptr) bool
func swap32(dst uintptr, old, v uint32) (was uint32, ok bool)

// Holds reports whether [addr, addr+n) lies within the addresses that pointers
// of this space's threads may have. The limit belongs to the space and never changes.
func (s *Space) Holds(addr, n uintptr) bool {
	return within(addr, n, s.low, s.high) || !s.user && within(addr, n, layout.ImageBase, imageEnd)
}

// imageEnd bounds the kernel's own constants and variables, to which its runtime
// may point as well as to its heap.
const imageEnd = layout.ImageBase + layout.Load + layout.ImageWindow

func within(addr, n, low, high uintptr) bool {
	return addr >= low && addr <= high && n <= high-addr
}

// CopyIn copies n bytes from user memory at src.
//
// Context: s is the current space; no lock held.
func (s *Space) CopyIn(c *percpu.CPU, dst unsafe.Pointer, src, n uintptr) bool {
	lock.AssertNone(c)
	return s.Holds(src, n) && copyUser(uintptr(dst), src, n)
}

// CopyOut copies n bytes to user memory at dst.
//
// Context: s is the current space; no lock held.
func (s *Space) CopyOut(c *percpu.CPU, dst uintptr, src unsafe.Pointer, n uintptr) bool {
	lock.AssertNone(c)
	return s.Holds(dst, n) && copyUser(dst, uintptr(src), n)
}

// Load64 reads a word of user memory.
func (s *Space) Load64(c *percpu.CPU, src uintptr) (v uint64, ok bool) {
	lock.AssertNone(c)
	if !s.Holds(src, 8) {
		return 0, false
	}
	return load64(src)
}

// Store64 writes a word of user memory.
func (s *Space) Store64(c *percpu.CPU, dst uintptr, v uint64) bool {
	lock.AssertNone(c)
	return s.Holds(dst, 8) && store64(dst, v)
}

// Load32 reads half a word of user memory.
func (s *Space) Load32(c *percpu.CPU, src uintptr) (v uint32, ok bool) {
	lock.AssertNone(c)
	if !s.Holds(src, 4) {
		return 0, false
	}
	return load32(src)
}

// Store32 writes half a word of user memory.
func (s *Space) Store32(c *percpu.CPU, dst uintptr, v uint32) bool {
	lock.AssertNone(c)
	return s.Holds(dst, 4) && store32(dst, v)
}

// Swap32 compares half a word of user memory with old, stores v if they are equal, and returns what it has
// found, in one step.
func (s *Space) Swap32(c *percpu.CPU, dst uintptr, old, v uint32) (was uint32, ok bool) {
	lock.AssertNone(c)
	if !s.Holds(dst, 4) {
		return 0, false
	}
	return swap32(dst, old, v)
}

// Peek32 reads half a word of user memory if its page is there. It brings no page
// in, so it may be called with locks held.
func (s *Space) Peek32(c *percpu.CPU, src uintptr) (v uint32, ok bool) {
	if !s.Holds(src, 4) {
		return 0, false
	}
	c.NoFault = 1
	v, ok = load32(src)
	c.NoFault = 0
	return v, ok
}

// CopyInNow is CopyIn for memory that is there: it brings no page in, so it may be called
// with locks held, for a few hundred bytes. If it returns false, dst may have some of the
// bytes.
func (s *Space) CopyInNow(c *percpu.CPU, dst unsafe.Pointer, src, n uintptr) bool {
	return s.Holds(src, n) && copyNow(c, uintptr(dst), src, n)
}

// CopyOutNow is CopyOut as CopyInNow is CopyIn.
func (s *Space) CopyOutNow(c *percpu.CPU, dst uintptr, src unsafe.Pointer, n uintptr) bool {
	return s.Holds(dst, n) && copyNow(c, dst, uintptr(src), n)
}

func copyNow(c *percpu.CPU, dst, src, n uintptr) (ok bool) {
	c.NoFault = 1
	ok = copyUser(dst, src, n)
	c.NoFault = 0
	return ok
}

// Fixup handles a page fault at addr in the core. At an instruction that touches
// user memory it brings the page in, or continues at the access's error exit. It
// reports false for any other instruction, which is a bug.
func Fixup(c *percpu.CPU, f *cpu.Frame, s *Space, addr uintptr) bool {
	for _, pc := range accessPCs {
		if f.IP == uint64(pc) {
			if c.NoFault != 0 || s == nil || !s.bring(c, addr, f.Error) {
				f.IP = uint64(accessFailedPC)
			}
			return true
		}
	}
	return false
}

// bring brings in a page for a copy. It cannot wait for memory, so it may use the
// kernel's reserve while another program ends.
func (s *Space) bring(c *percpu.CPU, addr uintptr, code uint64) bool {
	out := s.Fault(c, addr, code)
	if out == Exhausted && upcall.To.Relieve != nil && upcall.To.Relieve(c) { // nil in host tests
		c.Urgent = 1
		out = s.Fault(c, addr, code)
		c.Urgent = 0
	}
	return out == Resolved
}
