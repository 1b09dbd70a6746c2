package main

import (
	"syscall"
	"unsafe"
)

// setNonblock sets O_NONBLOCK of a descriptor.
func setNonblock(fd int) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		fail("O_NONBLOCK of %d: %v", fd, err)
	}
}

// watch makes an epoll with one descriptor.
func watch(fd int, events uint32) (ep int) {
	ep, err := syscall.EpollCreate1(0)
	if err == nil {
		err = syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)})
	}
	if err != nil {
		fail("epoll of %d: %v", fd, err)
	}
	return ep
}

// await returns the events of the epoll's descriptor.
func await(ep int) uint32 {
	var e [1]syscall.EpollEvent
	for {
		n, err := syscall.EpollWait(ep, e[:], -1)
		if n == 1 {
			return e[0].Events
		}
		if err != syscall.EINTR {
			fail("epoll_wait: %d, %v", n, err)
		}
	}
}

// nonblock FD writes units of 4,096 bytes that must not wait. Each is written completely or
// not at all. After EAGAIN an edge-triggered epoll says when to go on, for a port; the
// console cannot be watched.
func nonblock(args []string) {
	fd, count := number(args[0]), number(args[1])
	setNonblock(fd)
	ep := -1
	if fd == 1 {
		ep = watch(fd, syscall.EPOLLOUT|0x80000000)
	}
	again := 0
	for i := 0; i < count; {
		n, err := write(fd, line(0, i, 4096))
		switch {
		case n == 4096 && err == nil:
			i++
		case n != -1 || err != syscall.EAGAIN:
			fail("unit %d: %d, %v", i, n, err)
		case ep >= 0:
			again++
			if again == 1 {
				say("full")
			}
			await(ep)
		default:
			again++
			syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		}
	}
	say("units %d, waited %t", count, again > 0)
}

// poll waits for input with an epoll, and reports what comes.
func poll([]string) {
	setNonblock(0)
	p := make([]byte, 64)
	if n, err := syscall.Read(0, p); n != -1 || err != syscall.EAGAIN {
		fail("a read without input: %d, %v", n, err)
	}
	ep := watch(0, syscall.EPOLLIN)
	say("waiting")
	for total := 0; ; {
		events := await(ep)
		n, err := syscall.Read(0, p)
		switch {
		case n > 0 && events&syscall.EPOLLIN != 0:
			total += n
			say("read %d", total)
		case n == 0 && err == nil && events&(syscall.EPOLLHUP|syscall.EPOLLIN) != 0:
			say("end")
			// The other system call that waits: SYS_POLL, if the kernel has it.
			fds := [1]struct {
				fd              int32
				events, revents int16
			}{{0, 1, 0}}
			if r, _, e := syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&fds)), 1, ^uintptr(0)); e != syscall.ENOSYS && (r != 1 || e != 0) {
				fail("poll at the end: %d, %v", int(r), e)
			}
			return
		default:
			fail("events %#x: read %d, %v", events, n, err)
		}
	}
}
