package start

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trap"
	"muster/kernel/upcall"
)

// breakCore breaks the core on purpose, so that tests and readers see what a
// panic says of each cause. The shell's command is crash.
func breakCore(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var l console.Line
	console.Warn(c, l.Str("crash: breaking the core on request, kind ").Dec(f.DI))
	switch f.DI {
	case abi.CrashPanic:
		upcall.Panic(c, "crash on request", 1, 2)
	case abi.CrashBounds:
		victims[f.SI+uint64(len(victims))] = 1
	case abi.CrashNil:
		var p *[4]uint64
		p[f.SI&3] = 1
	case abi.CrashDivide:
		victims[0] = 1 / f.SI
	case abi.CrashOverflow:
		victims[0] = recurse(f.SI)
	case abi.CrashSyscall:
		systemCall()
	case abi.CrashHeap:
		escaped = uintptr(unsafe.Pointer(heapObject()))
	case abi.CrashLock:
		if lock.Checked {
			outer.Lock(c)
			inner.Lock(c)
		}
	case abi.CrashDeadlock:
		stuck.Lock(c)
		stuck.Lock(c)
	case abi.CrashFrame:
		victims[0] = bigFrames(f.SI)
	case abi.CrashHang:
		for victims[0] == 0 {
			cpu.Pause()
		}
	case abi.CrashGuard:
		*(*uint64)(unsafe.Pointer(c.StackLow - 8)) = 1
	case abi.CrashText:
		*(*uint64)(unsafe.Pointer(layout.Image().TextStart)) = 1
	case abi.CrashExec:
		callData()
	case abi.CrashBlock:
		if lock.Checked {
			percpu.Damage(c)
		}
	case abi.CrashIST:
		*(*uint64)(unsafe.Pointer(areaOf(c).stacks.NMI - trap.ISTSize - 8)) = 1
	case abi.CrashDeaf:
		if !apic.Legacy() {
			apic.StopTimer()
			apic.Deafen()
		}
		return c, 0
	case abi.CrashTimer:
		if !apic.Legacy() {
			apic.StopTimer()
		}
		return c, 0
	case abi.CrashNested:
		upcall.To.SendNMI = func(c, to *percpu.CPU) { upcall.Panic(c, "crash within the crash", 0, 0) }
		upcall.Panic(c, "crash on request, and then another", 0, 0)
	}
	return c, linux.Fail(linux.EINVAL)
}

var (
	victims [4]uint64
	escaped uintptr
	outer   = lock.Spin{Rank: lock.RankConsole}
	inner   = lock.Spin{Rank: lock.RankFrames} // taken second: the wrong way round
	stuck   = lock.Spin{Rank: lock.RankFrames}
)

//go:noinline
func recurse(n uint64) uint64 {
	var pad [16]uint64
	pad[n&15] = n
	return recurse(n+1) + pad[(n+1)&15]
}

// bigFrames needs more stack for each call than is kept in reserve.
//
//go:noinline
func bigFrames(n uint64) uint64 {
	var pad [512]uint64
	pad[n&511] = n
	return bigFrames(n+1) + pad[(n+1)&511]
}

// heapObject allocates: what the build check forbids everywhere else.
//
//go:noinline
func heapObject() *[64]uint64 { return new([64]uint64) }

// systemCall executes SYSCALL, callData jumps to a variable.
func systemCall()
func callData()

// selfTest runs a test of the core inside the core.
func selfTest(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	switch f.DI {
	case abi.TestYield:
		return sched.Yield(c), 0
	case abi.TestIPI:
		if percpu.Count() > 1 {
			mem.FlushOne(c, percpu.Get((c.ID+1)%percpu.Count()))
			return c, 0
		}
		if apic.Legacy() {
			break
		}
		flushes := &(*[256]uint64)(unsafe.Pointer(c.Counts))[trap.VecFlush]
		before := *flushes
		ipi.Send(c, c, ipi.Flush)
		for end := clock.After(clock.Millisecond); *flushes == before; {
			trap.Window(c)
			if end.Passed() {
				return c, linux.Fail(linux.ETIMEDOUT)
			}
		}
		return c, 0
	}
	return c, linux.Fail(linux.EINVAL)
}
