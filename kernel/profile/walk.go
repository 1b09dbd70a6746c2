package profile

import (
	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/symtab"
)

var (
	symbols symtab.Table
	text    struct{ start, end uint64 } // the kernel's
)

// peek reads a word of memory without a fault.
var peek = mem.Peek

// walk stores where a frame was taken, and the return addresses of the callers, and
// returns their number. The frame pointers lead from a function of the core to the
// goroutine or the program that has entered it, because the entry stubs link them
// (kernel/trap/entry.h).
//
// Each step is checked, because the interrupted instruction may be any: in an entry stub
// the stack and the frame pointer may still be a program's, which can hold anything. What
// is read is memory, what is stored as an address of the kernel lies in its text, and the
// number of steps is bounded.
func walk(f *cpu.Frame, pc *[abi.SampleDepth]uint64) (n int) {
	pc[0] = f.IP
	n = 1
	ip, bp, ok := caller(f)
	for ; ok && n < len(pc); n++ {
		pc[n] = ip
		ip, bp, ok = follow(ip, bp)
	}
	return n
}

// caller returns the return address in the interrupted function, and its caller's frame
// pointer.
func caller(f *cpu.Frame) (ip, bp uint64, ok bool) {
	if f.User() || !inText(f.IP) {
		return follow(f.IP, f.BP)
	}
	if symbols.Switches(f.IP) {
		return 0, 0, false
	}
	depth, ok := symbols.Depth(f.IP)
	if !ok {
		return follow(f.IP, f.BP)
	}
	// The table says where the return address is, at each instruction. The function has
	// its own frame pointer, or not yet, or no more: then it is the caller's.
	if f.SP < 1<<63 {
		return 0, 0, false
	}
	ip, ok = peek(uintptr(f.SP + depth))
	bp = f.BP
	if ok && depth >= 8 && bp == f.SP+depth-8 {
		bp, ok = peek(uintptr(bp))
	}
	return ip, bp, ok && valid(ip)
}

// follow returns the next return address and frame pointer. A stack in the kernel's half
// may lead to one of a program, and never back.
func follow(from, bp uint64) (ip, next uint64, ok bool) {
	if bp < layout.UserStart || from < 1<<63 && bp >= 1<<63 {
		return 0, 0, false
	}
	if next, ok = peek(uintptr(bp)); !ok {
		return 0, 0, false
	}
	ip, ok = peek(uintptr(bp + 8))
	return ip, next, ok && valid(ip)
}

// valid reports whether an address may be one of code: of the kernel or of a program.
func valid(ip uint64) bool { return inText(ip) || ip >= layout.UserStart && ip < layout.UserEnd }

func inText(ip uint64) bool { return ip >= text.start && ip < text.end }
