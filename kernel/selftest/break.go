package selftest

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/cpus"
	"muster/kernel/crash"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// breakCore breaks the core on purpose, so that tests and readers see the report of
// each kind of panic. The shell's command is crash. It is long because each kind has
// its case.
func breakCore(c *percpu.CPU, _ *linux.Task, kind int) (*percpu.CPU, uint64) {
	var l console.Line
	console.Warn(c, l.Str("crash: breaking the core on request, kind ").Dec(uint64(kind)))
	switch kind {
	case abi.CrashPanic:
		upcall.Panic(c, "crash on request", 1, 2)
	case abi.CrashBounds:
		victims[zero+uint64(len(victims))] = 1
	case abi.CrashNil:
		var p *[4]uint64
		p[zero&3] = 1
	case abi.CrashDivide:
		victims[0] = 1 / zero
	case abi.CrashOverflow:
		victims[0] = recurse(zero)
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
		victims[0] = bigFrames(zero)
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
		*(*uint64)(unsafe.Pointer(cpus.NMIStackLow(c) - 8)) = 1
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
	case abi.CrashStretch, abi.CrashStretchWindow, abi.CrashStretchSwitch, abi.CrashStretchInside, abi.CrashStretchOutside:
		return holdOff(c, kind)
	case abi.CrashFreedPointer, abi.CrashFreedLock, abi.CrashFreedStore, abi.CrashFreedTwice:
		if lock.Checked {
			useFreed(c, kind)
		}
	case abi.CrashUndefined, abi.CrashProtection, abi.CrashBreakpoint, abi.CrashDouble, abi.CrashStep, abi.CrashSpurious,
		abi.CrashAPIC, abi.CrashUnclaimed:
		return raise(c, kind)
	case abi.CrashDecoder:
		crash.UseDecoder(func([]byte, uint64, *console.Line) (length int, target uint64) { return *nowhere, 0 })
		upcall.Panic(c, "crash on request, with a broken decoder", 0, 0)
	case abi.CrashNested:
		upcall.To.Readable = func(uintptr) bool { // the report calls this when it walks the stack
			upcall.Panic(percpu.This(), "crash within the crash", 0, 0)
			return false
		}
		upcall.Panic(c, "crash on request, and then another", 0, 0)
	}
	return c, linux.Fail(linux.EINVAL)
}

var (
	nowhere *int
	zero    uint64 // the compiler cannot assume that it is 0
	victims [4]uint64
	escaped uintptr
	outer   = lock.Spin{Rank: lock.RankConsole}
	inner   = lock.Spin{Rank: lock.RankFrames} // taken second, in the wrong order
	stuck   = lock.Spin{Rank: lock.RankFrames}
)

//
//cpucheck:recurses the stack has to overflow
//go:noinline
func recurse(n uint64) uint64 {
	var pad [16]uint64
	pad[n&15] = n
	//lint:ignore SA5007 the stack has to overflow
	return recurse(n+1) + pad[(n+1)&15]
}

// bigFrames needs more stack for each call than the reserve.
//
//cpucheck:recurses the stack has to overflow
//go:noinline
func bigFrames(n uint64) uint64 {
	var pad [512]uint64
	pad[n&511] = n
	//lint:ignore SA5007 the stack has to overflow
	return bigFrames(n+1) + pad[(n+1)&511]
}

// heapObject allocates, which the build check forbids everywhere else.
//
//go:noinline
func heapObject() *[64]uint64 { return new([64]uint64) }

// systemCall executes SYSCALL, callData jumps to a variable.
func systemCall()
func callData()
