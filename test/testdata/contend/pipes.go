package main

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const (
	nonblock   = 0x800
	setPipe    = 1031
	getPipe    = 1032
	fionread   = 0x541b
	sysPipe2   = 293
	sysDup3    = 292
	sysEventfd = 290
)

func pipe(flags uintptr) (r, w uintptr) {
	var fd [2]int32
	if _, e := sys.Raw(sysPipe2, ptr(&fd), flags); e != 0 {
		return none, none
	}
	return uintptr(fd[0]), uintptr(fd[1])
}

// value is the byte at a place of the stream.
func value(i int) byte { return byte(i % 251) }

// resize changes the size of a pipe while a stream goes through it: no byte is lost,
// doubled or moved, and no thread waits without end. The ends wait, so that a wake-up that
// is lost shows.
func resize() {
	const total = 6 << 20
	r, w := pipe(0)
	var stop atomic.Bool
	var wg, ends sync.WaitGroup
	for id := range 3 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(id), 3))
			for !stop.Load() {
				sys.Raw(syscall.SYS_FCNTL, r, setPipe, uintptr(page)<<rnd.IntN(9))
				sys.Raw(syscall.SYS_FCNTL, w, getPipe, 0)
				var n int32
				sys.Raw(syscall.SYS_IOCTL, r, fionread, ptr(&n))
				runtime.Gosched()
			}
		})
	}
	ends.Go(func() {
		rnd := rand.New(rand.NewPCG(1, 4))
		b := make([]byte, 100_000)
		for at := 0; at < total; {
			n := min(1+rnd.IntN(1<<(1+rnd.IntN(16))), total-at)
			for i := range n {
				b[i] = value(at + i)
			}
			for part := b[:n]; len(part) > 0; {
				k, e := sys.Call(syscall.SYS_WRITE, w, uintptr(unsafe.Pointer(&part[0])), uintptr(len(part)))
				if e != 0 && e != syscall.EINTR {
					fail("write: errno %d", int(e))
				}
				if e == 0 {
					part = part[k:]
				}
			}
			at += n
		}
		sys.Raw(syscall.SYS_CLOSE, w)
	})
	ends.Go(func() {
		rnd := rand.New(rand.NewPCG(2, 4))
		b := make([]byte, 100_000)
		for at := 0; ; {
			n, e := sys.Call(syscall.SYS_READ, r, uintptr(unsafe.Pointer(&b[0])), uintptr(1+rnd.IntN(1<<(1+rnd.IntN(16)))))
			if e == syscall.EINTR {
				continue
			}
			if e != 0 {
				fail("read: errno %d", int(e))
			}
			if n == 0 {
				if at != total {
					fail("%d bytes of %d", at, total)
				}
				return
			}
			for i, v := range b[:n] {
				if v != value(at+i) {
					fail("byte %d of the stream is %d", at+i, v)
				}
			}
			at += int(n)
		}
	})
	ends.Wait()
	stop.Store(true)
	wg.Wait()
}

// resizeEnds does everything to the ends of two pipes at once: threads make them, fill
// them, take from them, resize them, and close them.
func resizeEnds() {
	const low = 100
	mem := make([]byte, 1<<20)
	iov := make([][2]uintptr, 64)
	for i := range iov {
		iov[i] = [2]uintptr{ptr(&mem[i*5000]), uintptr(1 + i*701%4096)}
	}
	contend(8, func(id int, r *rand.Rand) {
		k := uintptr(2 * r.IntN(2))
		from, to := low+k, low+k+1
		switch r.IntN(10) {
		case 0:
			a, b := pipe(nonblock)
			if a == none {
				return
			}
			sys.Raw(sysDup3, a, from, 0)
			sys.Raw(sysDup3, b, to, 0)
			sys.Raw(syscall.SYS_CLOSE, a)
			sys.Raw(syscall.SYS_CLOSE, b)
		case 1:
			sys.Raw(syscall.SYS_CLOSE, []uintptr{from, to}[r.IntN(2)])
		case 2, 3, 4:
			sys.Raw(syscall.SYS_FCNTL, []uintptr{from, to}[r.IntN(2)], setPipe, uintptr(page)<<r.IntN(9))
		case 5:
			sys.Raw(syscall.SYS_WRITE, to, ptr(&mem[0]), uintptr(1+r.IntN(len(mem))))
		case 6:
			sys.Raw(syscall.SYS_WRITEV, to, ptr(&iov[0]), uintptr(1+r.IntN(len(iov))))
		case 7:
			sys.Raw(syscall.SYS_READ, from, mapped1(r), uintptr(1+r.IntN(70000)))
		case 8: // all there is
			for {
				if n, e := sys.Raw(syscall.SYS_READ, from, ptr(&mem[0]), uintptr(len(mem))); e != 0 || n == 0 || r.IntN(4) == 0 {
					return
				}
			}
		case 9: // until it is full
			for range 20 {
				if _, e := sys.Raw(syscall.SYS_WRITE, to, ptr(&mem[0]), 65536); e != 0 {
					return
				}
			}
		}
	})
	for fd := uintptr(low); fd < low+4; fd++ {
		sys.Raw(syscall.SYS_CLOSE, fd)
	}
}

// scratch has a hole in each second page.
var scratch = sync.OnceValue(func() uintptr {
	p := mapped(64*page, rw)
	for i := uintptr(1); i < 64; i += 2 {
		sys.Raw(syscall.SYS_MPROTECT, p+i*page, page, 0)
	}
	return p
})

// mapped1 is an address near the end of a page, after which there is a hole.
func mapped1(r *rand.Rand) uintptr {
	return scratch() + uintptr(2*r.IntN(30))*page + uintptr(r.IntN(page))
}
