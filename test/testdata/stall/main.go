// Command stall keeps three CPUs busy until its input ends, and checks what they do. Its
// argument says how: compute without system calls, or compute and at times unmap memory, for
// which a CPU waits until the others have flushed their TLBs.
//
// Layer: host.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const threads = 3

// ways has what a thread does in one round; it reports whether the result was right.
var ways = map[string]func(thread, round uint64) bool{
	"compute": compute,
	"memory":  memory,
}

func main() {
	debug.SetGCPercent(-1)
	round, ok := ways[os.Args[1]]
	if !ok {
		fmt.Println("stall: no way", os.Args[1])
		os.Exit(2)
	}
	var stop atomic.Bool
	var wrong atomic.Uint64
	var rounds [threads]uint64
	var all sync.WaitGroup
	for i := range uint64(threads) {
		all.Go(func() {
			runtime.LockOSThread()
			for n := uint64(0); !stop.Load(); n++ {
				if !round(i, n) {
					wrong.Add(1)
				}
				rounds[i] = n + 1
			}
		})
	}
	fmt.Println("stall: busy")
	io.Copy(io.Discard, os.Stdin)
	stop.Store(true)
	all.Wait()
	for i, n := range rounds {
		if n == 0 {
			fmt.Println("stall: nothing done by thread", i)
			os.Exit(3)
		}
	}
	fmt.Println("stall: wrong results:", wrong.Load())
}

// compute goes through a linear congruential generator's numbers, and jumps back by the
// inverse: the sum of both ways is known.
func compute(thread, round uint64) bool {
	const times = 1_000_000
	const factor, inverse = 6364136223846793005, 13877824140714322085 // their product is 1 modulo 2^64
	first := thread<<32 | round
	x := first
	for range uint64(times) {
		x = x*factor + thread
	}
	for range uint64(times) {
		x = (x - thread) * inverse
	}
	return x == first
}

// memory computes, and then maps pages, writes and reads them, and unmaps them. It computes
// most of the time, so a CPU that stops at any moment seldom has to do with the lock of the
// process's areas, for which threads sleep, and the others need its flush soon.
func memory(thread, round uint64) bool {
	const pages, size = 16, 4096
	ok := compute(thread, round)
	at, e := sys.Raw(syscall.SYS_MMAP, 0, pages*size, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE, ^uintptr(0), 0)
	if e != 0 {
		return false
	}
	word := func(page uint64) *uint64 { return (*uint64)(unsafe.Pointer(at + uintptr(page)*size)) }
	for p := range uint64(pages) {
		ok = ok && *word(p) == 0
		*word(p) = thread<<56 | round<<8 | p
	}
	for p := range uint64(pages) {
		ok = ok && *word(p) == thread<<56|round<<8|p
	}
	_, e = sys.Raw(syscall.SYS_MUNMAP, at, pages*size)
	return ok && e == 0
}
