package crash

import (
	"unsafe"

	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/fakeg"
	"muster/kernel/layout"
	"muster/kernel/upcall"
	"muster/kernel/vector"
)

// The reason of a panic in words, and the instruction that it comes from. What the core
// notices is often a consequence: an index out of range in the core enters the runtime's
// panic code, which makes a system call that the core must not make.

// findReason fills in cause.reason and cause.pc. Without a better reason, the words are
// those of Panic.
func findReason() {
	f := cause.f
	cause.pc = cause.ip - 1
	if f == nil {
		return
	}
	cause.pc = instructionOf(f)
	l := &cause.reason
	fault := hasPrefix(cause.msg, "page fault in the core") // cause.a is the address
	switch {
	case f.Vector == vector.Machine: // it has nothing to do with the code that it hit
	case fault && faultReason(l, f), runtimeReason(l, f):
		cause.derived = true
	case fault || hasPrefix(cause.msg, "exception"):
		cause.derived = exceptionReason(l, f)
	default:
		overflowed(f)
	}
}

// overflowed makes a frame of the function that notices a full stack one of its caller, and
// returns the stack pointer there. morestack keeps the g in DI and has stored its caller's
// address there.
func overflowed(f *cpu.Frame) (sp uint64, ok bool) {
	g := uintptr(f.DI)
	if !within(f.IP, "runtime.morestack") || !readable(g) {
		return 0, false
	}
	pc, sp, bp := fakeg.Overflow(g)
	f.IP, f.BP = pc, bp // the walk continues there
	cause.pc = pc - 1
	return sp, true
}

// instructionOf returns an address within the instruction that a frame is about. SYSCALL
// and the traps leave the address of the next instruction. After a jump to data, the return
// address says where the code was.
func instructionOf(f *cpu.Frame) uint64 {
	if _, _, ok := symbols.Extent(f.IP); !ok && !f.User() && readable(uintptr(f.SP)) {
		ip := *(*uint64)(unsafe.Pointer(uintptr(f.SP)))
		if _, _, ok := symbols.Extent(ip); ok {
			return ip - 1
		}
	}
	switch f.Vector {
	case vector.Syscall, vector.Breakpoint, vector.Overflow:
		return f.IP - 1
	}
	return f.IP
}

// faultReason looks at the address of a page fault: a full stack, or a nil pointer.
func faultReason(l *console.Line, f *cpu.Frame) bool {
	if low := uint64(cause.stackLow); cause.a < low && cause.a >= low-layout.PageSize {
		l.Str("stack overflow: the page below the kernel stack of this thread was touched")
		return true
	}
	if name, id := upcall.To.StackBelow(uintptr(cause.a)); name != "" {
		l.Str("stack overflow: the page below the ").Str(name).Str(" stack of cpu").Dec(uint64(id)).Str(" was touched")
		return true
	}
	if cause.a < layout.PageSize {
		l.Str("nil dereference")
		return true
	}
	if !inPoison(cause.a) {
		return false
	}
	sp, ok := overflowed(f)
	if ok {
		l.Str("kernel stack too small for the next call, sp ").Hex(sp)
	}
	return ok
}

// runtimeReason walks back to the outermost function of the runtime, which is the
// most precise: panicBounds, not throw. The instruction is the call of that function.
func runtimeReason(l *console.Line, f *cpu.Frame) bool {
	why := ""
	ip, bp := f.IP, f.BP
	for range 24 {
		s, ok := symbols.Lookup(ip - 1)
		if !ok || why != "" && !hasPrefix(s.Func, "runtime.") {
			break
		}
		if w := runtimePanic(s.Func); w != "" {
			why = w
		}
		if ip, bp, ok = next(bp); !ok {
			break
		}
	}
	if why == "" {
		return false
	}
	l.Str(why)
	cause.pc, cause.culpritIP, cause.culpritBP = ip-1, ip, bp
	return true
}

// Bits of a page fault's error code (Intel SDM vol. 3A, "Page-Fault Exceptions").
const (
	faultPresent = 1 << 0
	faultWrite   = 1 << 1
	faultFetch   = 1 << 4
)

// exceptionReason names an exception of the core.
func exceptionReason(l *console.Line, f *cpu.Frame) bool {
	if f.Vector != vector.PageFault {
		name := vector.Name(f.Vector)
		l.Str(name).Str(" exception")
		return name != ""
	}
	switch {
	case f.Error&faultFetch != 0:
		l.Str("jump to ")
	case f.Error&faultWrite != 0:
		l.Str("store to ")
	default:
		l.Str("load from ")
	}
	l.Hex(cause.a)
	switch {
	case f.Error&faultPresent == 0:
		l.Str(", where nothing is mapped")
	case f.Error&faultFetch != 0:
		l.Str(", which is not executable")
	case f.Error&faultWrite != 0:
		l.Str(", which is read-only")
	default:
		l.Str(", which the kernel may not read")
	}
	return true
}

func inPoison(addr uint64) bool { return addr >= layout.Poison && addr < layout.PoisonEnd }

// runtimePanic returns what it means that a function of the runtime runs in the
// core.
func runtimePanic(name string) string {
	switch name {
	case "runtime.panicBounds", "runtime.panicBounds64", "runtime.goPanicIndex":
		return "bounds check failed"
	case "runtime.panicdivide":
		return "division by zero"
	case "runtime.panicoverflow":
		return "integer overflow"
	case "runtime.panicshift":
		return "negative shift"
	case "runtime.panicmem", "runtime.panicmemAddr":
		return "nil dereference"
	case "runtime.throw", "runtime.fatal", "runtime.fatalthrow":
		return "runtime.throw"
	case "runtime.gopanic":
		return "Go panic"
	case "runtime.mallocgc", "runtime.newobject", "runtime.makeslice", "runtime.growslice":
		return "heap allocation"
	case "runtime.gcWriteBarrier2", "runtime.gcWriteBarrier1", "runtime.wbBufFlush":
		return "write barrier"
	}
	return ""
}

func within(ip uint64, name string) bool {
	s, ok := symbols.Lookup(ip)
	return ok && s.Func == name
}

func hasPrefix(s, p string) bool { return len(s) >= len(p) && s[:len(p)] == p }
