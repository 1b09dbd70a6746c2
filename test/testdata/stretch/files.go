package main

import (
	"syscall"
	"unsafe"
)

const (
	in  = 0x001
	out = 0x004
)

// fill duplicates a descriptor until the table is full, and returns the duplicates.
func fill(fd uintptr, n int) (list []uintptr) {
	for len(list) < n {
		d := call(syscall.SYS_DUP, fd)
		if d < 0 {
			break
		}
		list = append(list, uintptr(d))
	}
	return list
}

func closeAll(list []uintptr) {
	for _, fd := range list {
		closeFile(fd)
	}
}

// watches watches one file under many descriptors.
func watches(n int) {
	ep, fd := epoll(), eventfd(0)
	list := fill(fd, n)
	println("stretch: descriptors", len(list))
	for _, d := range list {
		control(ep, 1, d, in|out)
	}
	pair(fd)
	for range 3 {
		collect(ep, n)
	}
	for _, d := range list[:len(list)/2] {
		control(ep, 3, d, in)
		control(ep, 2, d, 0)
	}
	pair(fd)
	closeAll(list)
	closeFile(fd) // drops all watches of the file
	closeFile(ep)
}

// manyWatches replaces the watched file under the same descriptors again and again, so
// that an epoll and a file each have far more watches than there are descriptors.
func manyWatches(n int) {
	ep := epoll()
	first, made := uintptr(spare), 0
	keep := uintptr(0)
	for made < n && first < maxFiles-spare {
		fd := eventfd(1)
		call(syscall.SYS_DUP3, fd, first, 0)
		closeFile(fd)
		for s := first; s < maxFiles && made < n; s++ {
			if s != first {
				call(syscall.SYS_DUP3, first, s, 0)
			}
			if control(ep, 1, s, in) < 0 {
				break
			}
			made++
		}
		keep = first
		first++
	}
	println("stretch: watches", made)
	pair(keep)
	for range 3 {
		collect(ep, 100)
	}
	collect(ep, 1<<16)
	control(ep, 3, keep, in)
	control(ep, 2, keep, in)
	control(ep, 2, keep, in) // not there
	closeFile(keep)
	dup := uintptr(must("dup", call(syscall.SYS_DUP, ep)))
	closeFile(ep)
	closeFile(dup) // the last reference
}

// epolls watches one file by many epolls, and nests epolls.
func epolls(n int) {
	fd := eventfd(0)
	var list []uintptr
	for range n {
		ep := epoll()
		list = append(list, ep)
		control(ep, 1, fd, in|out)
	}
	pair(fd)
	for i := 1; i < len(list); i++ {
		control(list[i-1], 1, list[i], in) // a chain
		control(list[0], 1, list[i], in)
	}
	pair(fd)
	for _, ep := range list {
		collect(ep, n)
	}
	// A tree in which each of a level watches all of the next: paths multiply.
	const width = 6
	for i := 0; i+2*width < len(list); i++ {
		for j := range width {
			control(list[i], 1, list[i/width*width+width+j], in|1<<31)
		}
	}
	pair(fd)
	collect(list[0], n)
	closeFile(fd)
	closeAll(list)
}

// ready has many files with events, edge and level triggered.
func ready(n int) {
	ep := epoll()
	var list []uintptr
	for i := range n {
		fd := call(sysEventfd, 1, noWait)
		if fd < 0 {
			break
		}
		list = append(list, uintptr(fd))
		control(ep, 1, uintptr(fd), in|out|uint32(i&1)<<31)
	}
	println("stretch: descriptors", len(list))
	for range 3 {
		collect(ep, n)
		collect(ep, 1)
	}
	bad := call(syscall.SYS_EPOLL_PWAIT, ep, 8, 1<<20, 0, 0, 8) // nowhere to store them
	_ = bad
	closeFile(ep)
	closeAll(list)
}

// iovecs moves data by the largest lists of pieces.
func iovecs(n int) {
	buf := mmap(0, 1<<20, 3, 0)
	r, w := pipe()
	fd := eventfd(0)
	for _, length := range []uint64{0, 1, 8, 511, 4096, 1 << 19} {
		console := uintptr(0) // what it takes
		if length > 8 {
			console = r
		}
		list := make([][2]uint64, n)
		for i := range list {
			list[i] = [2]uint64{uint64(buf), length}
		}
		at := uintptr(unsafe.Pointer(&list[0]))
		for _, to := range []uintptr{w, fd, r, console} {
			call(syscall.SYS_WRITEV, to, at, uintptr(n))
			call(syscall.SYS_READV, r, at, uintptr(n))
			call(syscall.SYS_READV, fd, at, uintptr(n))
		}
		list[n-1][0] = 8 // the last piece is nowhere
		call(syscall.SYS_WRITEV, w, at, uintptr(n))
		call(syscall.SYS_READV, r, at, uintptr(n))
	}
}

// pipes moves large amounts through pipes, and gives pipes all sizes.
func pipes(n int) {
	buf := mmap(0, uintptr(n), 3, 0)
	r, w := pipe()
	for range 8 {
		call(syscall.SYS_WRITE, w, buf, uintptr(n))
		call(syscall.SYS_READ, r, buf, uintptr(n))
	}
	for _, size := range []uintptr{1, 4096, 1 << 16, 1 << 20, 1 << 30} {
		call(syscall.SYS_FCNTL, w, 1031, size)
		call(syscall.SYS_WRITE, w, buf, uintptr(n))
		call(syscall.SYS_FCNTL, w, 1031, 4096)
		call(syscall.SYS_IOCTL, r, 0x541b, buf)
		call(syscall.SYS_READ, r, buf, uintptr(n))
	}
	call(syscall.SYS_WRITE, w, buf, uintptr(n))
	closeFile(r)
	closeFile(w)
	// A reader that waits while a large write comes.
	var p [2]int32
	call(syscall.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), 0)
	start(syscall.SYS_WRITE, uintptr(p[1]), buf, uintptr(n))
	for got := 0; got < n; {
		k := call(syscall.SYS_READ, uintptr(p[0]), buf, uintptr(n))
		if k <= 0 {
			break
		}
		got += k
	}
}

// files fills the table of descriptors, and empties it.
func files(n int) {
	var list []uintptr
	for len(list) < n {
		var p [2]int32
		if call(syscall.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), 0) < 0 {
			break
		}
		list = append(list, uintptr(p[0]), uintptr(p[1]))
	}
	call(syscall.SYS_DUP, 0)
	call(syscall.SYS_FCNTL, 0, 0, 3)
	call(syscall.SYS_FCNTL, 0, 0, maxFiles-1)
	pfds := make([]struct {
		fd              int32
		events, revents int16
	}, 1<<16)
	for i := range pfds {
		pfds[i].fd = int32(i % maxFiles)
		pfds[i].events = 5
	}
	for _, k := range []uintptr{maxFiles, 1 << 16} {
		call(7, uintptr(unsafe.Pointer(&pfds[0])), k, 0)
	}
	var sets [3][maxFiles / 8]byte
	for _, ms := range []uint64{0, 20} { // first with all events, then with those that do not come
		for i := range sets {
			for k := range sets[i] {
				sets[i][k] = 0xff
			}
		}
		from := uint64(len(sets)-1) * min(ms, 1)
		at := func(i uint64) uintptr {
			if i < from {
				return 0
			}
			return uintptr(unsafe.Pointer(&sets[i]))
		}
		tv := [2]uint64{0, ms * 1000}
		call(syscall.SYS_SELECT, uintptr(len(list)), at(0), at(1), at(2), uintptr(unsafe.Pointer(&tv)))
	}
	call(436, 3, 400, 0) // close_range
	call(436, 3, ^uintptr(0), 0)
	closeAll(list)
	for call(syscall.SYS_DUP, 1) >= 0 {
	}
	call(syscall.SYS_CLOSE, 0)
	call(syscall.SYS_FCNTL, 1, 0, 1) // no free descriptor from 1 on
	call(syscall.SYS_DUP, 1)
	for fd := uintptr(3); call(syscall.SYS_CLOSE, fd) >= 0; fd++ {
	}
	fd := eventfd(0)
	fill(fd, n) // for the exit
}

// console writes much to the console.
func console(n int) {
	b := make([]byte, n)
	for i := range b {
		b[i] = '.'
		if i%100 == 99 {
			b[i] = '\n'
		}
	}
	call(syscall.SYS_WRITE, 1, uintptr(unsafe.Pointer(&b[0])), uintptr(n))
}

// names gives calls the longest names, of which each byte begins or ends a component.
func names(n int) {
	p := mmap(0, 4*page, syscall.PROT_READ|syscall.PROT_WRITE, 0)
	for i := range uintptr(n) {
		at := p + i
		**(**byte)(unsafe.Pointer(&at)) = "/x"[i&1]
	}
	const here = ^uintptr(99)
	call(syscall.SYS_OPEN, p, 0x40)
	call(syscall.SYS_SYMLINK, p, p)
	call(syscall.SYS_LINK, p, p)
	call(syscall.SYS_RENAMEAT, here, p, here, p)
	call(syscall.SYS_NEWFSTATAT, here, p, p, 0x1000)
	call(syscall.SYS_STAT, p, p)
}
