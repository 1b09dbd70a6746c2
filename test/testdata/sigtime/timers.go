package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

func ptr2[T any](x *T, off uintptr) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(x), off) }

type sigevent struct {
	value         uint64
	signo, notify int32
	tid           int32
	_             [11]int32
}

type spec struct{ every, value [2]int64 }

func timers() {
	var id int32
	for _, x := range []struct {
		what  string
		clock int
		ev    sigevent
	}{
		{"timer of clock 4", 4, sigevent{signo: 10}}, {"timer of clock 99", 99, sigevent{signo: 10}}, {"timer with signal 0", 1, sigevent{}},
		{"timer with signal 65", 1, sigevent{signo: 65}}, {"timer with notify 9", 1, sigevent{signo: 10, notify: 9}}, {"timer for no thread", 1, sigevent{signo: 10, notify: 4, tid: 999999}},
	} {
		r, e := call(222, uintptr(x.clock), ptr(&x.ev), ptr(&id))
		show(x.what, r, e)
	}
	r, e := call(222, 1, 8, ptr(&id))
	show("timer_create, event nowhere", r, e)
	r, e = call(223, 12345, 0, ptr(&spec{}), 0)
	show("timer_settime, no timer", r, e)
	r, e = call(224, 12345, ptr(&spec{}))
	show("timer_gettime, no timer", r, e)
	r, e = call(225, 12345)
	show("timer_getoverrun, no timer", r, e)
	r, e = call(226, 12345)
	show("timer_delete, no timer", r, e)
	ev := sigevent{notify: 1, signo: 10}
	r, e = call(222, 1, ptr(&ev), ptr(&id))
	show("timer without a signal", r, e)
	r, e = call(223, uintptr(id), 0, ptr(&spec{value: [2]int64{0, -1}}), 0)
	show("timer_settime, -1 ns", r, e)
	r, e = call(223, uintptr(id), 0, 0, 0)
	show("timer_settime, no value", r, e)
	r, e = call(223, uintptr(id), 0, ptr(&spec{value: [2]int64{100, 0}, every: [2]int64{7, 0}}), 0)
	show("timer_settime", r, e)
	var old spec
	r, e = call(224, uintptr(id), ptr(&old))
	show("timer_gettime", r, e)
	fmt.Println(" interval", old.every, "left", old.value[0] == 99)
	r, e = call(226, uintptr(id))
	show("timer_delete", r, e)
	r, e = call(226, uintptr(id))
	show("timer_delete again", r, e)
	blockedTimer()
	intervals()
}

// blockedTimer lets a timer expire many times while its signal is blocked, and takes the
// signal.
func blockedTimer() {
	set := bit(syscall.SIGUSR2)
	mask(0, set)
	var id int32
	ev := sigevent{value: 0x1234, signo: int32(syscall.SIGUSR2), notify: 4, tid: int32(syscall.Gettid())}
	call(222, 1, ptr(&ev), ptr(&id))
	ms := [2]int64{0, 1e6}
	call(223, uintptr(id), 0, ptr(&spec{every: ms, value: ms}), 0)
	time.Sleep(100 * time.Millisecond)
	var info [128]byte
	r, e := call(128, ptr(&set), ptr(&info), ptr(&[2]int64{1, 0}), 8)
	show("take the signal of a timer", r, e)
	over, _ := call(225, uintptr(id))
	fmt.Println(" code", *(*int32)(ptr2(&info, 8)), "value", *(*uint64)(ptr2(&info, 24)), "overruns", *(*int32)(ptr2(&info, 20)) > 20, over > 20)
	call(226, uintptr(id))
	mask(1, set)
}

func intervals() {
	var v [4]int64
	for _, which := range []uintptr{0, 1, 2, 3} {
		r, e := call(36, which, ptr(&v))
		show(fmt.Sprint("getitimer ", which), r, e)
	}
	r, e := call(38, 0, ptr(&[4]int64{0, 0, 0, 1e6}), 0)
	show("setitimer, a million us", r, e)
	r, e = call(38, 3, ptr(&[4]int64{}), 0)
	show("setitimer 3", r, e)
	for which, sig := range []syscall.Signal{syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGPROF} {
		got := make(chan os.Signal, 10)
		signal.Notify(got, sig)
		call(38, uintptr(which), ptr(&[4]int64{0, 0, 0, 30000}), 0)
		fmt.Println("setitimer", which, "gives", burn(got))
		signal.Stop(got)
	}
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGALRM)
	r, e = call(37, 100)
	show("alarm 100", r, e)
	r, e = call(37, 0)
	show("alarm 0", r, e)
}

// burn uses CPU time until a signal comes.
func burn(got chan os.Signal) any {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		select {
		case s := <-got:
			return s
		default:
		}
	}
	return "nothing"
}
