package main

import (
	"math/rand/v2"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const (
	sysPselect, sysPoll = 270, 7

	low = 100 // the first of the descriptors that are shared
)

func eventfd(n uintptr) uintptr {
	fd, e := sys.Raw(sysEventfd, n, nonblock)
	if e != 0 {
		return none
	}
	return fd
}

// put moves a file to a shared descriptor.
func put(fd, to uintptr) {
	if fd != none {
		sys.Raw(sysDup3, fd, to, 0)
		sys.Raw(syscall.SYS_CLOSE, fd)
	}
}

// change gives a shared descriptor another file, none, or an event.
func change(fd uintptr, r *rand.Rand) {
	switch r.IntN(5) {
	case 0:
		put(eventfd(uintptr(r.IntN(2))), fd)
	case 1:
		a, b := pipe(nonblock)
		put(a, fd)
		put(b, low+uintptr(r.IntN(20)))
	case 2:
		sys.Raw(syscall.SYS_CLOSE, fd)
	default:
		one := uint64(1)
		sys.Raw(syscall.SYS_WRITE, fd, ptr(&one), 8)
		if r.IntN(2) == 0 {
			sys.Raw(syscall.SYS_READ, fd, ptr(&one), 8)
		}
	}
}

// selects has threads in select and pselect6, with sets up to the end of a page or beyond
// it, with numbers of descriptors up to the largest, and with files that are closed and
// replaced meanwhile.
func selects() {
	const files = 20
	contend(7, func(id int, r *rand.Rand) {
		fd := low + uintptr(r.IntN(files))
		if id < 3 {
			change(fd, r)
			return
		}
		n := []uintptr{0, 1, 64, low + files, 128, 1024, 4096, 1 << 20, 1<<31 - 1, 1 << 31, none}[r.IntN(11)]
		var sets [3]uintptr
		for i := range sets {
			if r.IntN(3) > 0 {
				sets[i] = set(n, r)
			}
		}
		time := [2]int64{0, int64(r.IntN(2) * r.IntN(1_000_000))} // 0 or up to a millisecond
		if r.IntN(8) == 0 {
			time[r.IntN(2)] = -1
		}
		if r.IntN(2) == 0 {
			if time[1] > 0 {
				time[1] /= 1000
			}
			sys.Call(syscall.SYS_SELECT, n, sets[0], sets[1], sets[2], ptr(&time))
		} else {
			mask := uint64(0)
			both := [2]uintptr{ptr(&mask), []uintptr{8, 8, 8, 4, none}[r.IntN(5)]}
			sys.Call(sysPselect, n, sets[0], sets[1], sets[2], ptr(&time), ptr(&both))
		}
	})
	for fd := uintptr(low); fd < low+files; fd++ {
		sys.Raw(syscall.SYS_CLOSE, fd)
	}
}

// set makes a set near the end of a page, or gives a bad address. What it holds are the
// shared descriptors, and sometimes others.
func set(n uintptr, r *rand.Rand) uintptr {
	bytes := min((n+63)/64*8, 512)
	if n > 1<<31 || r.IntN(10) == 0 {
		return []uintptr{8, 1<<47 - 8, 1 << 47, directMap, none - 7, none - 63}[r.IntN(6)]
	}
	end := scratch() + uintptr(2*r.IntN(30)+1)*page
	at := end - bytes
	if r.IntN(6) == 0 {
		at += uintptr(r.IntN(64))
	}
	for j := uintptr(0); j < bytes/8 && at+8*j+8 <= end; j++ {
		v := uint64(0)
		if j == low/64 {
			v = r.Uint64() << (low % 64) & (1<<56 - 1)
		} else if r.IntN(16) == 0 {
			v = 1 << r.IntN(64)
		}
		p := at + 8*j
		**(**uint64)(unsafe.Pointer(&p)) = v
	}
	return at
}

type event struct {
	events uint32
	data   [8]byte
}

// nests builds epolls that watch epolls, as deep as it is allowed, in circles if it can,
// while threads close them, wait in them, and raise events below.
func nests() {
	ways()
	const files = 24
	contend(7, func(id int, r *rand.Rand) {
		fd, other := low+uintptr(r.IntN(files)), low+uintptr(r.IntN(files))
		switch r.IntN(10) {
		case 0:
			ep, e := sys.Raw(syscall.SYS_EPOLL_CREATE1, 0)
			if e == 0 {
				put(ep, fd)
			}
		case 1:
			put(eventfd(1), fd)
		case 2:
			if r.IntN(3) == 0 {
				sys.Raw(syscall.SYS_CLOSE, fd)
			}
		case 3, 4, 5:
			ev := event{events: []uint32{1, 5, 1 | 1<<31, 1 | 1<<30}[r.IntN(4)], data: [8]byte{byte(other)}}
			sys.Raw(syscall.SYS_EPOLL_CTL, fd, uintptr(1+r.IntN(8)/6+r.IntN(8)/6), other, ptr(&ev))
		case 6:
			one := uint64(1)
			sys.Raw(syscall.SYS_WRITE, fd, ptr(&one), 8)
		case 7:
			chain(r)
		default:
			var list [8]event
			sys.Call(syscall.SYS_EPOLL_WAIT, fd, ptr(&list), 8, uintptr(r.IntN(2)))
		}
	})
	for fd := uintptr(low); fd < low+files; fd++ {
		sys.Raw(syscall.SYS_CLOSE, fd)
	}
}

// ways builds layers of epolls from the top, as deep as it is allowed, each of which watches
// all epolls of the layer below. There are very many ways up from the event that it raises
// below the last layer: the kernel must not go each of them.
func ways() {
	const layers, wide = 40, 2
	var all, above []uintptr
	for range layers {
		var layer []uintptr
		for range wide {
			ep, e := sys.Raw(syscall.SYS_EPOLL_CREATE1, 0)
			if e != 0 {
				fail("epoll_create1: errno %d", int(e))
			}
			layer = append(layer, ep)
			for _, outer := range above {
				ev := event{events: 1}
				sys.Raw(syscall.SYS_EPOLL_CTL, outer, 1, ep, ptr(&ev))
			}
		}
		all, above = append(all, layer...), layer
	}
	below := eventfd(0)
	for _, outer := range above {
		ev := event{events: 1}
		sys.Raw(syscall.SYS_EPOLL_CTL, outer, 1, below, ptr(&ev)) // Linux refuses it: too many ways
	}
	one := uint64(1)
	if n, e := sys.Raw(syscall.SYS_WRITE, below, ptr(&one), 8); n != 8 {
		fail("write below epolls: errno %d", int(e))
	}
	for _, fd := range append(all, below) {
		sys.Raw(syscall.SYS_CLOSE, fd)
	}
}

// chain has each of a few shared epolls watch the next one, and the last an eventfd.
func chain(r *rand.Rand) {
	first := low + uintptr(r.IntN(16))
	put(eventfd(0), first)
	for i := uintptr(1); i < 7; i++ {
		ep, e := sys.Raw(syscall.SYS_EPOLL_CREATE1, 0)
		if e != 0 {
			return
		}
		put(ep, first+i)
		ev := event{events: 1, data: [8]byte{byte(i)}}
		sys.Raw(syscall.SYS_EPOLL_CTL, first+i, 1, first+i-1, ptr(&ev))
	}
	one := uint64(1)
	sys.Raw(syscall.SYS_WRITE, first, ptr(&one), 8)
}
