package main

import (
	"fmt"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// effects looks at what calls do beside what they return.
func effects() {
	waitidStores()
	requeueWithoutPage()
	wakeAndChange()
}

// waitidStores shows which bytes waitid stores to its siginfo: signal, error and code, and
// after four bytes that it leaves, process, user and status.
func waitidStores() {
	const size = 128 // of a siginfo
	b := unsafe.Slice((*byte)(unsafe.Pointer(word(data[1], 0))), size)
	for i := range b {
		b[i] = 0x55
	}
	_, e := call(sysWaitid, 0, 0, data[1], 4|1)
	fmt.Printf("waitid: errno %d, the siginfo is %x\n", int(e), b)
	for _, fits := range []uintptr{28, 27, 24, 16, 12} {
		_, e := call(sysWaitid, 0, 0, outEdge+1-fits, 4|1)
		fmt.Printf("waitid with %d bytes: errno %d\n", fits, int(e))
	}
}

// Operations of a futex that processes share.
const (
	futexWait = iota
	futexWake
	_
	futexRequeue
	futexCmpRequeue
	futexWakeOp
)

// waiter is a thread that waits for a word.
type waiter struct {
	word  uintptr
	other uintptr // a word for which nothing else waits
	ended chan syscall.Errno
}

func newWaiter(at uintptr) *waiter {
	w := &waiter{word: at, other: at + 64, ended: make(chan syscall.Errno)}
	go func() {
		_, e := sys.Call(syscall.SYS_FUTEX, at, futexWait, 0, 0)
		w.ended <- e
	}()
	for moved := uintptr(0); moved == 0; { // away and back, as soon as it waits
		moved, _ = call(syscall.SYS_FUTEX, at, futexRequeue, 0, 1, w.other)
	}
	call(syscall.SYS_FUTEX, w.other, futexRequeue, 0, 1, at)
	return w
}

// requeueWithoutPage moves a waiter to a word whose page has gone before, or goes after.
func requeueWithoutPage() {
	at := mapped(1)
	second := sys.Room(page)
	appear := func() {
		if _, e := call(syscall.SYS_MMAP, second, page, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, minus, 0); e != 0 {
			panic(e)
		}
		*word(second, 0) = 0
	}
	vanish := func() { call(syscall.SYS_MUNMAP, second, page) }
	show := func(what string, n, op uintptr, a ...uintptr) {
		r, e := call(syscall.SYS_FUTEX, append([]uintptr{n, op}, a...)...)
		fmt.Printf("%s: %d, errno %d\n", what, int(r), int(e))
	}

	w := newWaiter(at)
	appear()
	vanish()
	show("requeue to a page that is gone", at, futexRequeue, 1, 1, second)
	show("compare and requeue to a page that is gone", at, futexCmpRequeue, 1, 1, second, 0)
	show("wake where the waiter was", at, futexWake, 1)
	fmt.Printf("the waiter: errno %d\n", int(<-w.ended))

	w = newWaiter(at)
	appear()
	call(syscall.SYS_MADVISE, second, page, syscall.MADV_DONTNEED)
	show("requeue to a page that was discarded", at, futexRequeue, 0, 1, second)
	vanish()
	show("wake at a page that is gone", second, futexWake, 1)
	show("wake where the waiter was", at, futexWake, 1)
	appear()
	show("wake at the page that is there again", second, futexWake, 1)
	fmt.Printf("the waiter: errno %d\n", int(<-w.ended))
	vanish()
}

// wakeAndChange wakes the waiters of two words in one call, which changes the second word.
func wakeAndChange() {
	at := mapped(1)
	second := at + 128
	show := func(what string, change uintptr) {
		r, e := call(syscall.SYS_FUTEX, at, futexWakeOp, 1, 1, second, change)
		fmt.Printf("%s: %d, errno %d, the word %d\n", what, int(r), int(e), int32(*word(second, 0)))
	}
	const add, equal9, equal3 = 1 << 28, 9, 3
	first, other := newWaiter(at), newWaiter(second)
	show("wake one, and add 3 to a word", add|3<<12|equal9)
	fmt.Printf("the first waiter: errno %d\n", int(<-first.ended))
	first = newWaiter(at)
	show("wake both, and set the word to -7", 0xff9<<12|equal3)
	fmt.Printf("the waiters: errno %d, %d\n", int(<-first.ended), int(<-other.ended))
	comparisons(at, second)
}

// comparisons shows how each comparison ends for words below, at and above the number to compare with. No thread
// waits at the first word. The call wakes the one that waits at the second word if the comparison holds.
func comparisons(at, second uintptr) {
	const against = -2
	*word(second, 0) = 0
	w := newWaiter(second)
	for c := range uintptr(6) {
		fmt.Printf("comparison %d:", c)
		for _, old := range []int32{-2048, -3, against, -1, 2047} {
			*word(second, 0) = uint64(uint32(old))
			r, e := call(syscall.SYS_FUTEX, at, futexWakeOp, 1, 1, second, c<<24|against&0xfff)
			fmt.Printf(" %d", int(r))
			if r == 1 && e == 0 { // the word is 0 now
				<-w.ended
				w = newWaiter(second)
			}
		}
		fmt.Println()
	}
	call(syscall.SYS_FUTEX, second, futexWake, 1)
	<-w.ended
}
