package linux

import (
	"unsafe"

	"muster/kernel/cmdline"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/random"
	"muster/kernel/setting"
	"muster/kernel/upcall"
)

// kernelStack is the first stack of the kernel's own runtime. The runtime takes
// 64 KiB below the initial stack pointer for its g0.
const kernelStack = 256 << 10

// Entries of the auxiliary vector (Linux, include/uapi/linux/auxvec.h).
const (
	auxNull     = 0
	auxPageSize = 6
	auxRandom   = 25
)

// StartKernel makes the first thread of the kernel's own runtime, at entry, with
// the arguments and environment from the command line: words NAME=value with NAME
// in capitals are environment, as on Linux.
//
// Context: boot CPU, idle thread; the CPU is about to become idle.
func StartKernel(c *percpu.CPU, entry uintptr, line []byte) {
	base, ok := mem.Kernel.FindHole(c, 0, kernelStack)
	if !ok || !mem.Kernel.Insert(c, base, base+kernelStack, mem.ProtRead|mem.ProtWrite) {
		upcall.Panic(c, "linux: no memory for the first stack", 0, 0)
	}
	s := stackBuilder{c: c, next: base + kernelStack}
	sp := s.program(line)
	t := newTask(c, &kernelProc)
	if t == nil {
		upcall.Panic(c, "linux: no memory for the first thread", 0, 0)
	}
	f := t.Frame()
	f.IP, f.SP = uint64(entry), uint64(sp)
	f.CS, f.SS, f.Flags = cpu.KernelCS, cpu.KernelSS, cpu.FlagFixed|cpu.FlagInterrupt
	t.publish(c) //cpucheck:stays there is no other CPU, and ids are free
	t.start(c, c.ID)
}

// program writes what a program finds at its start, with the environment in a command
// line, and returns the stack pointer.
func (s *stackBuilder) program(line []byte) (sp uintptr) {
	name := s.text([]byte("muster"))
	env, n := s.environment(line)
	at := s.word(random.Uint64(s.c))
	s.word(random.Uint64(s.c))
	at -= 8
	s.next &^= 15
	// From the top: auxiliary vector, environment, argument, count. An even
	// number of words keeps the stack aligned.
	words := 1 + 2 + n + 1 + 6
	if words%2 != 0 {
		s.word(0)
	}
	for _, v := range [6]uint64{0, auxNull, uint64(at), auxRandom, layout.PageSize, auxPageSize} {
		s.word(v)
	}
	s.word(0)
	for i := n - 1; i >= 0; i-- {
		s.word(uint64(env[i]))
	}
	s.word(0)
	s.word(uint64(name))
	return s.word(1)
}

// environment writes the variables of the kernel's own runtime, and returns their
// addresses and their number.
func (s *stackBuilder) environment(line []byte) (env [maxKernelEnv]uintptr, n int) {
	var word [setting.VariableBytes + 1]byte
	for {
		k, rest, more := cmdline.Next(line, word[:])
		if !more {
			break
		}
		if k <= setting.VariableBytes && isVariable(word[:k]) && n < setting.Variables {
			env[n] = s.text(word[:k])
			n++
		}
		line = rest
	}
	// After the command line's variables: of two with one name the runtime takes
	// the first.
	var l console.Line
	env[n] = s.text(l.Str("GOMEMLIMIT=").Dec(mem.RuntimeLimit()).Bytes())
	env[n+1] = s.text([]byte("GOTRACEBACK=system"))
	return env, n + 2
}

// maxKernelEnv is room for the variables of the kernel's own runtime.
const maxKernelEnv = setting.Variables + 2

// isVariable reports whether a word is NAME=value with NAME in capitals.
func isVariable(w []byte) bool {
	for i, b := range w {
		if b == '=' {
			return i > 0
		}
		if (b < 'A' || b > 'Z') && b != '_' {
			return false
		}
	}
	return false
}

// stackBuilder fills a stack of the kernel's own space from the top.
type stackBuilder struct {
	c    *percpu.CPU
	next uintptr
}

func (s *stackBuilder) put(p unsafe.Pointer, n uintptr) uintptr {
	s.next -= n
	if !mem.Kernel.CopyOut(s.c, s.next, p, n) {
		upcall.Panic(s.c, "linux: first stack cannot be written; address", uint64(s.next), 0)
	}
	return s.next
}

func (s *stackBuilder) word(v uint64) uintptr { return s.put(unsafe.Pointer(&v), 8) }

// text stores b and a zero byte after it.
func (s *stackBuilder) text(b []byte) uintptr {
	var zero uint64
	s.put(unsafe.Pointer(&zero), 8)
	s.next -= uintptr(len(b))
	s.next &^= 7
	if len(b) > 0 && !mem.Kernel.CopyOut(s.c, s.next, unsafe.Pointer(&b[0]), uintptr(len(b))) {
		upcall.Panic(s.c, "linux: first stack cannot be written; address", uint64(s.next), 0)
	}
	return s.next
}
