package main

import (
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// waits sleeps, or wakes the worker's own partner.
var waits = []operation{
	{name: "sched_yield", do: func(w *worker, _ int) { w.call(syscall.SYS_SCHED_YIELD) }},
	{name: "futex_wake", do: func(w *worker, _ int) { w.call(syscall.SYS_FUTEX, ptr(&w.word), futexWake|futexPrivate, 1) }},
	{name: "futex_wake_neighbours", do: func(w *worker, _ int) { w.call(syscall.SYS_FUTEX, w.near, futexWake|futexPrivate, 1) }},
	{name: "futex_wait_mismatch", do: func(w *worker, _ int) {
		w.expect(syscall.EAGAIN, syscall.SYS_FUTEX, ptr(&w.word), futexWait|futexPrivate, ^uintptr(0)>>32, 0)
	}},
	{name: "futex_wait_timeout", do: func(w *worker, _ int) {
		w.word = 0
		w.times = [4]int64{0, 20000}
		w.expect(syscall.ETIMEDOUT, syscall.SYS_FUTEX, ptr(&w.word), futexWait|futexPrivate, 0, ptr(&w.times))
	}},
	{name: "futex_wait_neighbours", do: func(w *worker, _ int) {
		w.times = [4]int64{0, 20000}
		w.expect(syscall.ETIMEDOUT, syscall.SYS_FUTEX, w.near, futexWait|futexPrivate, 0, ptr(&w.times))
	}},
	{name: "futex_wake_partner", do: func(w *worker, _ int) { w.send(answer) }},
	{name: "pipe_wake_partner", do: func(w *worker, _ int) {
		w.request.Store(answerPipe)
		w.ping.add()
		w.call(syscall.SYS_WRITE, w.talk[0][1], ptr(&w.buf), 1)
		w.call(syscall.SYS_READ, w.talk[1][0], ptr(&w.buf), 1)
	}},
	{name: "nanosleep", do: func(w *worker, _ int) {
		w.times = [4]int64{0, 20000}
		w.call(syscall.SYS_NANOSLEEP, ptr(&w.times), 0)
	}},
	{name: "timer_settime", do: func(w *worker, _ int) {
		w.times = [4]int64{0, 0, 3600, 0} // interval and first time
		w.call(syscall.SYS_TIMER_SETTIME, uintptr(w.timer), 0, ptr(&w.times), 0)
		w.times[2] = 0
		w.call(syscall.SYS_TIMER_SETTIME, uintptr(w.timer), 0, ptr(&w.times), 0)
	}},
	{name: "timer_signal", do: func(w *worker, _ int) {
		w.times = [4]int64{0, 0, 0, 20000}
		w.call(syscall.SYS_TIMER_SETTIME, uintptr(w.timer), 0, ptr(&w.times), 0)
		w.takeSignal()
	}},
	{name: "timer_create_delete", do: func(w *worker, _ int) {
		ev := [8]uint64{1: sigevNone << 32}
		id := new(int32)
		w.call(syscall.SYS_TIMER_CREATE, 1, ptr(&ev), ptr(id))
		w.call(syscall.SYS_TIMER_DELETE, uintptr(*id))
	}},
}

// threads makes threads, or signals those of the worker.
var threads = []operation{
	{name: "thread_create_end", do: func(w *worker, _ int) { w.spawn() }},
	{name: "signal_self", do: func(w *worker, _ int) {
		w.call(syscall.SYS_TGKILL, uintptr(pid), w.me, sigUser1)
		w.takeSignal()
	}},
	{name: "signal_partner", do: func(w *worker, _ int) {
		w.call(syscall.SYS_TGKILL, uintptr(pid), w.partner, sigUser1)
		w.send(takeSignal)
	}},
	{name: "signal_handled", do: func(w *worker, _ int) { w.call(syscall.SYS_TGKILL, uintptr(pid), w.me, sigUser2) }},
	{name: "sched_getaffinity", do: func(w *worker, _ int) { w.call(syscall.SYS_SCHED_GETAFFINITY, 0, 8, ptr(&w.buf)) }},
	{name: "sched_setaffinity", do: func(w *worker, _ int) {
		mask := ownCPU(w.id)
		w.call(syscall.SYS_SCHED_SETAFFINITY, 0, 8, ptr(&mask))
	}},
}

var pid = syscall.Getpid()

// spawn makes a thread that ends at once, and waits for its end.
func (w *worker) spawn() {
	const flags = syscall.CLONE_VM | syscall.CLONE_FS | syscall.CLONE_FILES | syscall.CLONE_SIGHAND | syscall.CLONE_THREAD |
		syscall.CLONE_SYSVSEM | syscall.CLONE_PARENT_SETTID | syscall.CLONE_CHILD_CLEARTID
	tid := spawn(flags, w.area+2*page, &w.tid)
	if int(tid) < 0 {
		w.failed.Store(-tid)
		return
	}
	for {
		now := *(*uint32)(unsafe.Pointer(&w.tid))
		if now == 0 {
			return
		}
		if _, e := sys.Raw(syscall.SYS_FUTEX, ptr(&w.tid), futexWait, uintptr(now)); e != 0 && e != syscall.EAGAIN {
			w.failed.Store(uintptr(e))
			return
		}
	}
}

// spawn is clone(2); the new thread ends at once.
//
//go:noescape
func spawn(flags, stack uintptr, tid *uint32) uintptr
