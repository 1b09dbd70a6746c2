package main

import (
	"fmt"
	"syscall"
)

func descriptors() {
	r, w := pipe(cloexec)
	f := eventfd(0, nonblock)
	flags := func(fd uintptr) string {
		d, _ := call(syscall.SYS_FCNTL, fd, syscall.F_GETFD)
		s, _ := call(syscall.SYS_FCNTL, fd, syscall.F_GETFL)
		return fmt.Sprintf("%d %#x", d, s)
	}
	fmt.Println("flags:", flags(r), flags(w), flags(f))
	call(syscall.SYS_FCNTL, r, syscall.F_SETFD, 0)
	call(syscall.SYS_FCNTL, r, syscall.F_SETFL, nonblock|2)
	call(syscall.SYS_IOCTL, f, 0x5451)
	zero := int32(0)
	call(syscall.SYS_IOCTL, f, 0x5421, at(&zero))
	fmt.Println("changed:", flags(r), flags(w), flags(f))
	d, e := call(syscall.SYS_DUP, w)
	fmt.Println("dup:", d == int(f)+1, e, flags(uintptr(d)))
	n, e := call(syscall.SYS_FCNTL, w, 1030, 100)
	show("F_DUPFD_CLOEXEC from 100", n, e)
	fmt.Println("flags:", flags(100))
	n, e = call(sysDup2, w, 100)
	show("dup2", n, e)
	fmt.Println("flags:", flags(100))
	n, e = call(sysDup2, w, w)
	fmt.Println("dup2 to itself:", n == int(w), e)
	n, e = call(sysDup2, 99, 99)
	show("dup2 of no file to itself", n, e)
	n, e = call(sysDup3, w, w, 0)
	show("dup3 to itself", n, e)
	n, e = call(sysDup3, w, 101, 1)
	show("dup3 with a bad flag", n, e)
	n, e = call(sysDup3, 99, 101, 0)
	show("dup3 of no file", n, e)
	n, e = call(sysDup3, w, 1<<30, 0)
	show("dup3 to a large number", n, e)
	n, e = call(sysDup3, w, 101, cloexec)
	show("dup3", n, e)
	fmt.Println("flags:", flags(101))
	var st [18]uint64
	for _, fd := range []uintptr{r, f} {
		n, e = call(syscall.SYS_FSTAT, fd, at(&st))
		fmt.Printf("fstat: %d %d mode %o links %d block %d\n", n, e, uint32(st[3]), st[2], st[7])
	}
	for _, fd := range []uintptr{r, f, 99} {
		n, e = call(syscall.SYS_LSEEK, fd, 0, 0)
		show("lseek", n, e)
	}
	n, e = call(syscall.SYS_IOCTL, f, 0x541b, at(&zero))
	show("FIONREAD of an eventfd", n, e)
	n, e = call(syscall.SYS_IOCTL, r, 0x5401, at(&st))
	show("TCGETS of a pipe", n, e)
	closeFD(r, w, f, uintptr(d), 100, 101)
	n, e = call(syscall.SYS_CLOSE, 100)
	show("close again", n, e)
	n, e = call(syscall.SYS_FCNTL, 100, syscall.F_GETFD)
	show("F_GETFD of no file", n, e)
}
