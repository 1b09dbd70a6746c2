package main

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// Numbers of Linux that package syscall does not have.
const (
	futexWait, futexWake, futexPrivate = 0, 1, 128

	sigUser1, sigUser2 = 10, 12
	sigevSignal        = 0
	sigevNone          = 1
	sigevThread        = 4 // to one thread: SIGEV_THREAD_ID

	page     = 4096
	region   = 2 << 20
	readOnly = syscall.PROT_READ
	rw       = syscall.PROT_READ | syscall.PROT_WRITE
	private  = syscall.MAP_PRIVATE | syscall.MAP_ANON
	nobody   = ^uintptr(0) // no descriptor
)

// worker has what one worker uses, on cache lines of its own. It lies in memory that the
// garbage collector does not move.
type worker struct {
	_        [128]byte
	id       int
	cpu      atomic.Uint32 // before a window
	cpuAfter uint32
	failed   atomic.Uintptr // the last errno that was not expected
	area     uintptr        // two regions, aligned, with a page touched in each
	common   uintptr        // a region that all workers use, each its own pages
	near     uintptr        // in a page that all workers use: the worker's line
	word     uint32
	tid      uint32 // of a thread that spawn made
	buf      [64]byte
	times    [4]int64
	poll     struct{ fd, events int32 }
	pipe     [2]uintptr
	event    uintptr
	epoll    uintptr
	epollOf  uintptr // another epoll, to which event is added and from which it is removed
	timer    int32
	me       uintptr // the worker's thread
	partner  uintptr // the partner's thread
	request  atomic.Uint32
	yielding atomic.Uint32
	ping     word
	pong     word
	partners word        // the partner is there
	echo     [2]chan int // to a goroutine and back
	talk     [2][2]uintptr
	_        [128]byte
}

// call makes a system call and notes an error that none of the operations expects.
func (w *worker) call(n uintptr, a ...uintptr) uintptr {
	var b [6]uintptr
	copy(b[:], a)
	r, _, e := syscall.RawSyscall6(n, b[0], b[1], b[2], b[3], b[4], b[5])
	if e != 0 {
		w.failed.Store(uintptr(e))
	}
	return r
}

// expect makes a system call whose error is part of the operation.
func (w *worker) expect(want syscall.Errno, n uintptr, a ...uintptr) {
	var b [6]uintptr
	copy(b[:], a)
	if _, _, e := syscall.RawSyscall6(n, b[0], b[1], b[2], b[3], b[4], b[5]); e != want {
		w.failed.Store(uintptr(max(e, 1)))
	}
}

// kept makes what ptr gets live in the heap: a stack may move during a call.
var kept atomic.Pointer[byte]

func ptr[T any](p *T) uintptr {
	kept.Store((*byte)(unsafe.Pointer(p)))
	return uintptr(unsafe.Pointer(p))
}

func read(at uintptr) { _ = *(*byte)(unsafe.Pointer(at)) }

func touch(at uintptr) { *(*byte)(unsafe.Pointer(at)) = 1 }

func pipe() [2]uintptr {
	var fds [2]int32
	if _, e := sys.Raw(syscall.SYS_PIPE2, ptr(&fds), 0); e != 0 {
		panic(e)
	}
	return [2]uintptr{uintptr(fds[0]), uintptr(fds[1])}
}

// aligned maps n bytes from a multiple of the size of a region on.
func aligned(n uintptr) uintptr {
	start, e := sys.MapRoom(n+region, rw)
	if e != 0 {
		panic(e)
	}
	return (start + region - 1) &^ (region - 1)
}

func sharedRegion() uintptr {
	at := aligned(region)
	touch(at)
	return at
}

// open makes what the worker uses.
func (w *worker) open() {
	pin(w.id)
	w.me = w.call(syscall.SYS_GETTID)
	w.area = aligned(2 * region)
	touch(w.area)
	touch(w.area + region)
	w.near = w.common + 64*uintptr(w.id+1)
	w.pipe = pipe()
	w.talk = [2][2]uintptr{pipe(), pipe()}
	w.event = w.call(syscall.SYS_EVENTFD2, 0, 0)
	w.epoll = w.call(syscall.SYS_EPOLL_CREATE1, 0)
	w.epollOf = w.call(syscall.SYS_EPOLL_CREATE1, 0)
	other := w.call(syscall.SYS_EVENTFD2, 1, 0) // always readable
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN}
	w.call(syscall.SYS_EPOLL_CTL, w.epoll, syscall.EPOLL_CTL_ADD, other, ptr(&ev))
	w.poll.fd, w.poll.events = int32(other), 1
	blocked := uint64(1) << (sigUser1 - 1)
	w.call(syscall.SYS_RT_SIGPROCMASK, 0, ptr(&blocked), 0, 8)
	if e := sys.Handle(sigUser2, sys.IdlePC(), sys.OnStack, 0); e != 0 {
		panic(e)
	}
	ev2 := struct {
		value       uint64
		signo, kind int32
		tid         int32
		_           [44]byte
	}{signo: sigUser1, kind: sigevThread, tid: int32(w.me)}
	w.call(syscall.SYS_TIMER_CREATE, 1, ptr(&ev2), ptr(&w.timer))
	go w.serve()
	w.partners.wait(0)
}

// Requests to a partner.
const (
	answer     = iota // by the word pong
	takeSignal        // and take the signal that is pending for it
	answerPipe        // by a byte through a pipe
	yields            // and yield meanwhile, until another request
)

// serve is the partner of a worker: a second thread, on the worker's CPU.
func (w *worker) serve() {
	runtime.LockOSThread()
	pin(w.id)
	blocked := uint64(1) << (sigUser1 - 1)
	w.call(syscall.SYS_RT_SIGPROCMASK, 0, ptr(&blocked), 0, 8)
	w.partner = w.call(syscall.SYS_GETTID)
	w.partners.add()
	buf := new([1]byte)
	for turn := uint32(0); ; turn++ {
		w.ping.wait(turn)
		switch w.request.Load() {
		case takeSignal:
			w.takeSignal()
		case answerPipe:
			w.call(syscall.SYS_READ, w.talk[0][0], ptr(buf), 1)
			w.call(syscall.SYS_WRITE, w.talk[1][1], ptr(buf), 1)
		case yields:
			for w.yielding.Store(1); w.request.Load() == yields; {
				w.call(syscall.SYS_SCHED_YIELD)
			}
		}
		w.pong.add()
	}
}

// send wakes the partner and waits for its answer.
func (w *worker) send(what uint32) {
	old := w.pong.v.Load()
	w.request.Store(what)
	w.ping.add()
	w.pong.wait(old)
}

// takeSignal takes SIGUSR1, which is blocked and pending.
func (w *worker) takeSignal() {
	set := uint64(1) << (sigUser1 - 1)
	w.call(syscall.SYS_RT_SIGTIMEDWAIT, ptr(&set), 0, 0, 8)
}
