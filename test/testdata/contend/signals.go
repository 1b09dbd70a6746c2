package main

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"syscall"

	"muster/test/testdata/internal/sys"
)

// swapsPC is the address of a handler that tries to change its stack.
func swapsPC() uintptr

const (
	sysTimerCreate, sysTimerSet, sysTimerGet, sysTimerOverrun, sysTimerDelete = 222, 223, 224, 225, 226

	signo = 40
)

// handle installs a handler of assembly, which uses nothing of the Go runtime.
func handle(sig syscall.Signal, pc uintptr, flags uint64) {
	if e := sys.Handle(sig, pc, sys.OnStack|sys.SigInfo|flags, 0); e != 0 {
		fail("sigaction: errno %d", int(e))
	}
}

// block keeps a thread from the Go scheduler's signal, whose handler is no assembly.
func block() {
	set := uint64(1) << (syscall.SIGURG - 1)
	sys.Raw(syscall.SYS_RT_SIGPROCMASK, 0, ptr(&set), 0, 8)
}

// killIn has the kernel end the program after some seconds, without the help of a thread.
func killIn(seconds int64) {
	ev := [8]uint64{0, uint64(syscall.SIGKILL)}
	var timer int32
	if _, e := sys.Raw(sysTimerCreate, 1, ptr(&ev), ptr(&timer)); e != 0 {
		fail("timer_create: errno %d", int(e))
	}
	at := [4]int64{0, 0, seconds, 0}
	if _, e := sys.Raw(sysTimerSet, uintptr(timer), 0, ptr(&at), 0); e != 0 {
		fail("timer_settime: errno %d", int(e))
	}
}

// stacks has threads change their alternate stacks while signals come, whose handlers try
// to change them, too. With others the stacks are any thread's, and some are none at all:
// then frames overwrite each other, and the program may end by a signal, or hang: a thread
// that goes on with the registers of another loses a lock of the Go runtime.
func stacks(others bool) {
	const threads, size = 6, 16 << 10
	flags := uint64(0)
	if others {
		flags = sys.NotBlocked
		killIn(20)
	}
	handle(signo, swapsPC(), flags)
	area := mapped(2*threads*size, rw)
	var tids [threads]atomic.Int32
	pid := uintptr(syscall.Getpid())
	ready := make([]bool, threads)
	contend(threads, func(id int, r *rand.Rand) {
		if !ready[id] {
			block()
			ready[id] = true
			tids[id].Store(int32(syscall.Gettid()))
		}
		k := 2*id + r.IntN(2)
		ss := [3]uint64{uint64(area) + uint64(k*size), 0, size}
		if others {
			ss[0] = uint64(area) + uint64(r.IntN(2*threads*size-size))
			if r.IntN(400) == 0 {
				ss = [][3]uint64{{0, 2, 0}, {8, 0, size}, {1 << 47, 0, size}, {directMap, 0, size}, {1<<64 - 4096, 0, size}, {uint64(area), 0, 1<<64 - 1}, {uint64(area), 0, 2048}}[r.IntN(7)]
			}
		}
		sys.Raw(syscall.SYS_SIGALTSTACK, ptr(&ss), 0)
		if to := tids[r.IntN(threads)].Load(); to != 0 {
			sys.Raw(syscall.SYS_TGKILL, pid, uintptr(to), signo)
		}
	})
}

// timers has threads make, set, read and delete the same few timers, which fire all the
// time, for the process or for threads that end.
func timers() {
	handle(signo, sys.IdlePC(), sys.Restart)
	mine := uint64(1) << (signo - 1) // this thread counts the time
	sys.Raw(syscall.SYS_RT_SIGPROCMASK, 0, ptr(&mine), 0, 8)
	const slots = 12
	var ids [slots]atomic.Int32
	var target atomic.Int32
	target.Store(int32(syscall.Gettid()))
	contend(6, func(id int, r *rand.Rand) {
		k := r.IntN(slots)
		timer := uintptr(ids[k].Load())
		switch r.IntN(8) {
		case 0, 1:
			ev := [8]uint64{0, uint64(r.IntN(2))*4<<32 | signo, uint64(target.Load())}
			var made int32
			clock := []uintptr{0, 1, 1, 2, 3, 7}[r.IntN(6)]
			if _, e := sys.Raw(sysTimerCreate, clock, ptr(&ev), ptr(&made)); e == 0 {
				sys.Raw(sysTimerDelete, uintptr(ids[k].Swap(made)))
			}
		case 2, 3:
			it := [4]int64{0, int64(r.IntN(2) * (2e6 + r.IntN(1e6))), 0, int64(1 + r.IntN(50_000))}
			sys.Raw(sysTimerSet, timer, uintptr(r.IntN(2)), ptr(&it), 0)
		case 4:
			var it [4]int64
			sys.Raw(sysTimerGet, timer, ptr(&it))
			sys.Raw(sysTimerOverrun, timer)
		case 5:
			sys.Raw(sysTimerDelete, timer)
		case 6:
			it := [4]int64{0, int64(r.IntN(200)), 0, int64(1 + r.IntN(200))}
			sys.Raw(syscall.SYS_SETITIMER, 3, ptr(&it), 0) // there is no such timer
			if r.IntN(16) == 0 {
				ends2(&target)
			}
		default:
			for range 2000 { // CPU time passes
				runtime.KeepAlive(k)
			}
		}
	})
	for i := range ids {
		sys.Raw(sysTimerDelete, uintptr(ids[i].Load()))
	}
}

// ends2 makes a thread the target of timers, and lets it end.
func ends2(target *atomic.Int32) {
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		target.Store(int32(syscall.Gettid()))
		close(done)
		for range 10 {
			sys.Raw(syscall.SYS_SCHED_YIELD)
		}
	}()
	<-done
}
