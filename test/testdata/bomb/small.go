package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// A program that needs little memory, beside one that takes all. None of its calls fails.

func must(what string, r uintptr, e syscall.Errno) uintptr {
	if e != 0 {
		fmt.Printf("bomb: %s: errno %d\n", what, int(e))
		os.Exit(1)
	}
	return r
}

func mustMap(n uintptr) uintptr {
	a, e := mmap(n, rw)
	return must("mmap", a, e)
}

// small needs pages, which the program touches, or the kernel for it.
func small(n int) {
	for range n {
		a := mustMap(16 * page)
		for i := uintptr(0); i < 16; i++ {
			*at(a + i*page) = 1
		}
		b := mustMap(page)
		_, e := call(syscall.SYS_CLOCK_GETTIME, 1, b)
		must("clock_gettime", 0, e)
		call(syscall.SYS_MUNMAP, a, 16*page)
		call(syscall.SYS_MUNMAP, b, page)
		time.Sleep(time.Millisecond)
	}
	fmt.Println("bomb: small is done")
}

// calls has the kernel make objects of each kind, and ends them.
func calls(n int) {
	end, e := call(syscall.SYS_BRK, 0)
	must("brk", end, e)
	for i := range n {
		oneOfEach(end + uintptr(i%2+1)*4*page)
		time.Sleep(time.Millisecond)
	}
	fmt.Println("bomb: calls are done")
}

// oneOfEach moves the end of the data area, and makes one object of each kind.
func oneOfEach(end uintptr) {
	do := func(what string, n uintptr, a ...uintptr) uintptr {
		r, e := call(n, a...)
		if e == syscall.EINTR {
			e = 0 // the runtime preempts a goroutine
		}
		return must(what, r, e)
	}
	if got := do("brk", syscall.SYS_BRK, end); got != end {
		fmt.Printf("bomb: brk: %#x, not %#x\n", got, end)
		os.Exit(1)
	}
	a := mustMap(64 * page)
	do("mprotect", syscall.SYS_MPROTECT, a+8*page, 8*page, syscall.PROT_READ)
	do("madvise", syscall.SYS_MADVISE, a, 8*page, 23) // MADV_POPULATE_WRITE
	do("mlock", syscall.SYS_MLOCK, a+8*page, 8*page)
	b := do("mremap", syscall.SYS_MREMAP, a, 8*page, 16*page, 1) // MREMAP_MAYMOVE
	do("munmap", syscall.SYS_MUNMAP, a+20*page, page)
	var p [2]int32
	do("pipe", syscall.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), syscall.O_NONBLOCK)
	do("write", syscall.SYS_WRITE, uintptr(p[1]), b, 8*page)
	do("F_SETPIPE_SZ", syscall.SYS_FCNTL, uintptr(p[1]), 1031, 64*page)
	ep := do("epoll_create", syscall.SYS_EPOLL_CREATE1, 0)
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN}
	do("epoll_ctl", syscall.SYS_EPOLL_CTL, ep, syscall.EPOLL_CTL_ADD, uintptr(p[0]), uintptr(unsafe.Pointer(&ev)))
	event := do("eventfd", sysEventfd, 0, 0)
	poll := [2]uint32{uint32(event), 1} // for input, of which there is none
	do("poll", syscall.SYS_POLL, uintptr(unsafe.Pointer(&poll)), 1, 1)
	do("select", syscall.SYS_SELECT, 0, 0, 0, 0, uintptr(unsafe.Pointer(&[2]uint64{0, 1000})))
	for _, fd := range []uintptr{event, ep, uintptr(p[0]), uintptr(p[1])} {
		do("close", syscall.SYS_CLOSE, fd)
	}
	var id int32
	signal := [8]uint64{0, 1<<32 | 23} // SIGEV_NONE
	do("timer_create", sysTimerCreate, 1, uintptr(unsafe.Pointer(&signal)), uintptr(unsafe.Pointer(&id)))
	do("timer_delete", sysTimerDelete, uintptr(id))
	done := make(chan bool)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		done <- true
	}()
	<-done
	do("munmap", syscall.SYS_MUNMAP, a, 64*page)
	do("munmap", syscall.SYS_MUNMAP, b, 16*page)
}

// queries makes calls that say ENOMEM for other reasons than memory, while another program has all of it. It touches no
// new page meanwhile.
func queries(n int) {
	hole := mustMap(3 * page)
	call(syscall.SYS_MUNMAP, hole+page, page)
	query := func() {
		call(syscall.SYS_BRK, 0) // inside the kernel it is refused
		call(syscall.SYS_MADVISE, hole, 3*page, syscall.MADV_DONTNEED)
		call(syscall.SYS_MMAP, 0, 1<<62, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON, none, 0)
	}
	say := func(line string) { syscall.Write(1, []byte(line)) }
	for start := freeMemory(); freeMemory() > start-20; time.Sleep(10 * time.Millisecond) {
		query()
	}
	say("bomb: queries begin\n")
	awaitOthers()
	for range n {
		query()
	}
	say("bomb: queries are done\n")
	time.Sleep(500 * time.Millisecond) // the line is on the console before the log has the next one
	take(2)                            // ends the other program
}

// hold fills pipes, and goes on when a call is refused memory: the largest program gets ENOMEM, and lives on.
func hold() {
	time.Sleep(2 * time.Second)
	nofile()
	var p [2]int32
	for {
		_, _, e := syscall.RawSyscall(syscall.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), syscall.O_NONBLOCK, 0)
		for e == 0 || e == syscall.ENOMEM {
			if e != 0 {
				syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
			}
			_, _, e = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(p[1]), uintptr(unsafe.Pointer(&full)), uintptr(len(full)))
		}
	}
}

var pause = syscall.Timespec{Nsec: 20e6}
var full [16 * page]byte
