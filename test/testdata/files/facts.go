package main

import (
	"fmt"
	"os/signal"
	"syscall"
	"unsafe"
)

// available is what FIONREAD says.
func available(fd uintptr) string {
	n := int32(-1)
	_, e := call(syscall.SYS_IOCTL, fd, 0x541b, at(&n))
	return fmt.Sprint(n, " errno ", int(e))
}

func pipes() {
	signal.Ignore(syscall.SIGPIPE)
	r, w := pipe(nonblock)
	total := 0
	for {
		n, e := write(w, 700)
		if e != 0 {
			show("writes of 700 bytes until", total, 0)
			show("then", n, e)
			break
		}
		total += n
	}
	n, e := write(w, 596)
	show("596 bytes fit into the last page", n, e)
	n, e = write(w, 1)
	show("and no more", n, e)
	n, e = read(r, 3499)
	show("read 3499", n, e)
	n, e = write(w, 1)
	show("the first page has room, but is not the last", n, e)
	n, e = read(r, 1)
	show("read 1", n, e)
	n, e = write(w, 4097)
	show("more than a page, and room for one", n, e)
	fmt.Println("available:", available(r), available(w))
	n, e = read(r, 1<<20)
	show("all", n, e)
	n, e = read(r, 1)
	show("empty", n, e)
	n, e = write(w, 0)
	show("nothing", n, e)
	n, e = write(w, 5000)
	show("5000", n, e)
	n, e = write(w, 5000)
	show("5000 more", n, e)
	n, e = read(r, 4096)
	show("a page", n, e)
	n, e = call(syscall.SYS_READ, r, 16, 100)
	show("to a bad address", n, e)
	n, e = call(syscall.SYS_WRITE, w, 16, 100)
	show("from a bad address", n, e)
	fmt.Println("available:", available(r))
	n, e = write(r, 1)
	show("write to the reading end", n, e)
	n, e = read(w, 1)
	show("read the writing end", n, e)
	closeFD(w)
	n, e = read(r, 1<<20)
	show("the rest", n, e)
	n, e = read(r, 1)
	show("end of file", n, e)
	closeFD(r)
	r, w = pipe(0)
	write(w, 10)
	closeFD(r)
	n, e = write(w, 1)
	show("no reader", n, e)
	n, e = call(syscall.SYS_WRITE, w, 16, 1)
	show("no reader, bad address", n, e)
	closeFD(w)
	n, e = call(sysPipe2, 16, 0)
	show("pipe2 to a bad address", n, e)
	n, e = call(sysPipe2, at(&buf), 1)
	show("pipe2 with a bad flag", n, e)
}

func sizes() {
	const set, get = 1031, 1032
	r, w := pipe(nonblock)
	for _, size := range []uintptr{0, 1, 4096, 4097, 65536, 100000, 1 << 20, 65536} {
		n, e := call(syscall.SYS_FCNTL, w, set, size)
		show(fmt.Sprint("F_SETPIPE_SZ ", size), n, e)
	}
	n, e := write(w, 1<<20)
	show("fill", n, e)
	n, e = call(syscall.SYS_FCNTL, r, set, 4096)
	show("too small for what is there", n, e)
	n, e = call(syscall.SYS_FCNTL, r, set, 131072)
	show("larger", n, e)
	n, e = write(w, 1<<20)
	show("fill", n, e)
	n, e = read(r, 100000)
	show("read", n, e)
	n, e = call(syscall.SYS_FCNTL, r, get)
	show("F_GETPIPE_SZ", n, e)
	ef := eventfd(0, 0)
	n, e = call(syscall.SYS_FCNTL, ef, get)
	show("F_GETPIPE_SZ of an eventfd", n, e)
	closeFD(r, w, ef)
}

type iovec struct{ base, n uintptr }

func vectors() {
	r, w := pipe(nonblock)
	a, b, c := []byte("abc"), []byte("defgh"), make([]byte, 20)
	iov := []iovec{{uintptr(unsafe.Pointer(&a[0])), 3}, {0, 0}, {uintptr(unsafe.Pointer(&b[0])), 5}}
	n, e := call(syscall.SYS_WRITEV, w, at(&iov[0]), 3)
	show("writev", n, e)
	into := []iovec{{uintptr(unsafe.Pointer(&c[0])), 2}, {uintptr(unsafe.Pointer(&c[10])), 10}}
	n, e = call(syscall.SYS_READV, r, at(&into[0]), 2)
	show("readv", n, e)
	fmt.Printf("%q\n", c)
	n, e = call(syscall.SYS_READV, r, at(&into[0]), 2)
	show("readv of nothing", n, e)
	iov[1].n = 1 << 63
	n, e = call(syscall.SYS_WRITEV, w, at(&iov[0]), 3)
	show("a length below 0", n, e)
	iov[1] = iovec{16, 4}
	n, e = call(syscall.SYS_WRITEV, w, at(&iov[0]), 3)
	show("a bad piece", n, e)
	fmt.Println("available:", available(r))
	n, e = call(syscall.SYS_WRITEV, w, at(&iov[0]), 1025)
	show("1025 pieces", n, e)
	n, e = call(syscall.SYS_WRITEV, w, 16, 1)
	show("pieces at a bad address", n, e)
	n, e = call(syscall.SYS_WRITEV, w, 16, 0)
	show("no pieces", n, e)
	n, e = call(syscall.SYS_WRITEV, 99, 16, 2000)
	show("no file", n, e)
	f := eventfd(7, nonblock)
	v := [2]uint32{}
	into = []iovec{{at(&v[0]), 4}, {at(&v[1]), 4}}
	n, e = call(syscall.SYS_READV, f, at(&into[0]), 2)
	show("readv of an eventfd", n, e)
	fmt.Println(v)
	n, e = call(syscall.SYS_READV, f, at(&into[0]), 1)
	show("into 4 bytes", n, e)
	one := uint64(1)
	iov[0] = iovec{at(&one), 8}
	n, e = call(syscall.SYS_WRITEV, f, at(&iov[0]), 1)
	show("writev of an eventfd", n, e)
	n, e = call(syscall.SYS_READV, f, at(&into[0]), 0)
	show("readv into no pieces", n, e)
	into[0].n, into[1].n = 0, 0
	n, e = call(syscall.SYS_READV, f, at(&into[0]), 2)
	show("into pieces without room", n, e)
	n, e = call(syscall.SYS_WRITEV, f, at(&into[0]), 2)
	show("writev without bytes", n, e)
	n, e = call(syscall.SYS_WRITEV, r, at(&into[0]), 2)
	show("to the end that is read", n, e)
	ep := epoll()
	n, e = call(syscall.SYS_WRITEV, ep, at(&into[0]), 2)
	show("to an epoll", n, e)
	n, e = call(syscall.SYS_READV, ep, at(&into[0]), 2)
	show("readv of an epoll", n, e)
	n, e = write(ep, 8)
	show("write to an epoll", n, e)
	closeFD(r, w, f, ep)
}

func events() {
	f := eventfd(5, nonblock)
	var v uint64
	for _, x := range []uint64{1<<64 - 1, 1<<64 - 7, 1<<64 - 7, 1} {
		v = x
		n, e := call(syscall.SYS_WRITE, f, at(&v), 8)
		show(fmt.Sprint("add ", x), n, e)
	}
	n, e := call(syscall.SYS_READ, f, 16, 8)
	show("read to a bad address", n, e)
	n, e = call(syscall.SYS_READ, f, at(&v), 8)
	show("the count is gone", n, e)
	n, e = call(syscall.SYS_WRITE, f, at(&v), 7)
	show("write 7 bytes", n, e)
	n, e = call(syscall.SYS_WRITE, f, at(&v), 9)
	show("write 9 bytes", n, e)
	n, e = call(sysEventfd2, 0, 4)
	show("a bad flag", n, e)
	closeFD(f)
}
