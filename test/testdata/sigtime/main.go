// Command sigtime prints what system calls about futexes, signals, timers, clocks and
// threads answer, a fact on each line. The lines are the same on Linux and on Muster; the
// test compares them.
package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

//go:uintptrescapes
func call(n uintptr, a ...uintptr) (int, syscall.Errno) {
	r, e := sys.Call(n, a...)
	return int(r), e
}

func ptr[T any](x *T) uintptr { return uintptr(unsafe.Pointer(x)) }

func show(what string, r int, e syscall.Errno) { fmt.Printf("%-34s %d %v\n", what, r, e) }

func main() {
	runtime.LockOSThread()
	for _, f := range []func(){futexes, clocks, threads, signals, restarts, timers} {
		f()
	}
	fmt.Println("END")
}

// locked runs f on a thread of its own, and returns the thread's id at once.
func locked(f func()) (tid int, done chan bool) {
	id := make(chan int)
	done = make(chan bool)
	go func() {
		runtime.LockOSThread()
		id <- syscall.Gettid()
		f()
		done <- true
	}()
	return <-id, done
}

const (
	futexWait, futexWake, futexRequeue, futexCmpRequeue, futexWaitBits, futexWakeBits = 128, 129, 131, 132, 137, 138
)

func futexes() {
	var words [2]uint32
	a, b := ptr(&words[0]), ptr(&words[1])
	var woken [4]atomic.Int32
	for i := range 4 {
		_, _ = locked(func() {
			for woken[i].Load() == 0 { // a signal may end a wait
				if _, e := call(202, a, futexWaitBits, 0, 0, 0, 1<<i); e == 0 {
					woken[i].Store(1)
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	r, e := call(202, a, futexWakeBits, 10, 0, 0, 1<<5)
	show("wake bits without a waiter", r, e)
	r, e = call(202, a, futexWakeBits, 10, 0, 0, 1<<2)
	for r == 0 { // on a slow host the third had not come to its wait
		time.Sleep(time.Millisecond)
		r, e = call(202, a, futexWakeBits, 10, 0, 0, 1<<2)
	}
	show("wake the third", r, e)
	for woken[2].Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(" woken", woken[0].Load(), woken[1].Load(), woken[2].Load(), woken[3].Load())
	r, e = call(202, a, futexCmpRequeue, 1, 1, b, 77)
	show("cmp_requeue, word differs", r, e)
	r, e = call(202, a, futexCmpRequeue, 1, 1, b, 0)
	show("cmp_requeue, wake 1, move 1", r, e)
	r, e = call(202, b, futexWake, 10)
	show("wake at the other word", r, e)
	r, e = call(202, a, futexRequeue, 0, 10, a, 0)
	show("requeue to the same word", r, e)
	r, e = call(202, a, futexWake, 10)
	show("wake the rest", r, e)
	r, e = call(202, a, futexRequeue, ^uintptr(0), 1, b, 0)
	show("requeue, negative number", r, e)
	r, e = call(202, a+1, futexWake, 1)
	show("wake, odd address", r, e)
	r, e = call(202, a, futexWakeBits, 1, 0, 0, 0)
	show("wake, no bits", r, e)
	r, e = call(202, a, 256|futexWait, 0)
	show("wait, clock flag", r, e)
	r, e = call(202, 1<<63, futexWake, 1)
	show("wake in the kernel's half", r, e)
	r, e = call(202, a, 999, 1)
	show("operation 999", r, e)
}

func clocks() {
	var ts [2]int64
	for _, c := range []int{0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 99} {
		r, e := call(228, uintptr(c), ptr(&ts))
		show(fmt.Sprint("clock_gettime ", c), r, e)
	}
	pid, tid := uintptr(syscall.Getpid()), uintptr(syscall.Gettid())
	r, e := call(228, ^pid<<3|2, ptr(&ts))
	show("clock of this process", r, e)
	r, e = call(228, ^tid<<3|6, ptr(&ts))
	show("clock of this thread", r, e)
	missing := uintptr(999999)
	r, e = call(228, ^missing<<3|6, ptr(&ts))
	show("clock of no thread", r, e)
	r, e = call(228, ^pid<<3|3, ptr(&ts))
	show("clock of a file", r, e)
	r, e = call(229, 99, 0)
	show("clock_getres 99", r, e)
	r, e = call(229, 2, 0)
	show("clock_getres 2", r, e)
	past := [2]int64{0, 1}
	for _, c := range []int{0, 1, 2, 3, 4, 5, 6, 7, 11, 99} {
		r, e = call(230, uintptr(c), 1, ptr(&past), 0)
		show(fmt.Sprint("clock_nanosleep past ", c), r, e)
	}
	r, e = call(230, ^tid<<3|6, 1, ptr(&past), 0)
	show("sleep on this thread's clock", r, e)
	r, e = call(230, 1, 0, ptr(&[2]int64{0, -1}), 0)
	show("sleep -1 ns", r, e)
	r, e = call(35, ptr(&[2]int64{-1, 0}), 0)
	show("nanosleep -1 s", r, e)
	r, e = call(35, 8, 0)
	show("nanosleep at address 8", r, e)
	for _, who := range []int{0, 1, -1, 2, -2} {
		var usage [18]int64
		r, e = call(98, uintptr(who), ptr(&usage))
		show(fmt.Sprint("getrusage ", who), r, e)
	}
	spent := func(c uintptr) time.Duration { call(228, c, ptr(&ts)); return time.Duration(ts[0]*1e9 + ts[1]) }
	before, mine := spent(2), spent(3)
	_, done := locked(func() {
		for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
		}
	})
	<-done // the thread goes on: a goroutine that ends takes its locked thread along
	time.Sleep(20 * time.Millisecond)
	fmt.Println("process counts an ended thread:", spent(2)-before > 20*time.Millisecond, "this one does not:", spent(3)-mine < 50*time.Millisecond)
}

func threads() {
	var m [128]byte
	pid := uintptr(syscall.Getpid())
	r, e := call(204, 999999, 128, ptr(&m))
	show("affinity of no task", r, e)
	r, e = call(204, pid, 128, ptr(&m))
	fmt.Println("affinity of this process", r > 0, e)
	r, e = call(203, 0, 128, ptr(&m))
	show("set it to what it is", r, e)
	r, e = call(203, 0, 128, ptr(&[128]byte{}))
	show("set it to none", r, e)
	for _, x := range []struct {
		what  string
		flags uintptr
	}{{"thread without handlers", 0x10000 | 0x100}, {"handlers without memory", 0x800}} {
		r, e = call(56, x.flags, 0, 0, 0, 0)
		show("clone "+x.what, r, e)
	}
	r, e = call(435, ptr(&m), 63)
	show("clone3, 63 bytes", r, e)
	r, e = call(435, ptr(&m), 5000)
	show("clone3, 5000 bytes", r, e)
	r, e = call(158, 0x1002, 1<<63)
	show("FS in the kernel's half", r, e)
	r, e = call(158, 0x9999, 0)
	show("arch_prctl 0x9999", r, e)
	name := [16]byte{'a', 'b', 'c'}
	r, e = call(157, 15, ptr(&name))
	show("set the name", r, e)
	name = [16]byte{}
	r, e = call(157, 16, ptr(&name))
	show("get the name "+string(name[:3]), r, e)
	r, e = call(61, 0, 0, 0, 0)
	show("wait4 without children", r, e)
	r, e = call(61, 0, 0, 0x10, 0)
	show("wait4, bad options", r, e)
	r, e = call(247, 0, 0, 0, 0)
	show("waitid without options", r, e)
	r, e = call(247, 9, 0, 0, 4)
	show("waitid, bad kind", r, e)
	r, e = call(247, 0, 0, 0, 4)
	show("waitid without children", r, e)
}
