// Command files is a program for Linux and for Muster's ring 3 that uses pipes,
// eventfds, epolls and descriptors. With the argument "facts" it prints small facts,
// one a line: linux.txt has what Linux prints. With "storm" its threads close what
// other threads use. test/files_test.go runs it.
package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

//go:uintptrescapes
func call(n uintptr, a ...uintptr) (int, syscall.Errno) {
	r, e := sys.Raw(n, a...)
	return int(r), e
}

func at[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// show prints the result of a call.
func show(what string, r int, e syscall.Errno) {
	if e != 0 {
		fmt.Printf("%s: errno %d\n", what, int(e))
		return
	}
	fmt.Printf("%s: %d\n", what, r)
}

const (
	sysPoll, sysSelect, sysDup2, sysPpoll, sysPselect = 7, 23, 33, 271, 270
	sysEventfd2, sysDup3, sysPipe2                    = 290, 292, 293
	nonblock, cloexec                                 = 0x800, 0x80000
)

var buf [1 << 20]byte

func pipe(flags uintptr) (r, w uintptr) {
	var fd [2]int32
	if _, e := call(sysPipe2, at(&fd), flags); e != 0 {
		fmt.Println("pipe2", e)
		os.Exit(1)
	}
	return uintptr(fd[0]), uintptr(fd[1])
}

func write(fd uintptr, n int) (int, syscall.Errno) {
	return call(syscall.SYS_WRITE, fd, at(&buf), uintptr(n))
}

func read(fd uintptr, n int) (int, syscall.Errno) {
	return call(syscall.SYS_READ, fd, at(&buf), uintptr(n))
}

func closeFD(fds ...uintptr) {
	for _, fd := range fds {
		call(syscall.SYS_CLOSE, fd)
	}
}

func eventfd(n, flags uintptr) uintptr {
	r, _ := call(sysEventfd2, n, flags)
	return uintptr(r)
}

type event struct {
	events uint32
	data   [8]byte
}

func epoll() uintptr {
	r, _ := call(syscall.SYS_EPOLL_CREATE1, 0)
	return uintptr(r)
}

func control(ep, op, fd uintptr, events uint32, mark byte) syscall.Errno {
	e := event{events: events, data: [8]byte{mark}}
	_, errno := call(syscall.SYS_EPOLL_CTL, ep, op, fd, at(&e))
	return errno
}

// wait returns what epoll_wait reports, without a wait.
func wait(ep uintptr, limit int) string {
	var list [16]event
	n, e := call(syscall.SYS_EPOLL_WAIT, ep, at(&list), uintptr(limit), 0)
	if e != 0 {
		return fmt.Sprintf("errno %d", int(e))
	}
	s := fmt.Sprint(n)
	for i := range n {
		s += fmt.Sprintf(" %d:%#x", list[i].data[0], list[i].events)
	}
	return s
}

const (
	in, out, pri, errs, hup, rdhup = 1, 4, 2, 8, 0x10, 0x2000
	edge, oneshot, exclusive       = 1 << 31, 1 << 30, 1 << 28
	add, del, mod                  = 1, 2, 3
)

func main() {
	what := ""
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	switch what {
	case "facts":
		pipes()
		sizes()
		vectors()
		events()
		epolls()
		nested()
		descriptors()
		polls()
	case "storm":
		storm()
	default:
		fmt.Println("files: facts or storm")
		os.Exit(2)
	}
	fmt.Println("files: still here")
}
