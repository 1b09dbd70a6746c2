package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func bit(sig syscall.Signal) uint64 { return 1 << (sig - 1) }

// mask blocks or unblocks signals of this thread: how is 0 or 1.
func mask(how uintptr, set uint64) { call(14, how, ptr(&set), 0, 8) }

func pending() uint64 {
	var set uint64
	call(127, ptr(&set), 8)
	return set
}

func signals() {
	pid, tid := uintptr(os.Getpid()), uintptr(syscall.Gettid())
	for _, x := range []struct {
		what string
		n    uintptr
		a    []uintptr
	}{
		{"kill 0, 0", 62, []uintptr{0, 0}}, {"kill self, 65", 62, []uintptr{pid, 65}}, {"kill self, -1", 62, []uintptr{pid, ^uintptr(0)}},
		{"kill no process, 65", 62, []uintptr{999999, 65}}, {"tgkill self", 234, []uintptr{pid, tid, 0}}, {"tgkill no thread, 65", 234, []uintptr{pid, 999999, 65}},
		{"tgkill self, 65", 234, []uintptr{pid, tid, 65}}, {"tgkill, other process", 234, []uintptr{999999, tid, 0}}, {"tgkill 0", 234, []uintptr{0, tid, 0}},
		{"tkill 0", 200, []uintptr{0, 0}}, {"tkill self", 200, []uintptr{tid, 0}}, {"tkill no thread", 200, []uintptr{999999, 0}},
		{"sigpending, 9 bytes", 127, []uintptr{0, 9}}, {"sigpending, nowhere", 127, []uintptr{8, 8}}, {"sigsuspend, 4 bytes", 130, []uintptr{0, 4}},
		{"sigtimedwait, 4 bytes", 128, []uintptr{0, 0, 0, 4}}, {"sigaction 0", 13, []uintptr{0, 0, 0, 8}}, {"sigaction, 4 bytes", 13, []uintptr{10, 0, 0, 4}},
	} {
		r, e := call(x.n, x.a...)
		show(x.what, r, e)
	}
	waits := []uint64{bit(syscall.SIGUSR1) | bit(syscall.SIGUSR2)}
	mask(0, waits[0])
	call(234, pid, tid, uintptr(syscall.SIGUSR1))
	fmt.Println("pending:", pending() == bit(syscall.SIGUSR1))
	var info [128]byte
	r, e := call(128, ptr(&waits[0]), ptr(&info), 0, 8)
	show("sigtimedwait takes it", r, e)
	fmt.Println(" code", *(*int32)(ptr2(&info, 8)), "pending:", pending() == 0)
	r, e = call(128, ptr(&waits[0]), ptr(&info), ptr(&[2]int64{0, 1e6}), 8)
	show("sigtimedwait, none comes", r, e)
	_, done := locked(func() {
		time.Sleep(50 * time.Millisecond)
		call(234, pid, tid, uintptr(syscall.SIGUSR2))
		time.Sleep(time.Second)
	})
	r, e = call(128, ptr(&waits[0]), ptr(&info), ptr(&[2]int64{5, 0}), 8)
	show("sigtimedwait, one comes", r, e)
	mask(1, waits[0])
	<-done
	letIn()
	processSignal()
}

// What letIn points to: the stack may move.
var (
	noSignal uint64
	noTime   [2]int64
	events   [3]uint32
	noMask   [2]uintptr // where the mask is, and its size
)

// letIn unblocks a signal that is pending, for the time of a call that does not wait.
func letIn() {
	got := make(chan os.Signal, 9)
	signal.Notify(got, syscall.SIGUSR2)
	set := bit(syscall.SIGUSR2)
	mask(0, set)
	ep, _ := call(291, 0)
	noMask = [2]uintptr{ptr(&noSignal), 8}
	for _, x := range []struct {
		what string
		n    uintptr
		a    []uintptr
	}{
		{"ppoll", 271, []uintptr{0, 0, ptr(&noTime), ptr(&noSignal), 8}},
		{"pselect6", 270, []uintptr{0, 0, 0, 0, ptr(&noTime), ptr(&noMask)}},
		{"epoll_pwait", 281, []uintptr{uintptr(ep), ptr(&events), 1, 0, ptr(&noSignal), 8}},
	} {
		call(234, uintptr(os.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGUSR2))
		r, e := call(x.n, x.a...)
		show(x.what+" lets a signal in", r, e)
		fmt.Println(" pending:", pending()&set != 0)
	}
	mask(1, set)
	signal.Stop(got)
}

// processSignal sends a signal to a process of which one thread alone does not block it,
// and ends threads meanwhile.
func processSignal() {
	got := make(chan os.Signal, 10)
	signal.Notify(got, syscall.SIGUSR1)
	mask(0, bit(syscall.SIGUSR1))
	call(62, uintptr(os.Getpid()), uintptr(syscall.SIGUSR1)) // other threads of the runtime take it
	fmt.Println("kill, another thread takes it:", <-got)
	mask(1, bit(syscall.SIGUSR1))
	signal.Stop(got)
}

// restarts interrupts calls by a signal whose handler has SA_RESTART, as all of Go's.
func restarts() {
	var fd [2]int32
	call(293, ptr(&fd), 0)
	var word uint32
	interrupted := func(what string, f func() (int, syscall.Errno), end func()) {
		var out string
		var in atomic.Bool
		tid, done := locked(func() {
			in.Store(true)
			r, e := f()
			out = fmt.Sprint(r, " ", e)
		})
		for !in.Load() {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(30 * time.Millisecond)
		for range 5 {
			call(234, uintptr(os.Getpid()), uintptr(tid), uintptr(syscall.SIGURG))
			time.Sleep(5 * time.Millisecond)
		}
		end()
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			case <-time.After(50 * time.Millisecond): // on a slow host the thread had not come to its call
				call(234, uintptr(os.Getpid()), uintptr(tid), uintptr(syscall.SIGURG))
				end()
			}
		}
		fmt.Printf("%-34s %s\n", "interrupted "+what, out)
	}
	byWake := func() { call(202, ptr(&word), futexWake, 1) }
	interrupted("read", func() (int, syscall.Errno) { return call(0, uintptr(fd[0]), ptr(&[1]byte{}), 1) },
		func() { call(1, uintptr(fd[1]), ptr(&[1]byte{}), 1) })
	interrupted("futex", func() (int, syscall.Errno) { return call(202, ptr(&word), futexWait, 0) }, byWake)
	interrupted("futex with a timeout", func() (int, syscall.Errno) { return call(202, ptr(&word), futexWait, 0, ptr(&[2]int64{5, 0})) }, byWake)
	interrupted("nanosleep", func() (int, syscall.Errno) { return call(35, ptr(&[2]int64{5, 0}), 0) }, func() {})
	interrupted("clock_nanosleep, absolute", func() (int, syscall.Errno) { return call(230, 1, 1, ptr(&[2]int64{1 << 40, 0}), 0) }, func() {})
	interruptedSleeps(interrupted)
	interrupted("pause", func() (int, syscall.Errno) { return call(34) }, func() {})
	interrupted("sigsuspend", func() (int, syscall.Errno) { var none uint64; return call(130, ptr(&none), 8) }, func() {})
	interrupted("sigtimedwait", func() (int, syscall.Errno) {
		set := bit(syscall.SIGUSR2)
		return call(128, ptr(&set), 0, 0, 8)
	}, func() {})
}

// interruptedSleeps interrupts sleeps on clocks of the machine's time and of CPU time. The
// rest of a relative sleep is stored, that of an absolute one is not.
func interruptedSleeps(interrupted func(what string, f func() (int, syscall.Errno), end func())) {
	const long = 1e9 // seconds
	for _, clock := range []uintptr{1, 2} {
		for absolute, name := range []string{"relative", "absolute"} {
			rest := [2]int64{-1, -1}
			interrupted(fmt.Sprintf("sleep on clock %d, %s", clock, name), func() (int, syscall.Errno) {
				return call(230, clock, uintptr(absolute), ptr(&[2]int64{long, 0}), ptr(&rest))
			}, func() {})
			fmt.Println(" rest", rest[0] >= long-100 && rest[0] <= long, rest == [2]int64{-1, -1})
		}
	}
	interrupted("sleep, the rest nowhere", func() (int, syscall.Errno) { return call(230, 2, 0, ptr(&[2]int64{1000, 0}), 8) }, func() {})
}
