package main

import "syscall"

const (
	sysGetcpu, sysGetrandom = 309, 318
	sysDup3                 = 292
)

// files uses descriptors: each worker its own. To get the lowest free number does not commute,
// so nothing here does that.
var files = []operation{
	{name: "eventfd", do: func(w *worker, _ int) {
		w.buf = [64]byte{1}
		w.call(syscall.SYS_WRITE, w.event, ptr(&w.buf), 8)
		w.call(syscall.SYS_READ, w.event, ptr(&w.buf), 8)
	}},
	{name: "pipe", do: func(w *worker, _ int) {
		w.call(syscall.SYS_WRITE, w.pipe[1], ptr(&w.buf), 1)
		w.call(syscall.SYS_READ, w.pipe[0], ptr(&w.buf), 1)
	}},
	{name: "pipe_page", do: func(w *worker, _ int) {
		w.call(syscall.SYS_WRITE, w.pipe[1], w.area, page)
		w.call(syscall.SYS_READ, w.pipe[0], w.area, page)
	}},
	{name: "writev_readv", do: func(w *worker, _ int) {
		v := [2]uintptr{ptr(&w.buf), 8}
		w.call(syscall.SYS_WRITEV, w.pipe[1], ptr(&v), 1)
		w.call(syscall.SYS_READV, w.pipe[0], ptr(&v), 1)
	}},
	{name: "fcntl_getfl", do: func(w *worker, _ int) { w.call(syscall.SYS_FCNTL, w.pipe[0], syscall.F_GETFL, 0) }},
	{name: "fstat", do: func(w *worker, _ int) { w.call(syscall.SYS_FSTAT, w.pipe[0], w.area) }},
	{name: "dup3_close", do: func(w *worker, _ int) {
		to := uintptr(64 * (w.id + 1)) // far apart in the table
		w.call(sysDup3, w.pipe[0], to, 0)
		w.call(syscall.SYS_CLOSE, to)
	}},
	{name: "epoll_ctl", do: func(w *worker, _ int) {
		ev := syscall.EpollEvent{Events: syscall.EPOLLIN}
		w.call(syscall.SYS_EPOLL_CTL, w.epollOf, syscall.EPOLL_CTL_ADD, w.event, ptr(&ev))
		w.call(syscall.SYS_EPOLL_CTL, w.epollOf, syscall.EPOLL_CTL_DEL, w.event, 0)
	}},
	{name: "epoll_wait", do: func(w *worker, _ int) { w.call(syscall.SYS_EPOLL_PWAIT, w.epoll, ptr(&w.buf), 1, 0, 0, 8) }},
	{name: "poll", do: func(w *worker, _ int) { w.call(syscall.SYS_POLL, ptr(&w.poll), 1, 0) }},
	{name: "write_log", do: func(w *worker, _ int) {
		copy(w.buf[:], "a line\n")
		w.call(syscall.SYS_WRITE, 2, ptr(&w.buf), 7)
	}},
}
