package main

import (
	"fmt"
	"syscall"
	"time"

	"muster/test/testdata/internal/sys"
)

// again makes a call that waits, until no signal ends it. The Go scheduler knows that the
// thread waits, and sends it none: otherwise signals come every 10 ms, and a wait with a
// time would begin anew each time.
func again(n uintptr, a ...uintptr) (int, syscall.Errno) {
	for {
		r, e := sys.Call(n, a...)
		if e != syscall.EINTR {
			return int(r), e
		}
	}
}

type pollfd struct {
	fd          int32
	events, got int16
}

func poll(ms int, list ...pollfd) string {
	n, e := again(sysPoll, at(&list[0]), uintptr(len(list)), uintptr(ms))
	if e != 0 {
		return fmt.Sprintf("errno %d", int(e))
	}
	s := fmt.Sprint(n)
	for _, p := range list {
		s += fmt.Sprintf(" %#x", p.got)
	}
	return s
}

func polls() {
	r, w := pipe(nonblock)
	f := eventfd(0, nonblock)
	ep := epoll()
	control(ep, add, r, in, 1)
	R, W, F, E := int32(r), int32(w), int32(f), int32(ep)
	fmt.Println("poll:", poll(0, pollfd{fd: R, events: in}, pollfd{fd: W, events: out}, pollfd{fd: F, events: in | out}, pollfd{fd: E, events: in}))
	fmt.Println("all names:", poll(0, pollfd{fd: W, events: 0x7fff}, pollfd{fd: -1, events: in}, pollfd{fd: 999, events: in}))
	write(w, 10)
	fmt.Println("bytes:", poll(0, pollfd{fd: R, events: 0x41}, pollfd{fd: R}, pollfd{fd: E, events: 0x41}))
	read(r, 10)
	fmt.Println("read:", poll(0, pollfd{fd: E, events: in}))
	start := time.Now()
	fmt.Println("times out:", poll(30, pollfd{fd: R, events: in}, pollfd{fd: F, events: in}), time.Since(start) >= 30*time.Millisecond)
	go func() {
		time.Sleep(20 * time.Millisecond)
		addOne(f)
	}()
	fmt.Println("wakes:", poll(-1, pollfd{fd: R, events: in}, pollfd{fd: F, events: in}))
	takeAll(f)
	go func() {
		time.Sleep(20 * time.Millisecond)
		write(w, 1)
	}()
	fmt.Println("wakes by an epoll:", poll(10000, pollfd{fd: E, events: in}, pollfd{fd: F, events: in}))
	read(r, 1)
	n, e := call(sysPoll, 16, 1, 0)
	show("bad address", n, e)
	n, e = call(sysPoll, 16, 1<<31-1, 0) // RLIMIT_NOFILE may be as high as 1<<30
	show("too many", n, e)
	n, e = call(sysPoll, 0, 0, 0)
	show("none", n, e)
	ts := [2]int64{0, 10e6}
	p := pollfd{fd: R, events: in}
	n, e = again(sysPpoll, at(&p), 1, at(&ts), 0, 0)
	show("ppoll", n, e)
	fmt.Println("the rest:", ts)
	ts = [2]int64{0, 1e9}
	n, e = call(sysPpoll, at(&p), 1, at(&ts), 0, 0)
	show("ppoll with a bad time", n, e)
	selects(r, w, f)
	closeFD(w)
	fmt.Println("hung up:", poll(-1, pollfd{fd: R}))
	closeFD(r, f, ep)
}

// closed returns a descriptor that is not open. Linux ignores those in a set that lie
// beyond the process's table, which has room for 64 at least.
func closed() uintptr {
	fd := uintptr(63)
	for {
		if _, e := call(syscall.SYS_FCNTL, fd, syscall.F_GETFD); e == syscall.EBADF {
			return fd
		}
		fd--
	}
}

func selects(r, w, f uintptr) {
	one := func(fds ...uintptr) (s [16]uint64) {
		for _, fd := range fds {
			s[fd/64] |= 1 << (fd % 64)
		}
		return s
	}
	has := func(s *[16]uint64, fd uintptr) int { return int(s[fd/64] >> (fd % 64) & 1) }
	in, out := one(r, f), one(w, f)
	tv := [2]int64{}
	n, e := call(sysSelect, 64, at(&in), at(&out), 0, at(&tv))
	show("select", n, e)
	fmt.Println(has(&in, r), has(&in, f), has(&out, w), has(&out, f))
	write(w, 1)
	in = one(r, f)
	n, e = call(sysSelect, 64, at(&in), 0, 0, 0)
	show("select", n, e)
	fmt.Println(has(&in, r), has(&in, f))
	read(r, 1)
	in = one(closed())
	n, e = call(sysSelect, 64, at(&in), 0, 0, at(&tv))
	show("select of no file", n, e)
	n, e = call(sysSelect, ^uintptr(0), 0, 0, 0, at(&tv))
	show("select of a number below 0", n, e)
	in = one(r)
	tv = [2]int64{0, 20000}
	start := time.Now()
	n, e = again(sysSelect, 64, at(&in), 0, 0, at(&tv))
	show("select with a time", n, e)
	fmt.Println(has(&in, r), tv, time.Since(start) >= 20*time.Millisecond)
	in = one(r, f)
	go func() {
		time.Sleep(20 * time.Millisecond)
		addOne(f)
	}()
	ts := [2]int64{10, 0}
	n, e = again(sysPselect, 64, at(&in), 0, 0, at(&ts), 0)
	show("pselect6 wakes", n, e)
	fmt.Println(has(&in, r), has(&in, f), ts[0] < 10)
	takeAll(f)
	n, e = call(syscall.SYS_SELECT, 0, 0, 0, 0, at(&tv))
	show("select of nothing", n, e)
}
