// Command timerrace has timers whose signals are for threads that end meanwhile, while other threads set the timers anew
// and delete them. Nothing of that can be seen but that the program and the kernel live on.
//
//	timerrace [-time DURATION]
//
// Layer: host.
// Context: Linux, and Muster's ring 3.
// Chapter: docs/10-system-calls.md.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const (
	places  = 16 // of threads and of timers
	users   = 4
	nowhere = -1 // the id of no timer
)

var (
	threads            [places]atomic.Int32 // ids of threads that wait for signals; they may have ended
	timers             [places]atomic.Int32 // ids of timers; they may be gone
	made, ended, taken atomic.Uint64
	over               atomic.Bool
)

func main() {
	span := flag.Duration("time", 3*time.Second, "how long")
	flag.Parse()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1) // a thread that has ended for the runtime may get it
	for i := range places {
		timers[i].Store(nowhere)
	}
	var all sync.WaitGroup
	for i := range users {
		all.Go(func() {
			for !over.Load() {
				var one sync.WaitGroup
				one.Go(func() { wait(i) })
				one.Wait()
			}
		})
		all.Go(func() {
			for !over.Load() {
				use()
			}
		})
	}
	time.Sleep(*span)
	over.Store(true)
	all.Wait()
	fmt.Println("timerrace: timers, threads and signals:", made.Load() > 0 && ended.Load() > 0 && taken.Load() > 0)
}

func ptr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// wait is a thread that takes some signals and ends.
func wait(place int) {
	runtime.LockOSThread() // and no unlock: the thread ends with this goroutine
	set := uint64(1) << (syscall.SIGUSR1 - 1)
	sys.Raw(syscall.SYS_RT_SIGPROCMASK, 0, ptr(&set), 0, 8)
	threads[place+users*rand.IntN(places/users)].Store(int32(syscall.Gettid()))
	ts := [2]int64{0, 200_000}
	for range rand.IntN(8) {
		if _, e := sys.Call(syscall.SYS_RT_SIGTIMEDWAIT, ptr(&set), 0, ptr(&ts), 8); e == 0 {
			taken.Add(1)
		}
	}
	ended.Add(1)
}

// use makes a timer for some thread, or sets or deletes one.
func use() {
	const sigevThreadID = 4
	at := &timers[rand.IntN(places)]
	times := [4]int64{0, 20_000 + rand.Int64N(50_000), 0, 1 + rand.Int64N(100_000)}
	id := at.Load()
	switch n := rand.IntN(8); {
	case id == nowhere:
		event := [8]int32{2: int32(syscall.SIGUSR1), 3: sigevThreadID, 4: threads[rand.IntN(places)].Load()}
		fresh := new(int32)
		clock := uintptr(1)
		if n == 0 {
			clock = 2 // CLOCK_PROCESS_CPUTIME_ID
		}
		if _, e := sys.Raw(syscall.SYS_TIMER_CREATE, clock, ptr(&event), ptr(fresh)); e != 0 {
			return // the thread has ended
		}
		made.Add(1)
		sys.Raw(syscall.SYS_TIMER_SETTIME, uintptr(*fresh), 0, ptr(&times), 0)
		if old := at.Swap(*fresh); old != nowhere {
			sys.Raw(syscall.SYS_TIMER_DELETE, uintptr(old))
		}
	case n == 0:
		if at.CompareAndSwap(id, nowhere) {
			sys.Raw(syscall.SYS_TIMER_DELETE, uintptr(id))
		}
	case n < 4:
		sys.Raw(syscall.SYS_TIMER_SETTIME, uintptr(id), 0, ptr(&times), 0)
	case n == 4:
		sys.Raw(syscall.SYS_TIMER_GETOVERRUN, uintptr(id))
	default:
		sys.Raw(syscall.SYS_TIMER_GETTIME, uintptr(id), ptr(&times))
	}
}
