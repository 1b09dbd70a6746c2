// Command shares has threads that compute beside each other for a second, and prints the CPU time of each as a part of the
// first one's. An argument is a thread's nice value; the main thread sets it from outside. -b sets SCHED_IDLE, f5 a priority of
// SCHED_FIFO and r5 one of SCHED_RR. Before that it tries the
// calls that Linux has for priorities, and prints what differs from Linux.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Numbers of system calls.
const (
	getpriority     = 140
	setpriority     = 141
	setparam        = 142
	getparam        = 143
	setscheduler    = 144
	getscheduler    = 145
	getPriorityMax  = 146
	getPriorityMin  = 147
	rrGetInterval   = 148
	schedIdle       = 5
	resetOnFork     = 1 << 30
	noSuch          = 1 << 30
	runningTime     = time.Second
	rusageThread    = 1
	prioritySubject = 0
)

func call(n uintptr, args ...uintptr) int {
	var a [3]uintptr
	copy(a[:], args)
	r, _, e := syscall.RawSyscall(n, a[0], a[1], a[2])
	if e != 0 {
		return -int(e)
	}
	return int(r)
}

func main() {
	compare()
	runtime.GOMAXPROCS(len(os.Args) + 4)
	var begin, stop atomic.Bool
	var wait sync.WaitGroup
	before, after := make([]syscall.Rusage, len(os.Args)-1), make([]syscall.Rusage, len(os.Args)-1)
	var ids []uintptr
	for i := range before {
		tid := make(chan int)
		wait.Add(1)
		go func() {
			defer wait.Done()
			runtime.LockOSThread()
			tid <- syscall.Gettid()
			for !begin.Load() {
			}
			// No other call: the runtime may preempt a goroutine there. Then it depends on threads that may get no time.
			syscall.RawSyscall(syscall.SYS_GETRUSAGE, rusageThread, uintptr(unsafe.Pointer(&before[i])), 0)
			for !stop.Load() {
			}
			syscall.RawSyscall(syscall.SYS_GETRUSAGE, rusageThread, uintptr(unsafe.Pointer(&after[i])), 0)
		}()
		ids = append(ids, uintptr(<-tid))
	}
	for i, arg := range os.Args[1:] {
		id := ids[i]
		if arg == "-b" {
			want(0, call(setscheduler, id, schedIdle, uintptr(unsafe.Pointer(&numbers[0]))), "sched_setscheduler")
			want(schedIdle, call(getscheduler, id), "sched_getscheduler")
			continue
		}
		if policy := strings.IndexByte(" fr", arg[0]); policy > 0 {
			n, err := strconv.Atoi(arg[1:])
			if err != nil {
				panic(err)
			}
			param[0] = int32(n)
			want(0, call(setscheduler, id, uintptr(policy), uintptr(unsafe.Pointer(&param))), "sched_setscheduler")
			want(policy, call(getscheduler, id), "sched_getscheduler")
			param[0] = 0
			want(0, call(getparam, id, uintptr(unsafe.Pointer(&param))), "sched_getparam")
			want(n, int(param[0]), "priority")
			continue
		}
		nice, err := strconv.Atoi(arg)
		if err != nil {
			panic(err)
		}
		want(0, call(setpriority, prioritySubject, id, uintptr(nice)), "setpriority")
		want(20-nice, call(getpriority, prioritySubject, id), "getpriority")
	}
	time.Sleep(runningTime / 10) // the values count
	begin.Store(true)
	time.Sleep(runningTime)
	stop.Store(true)
	wait.Wait()
	got := func(i int) float64 { return float64(used(&after[i]) - used(&before[i])) }
	for i := range before {
		fmt.Printf("shares: %s %.3f\n", os.Args[1+i], got(i)/got(0))
	}
}

// used returns the CPU time that a thread has had.
func used(r *syscall.Rusage) time.Duration {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func want(result, got int, what string) {
	if result != got {
		fmt.Printf("shares: %s: %d, not %d\n", what, got, result)
	}
}

// numbers are priorities whose addresses system calls get.
var numbers = [3]int32{0, 1, 100}

// param is a priority that sched_getparam stores.
var param [1]int32

// turn is where rrGetInterval stores its result: its address is a number, so it must not be on a stack, which moves.
var turn [2]uint64

// compare makes calls whose results on Linux are known, for a program with privileges where that matters.
func compare() {
	runtime.LockOSThread() // most calls are about the thread
	defer runtime.UnlockOSThread()
	const inval, srch, fault = -int(syscall.EINVAL), -int(syscall.ESRCH), -int(syscall.EFAULT)
	zero, one, hundred := &numbers[0], &numbers[1], &numbers[2]
	at := func(p *int32) uintptr { return uintptr(unsafe.Pointer(p)) }
	for _, c := range []struct {
		want int
		args []uintptr
	}{
		{20, []uintptr{getpriority, 0, 0}}, {20, []uintptr{getpriority, 1, 0}}, {20, []uintptr{getpriority, 2, 0}},
		{inval, []uintptr{getpriority, 3, 0}}, {srch, []uintptr{getpriority, 0, noSuch}}, {srch, []uintptr{getpriority, 1, noSuch}},
		{inval, []uintptr{setpriority, 3, 0, 0}}, {srch, []uintptr{setpriority, 0, noSuch, 0}},
		{99, []uintptr{getPriorityMax, 1}}, {99, []uintptr{getPriorityMax, 2}}, {0, []uintptr{getPriorityMax, 0}}, {inval, []uintptr{getPriorityMax, 4}},
		{1, []uintptr{getPriorityMin, 1}}, {0, []uintptr{getPriorityMin, 5}}, {inval, []uintptr{getPriorityMin, 99}},
		{0, []uintptr{getscheduler, 0}}, {srch, []uintptr{getscheduler, noSuch}}, {inval, []uintptr{getscheduler, ^uintptr(0)}},
		{0, []uintptr{getparam, 0, at(zero)}}, {inval, []uintptr{getparam, 0, 0}}, {srch, []uintptr{getparam, noSuch, at(zero)}},
		{fault, []uintptr{getparam, 0, 8}},
		{0, []uintptr{setscheduler, 0, 3, at(zero)}}, {3, []uintptr{getscheduler, 0}}, {0, []uintptr{setscheduler, 0, 0, at(zero)}},
		{inval, []uintptr{setscheduler, 0, 0, at(one)}}, {0, []uintptr{setscheduler, 0, 1, at(one)}},
		{1, []uintptr{getscheduler, 0}}, {0, []uintptr{setparam, 0, at(one)}}, {inval, []uintptr{setparam, 0, at(zero)}},
		{0, []uintptr{setscheduler, 0, 2 | resetOnFork, at(one)}}, {2 | resetOnFork, []uintptr{getscheduler, 0}}, {0, []uintptr{setscheduler, 0, 0, at(zero)}},
		{inval, []uintptr{setscheduler, 0, 1, at(zero)}}, {inval, []uintptr{setscheduler, 0, 2, at(hundred)}},
		{inval, []uintptr{setscheduler, 0, 7, at(zero)}}, {inval, []uintptr{setscheduler, 0, 0, 0}}, {srch, []uintptr{setscheduler, noSuch, 0, at(zero)}},
		{0, []uintptr{setparam, 0, at(zero)}}, {inval, []uintptr{setparam, 0, at(one)}}, {fault, []uintptr{setparam, 0, 8}},
		{0, []uintptr{rrGetInterval, 0, uintptr(unsafe.Pointer(&turn))}}, {fault, []uintptr{rrGetInterval, 0, 8}}, {srch, []uintptr{rrGetInterval, noSuch, 0}},
	} {
		want(c.want, call(c.args[0], c.args[1:]...), fmt.Sprint("call ", c.args[0], " of ", c.args[1:]))
	}
	if turn[0] != 0 || turn[1] == 0 {
		fmt.Printf("shares: a turn of %d s and %d ns\n", turn[0], turn[1])
	}
}
