package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// storm lets threads open, use and close the same few descriptors for a while. All
// calls must return, and the kernel must live.
func storm() {
	const threads, span, enough, low = 6, 2 * time.Second, 5000, 100
	runtime.GOMAXPROCS(threads + 2)
	var calls atomic.Uint64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for id := range threads {
		wg.Go(func() {
			runtime.LockOSThread()
			rnd := rand.New(rand.NewPCG(uint64(id), 1))
			mem := make([]byte, 70000)
			fd := func() uintptr { return low + uintptr(rnd.IntN(12)) }
			for !stop.Load() {
				calls.Add(1)
				switch rnd.IntN(14) {
				case 0:
					r, w := pipe(nonblock)
					call(sysDup3, r, fd(), 0)
					call(sysDup3, w, fd(), 0)
					closeFD(r, w)
				case 1:
					f := eventfd(uintptr(rnd.IntN(2)), nonblock)
					call(sysDup3, f, fd(), 0)
					closeFD(f)
				case 2:
					ep := epoll()
					call(sysDup3, ep, fd(), 0)
					closeFD(ep)
				case 3, 4:
					closeFD(fd())
				case 5, 6:
					control(fd(), uintptr(1+rnd.IntN(3)), fd(), []uint32{in, out, in | out | edge, in | oneshot}[rnd.IntN(4)], 1)
				case 7:
					var list [8]event
					call(syscall.SYS_EPOLL_WAIT, fd(), at(&list), 8, uintptr(rnd.IntN(2)))
				case 8:
					call(syscall.SYS_WRITE, fd(), at(&mem[0]), uintptr(1+rnd.IntN(len(mem))))
				case 9:
					call(syscall.SYS_READ, fd(), at(&mem[0]), uintptr(rnd.IntN(len(mem))))
				case 10:
					call(syscall.SYS_WRITE, fd(), at(&mem[0]), 8)
				case 11:
					call(syscall.SYS_FCNTL, fd(), 1031, uintptr(4096<<rnd.IntN(9)))
				case 12:
					list := []pollfd{{fd: int32(fd()), events: in}, {fd: int32(fd()), events: in | out}, {fd: int32(fd()), events: in}}
					call(sysPoll, at(&list[0]), 3, uintptr(rnd.IntN(2)))
				case 13:
					call(sysDup2, fd(), fd())
				}
			}
		})
	}
	for begin := time.Now(); time.Since(begin) < span || calls.Load() < enough; {
		time.Sleep(50 * time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
	fmt.Println("files: enough calls")
}
