package crash

import (
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/fakeg"
	"muster/kernel/layout"
	"muster/kernel/upcall"
	"muster/kernel/vector"
)

// The cause: what a panic that looks like something else comes from.

// culprit adds a second line for causes that appear as something else: core code
// that called a forbidden part of the runtime, or ran out of stack. It reports
// whether it has found one.
func culprit(l *console.Line) bool {
	f := cause.f
	if f == nil {
		return false
	}
	*l = console.Line{}
	return f.Vector == vector.PageFault && faultCause(l, f) || runtimeCause(l, f)
}

// faultCause looks at the address of a page fault: a full stack, or a nil pointer.
func faultCause(l *console.Line, f *cpu.Frame) bool {
	if low := uint64(cause.stackLow); cause.a < low && cause.a >= low-layout.PageSize {
		symbolLine(l.Str("cause: the page below the kernel stack of this thread was touched, a stack overflow, in "), f.IP)
		return true
	}
	if name, id := upcall.To.StackBelow(uintptr(cause.a)); name != "" {
		symbolLine(l.Str("cause: the page below the ").Str(name).Str(" stack of cpu").Dec(uint64(id)).Str(" was touched, a stack overflow, in "), f.IP)
		return true
	}
	if cause.a < layout.PageSize {
		symbolLine(l.Str("cause: nil dereference in "), f.IP)
		return true
	}
	if g := uintptr(f.DI); inPoison(cause.a) && within(f.IP, "runtime.morestack") && readable(g) {
		// morestack keeps the g in DI and has stored its caller's address there.
		pc, sp, bp := fakeg.Overflow(g)
		symbolLine(l.Str("cause: kernel stack too small for the next call, sp ").Hex(sp).Str(", in "), pc)
		f.IP, f.BP = pc, bp // the walk continues there
		return true
	}
	return false
}

// runtimeCause walks back to the outermost function of the runtime, which is the
// most precise: panicBounds, not throw.
func runtimeCause(l *console.Line, f *cpu.Frame) bool {
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
	symbolLine(l.Str("cause: ").Str(why).Str(" in "), ip-1)
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
		return "panic"
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
