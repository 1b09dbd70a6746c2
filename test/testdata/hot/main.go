// Command hot spends its time in one function, which its argument names, on all CPUs: for
// profiles, whose reader knows what they must show.
package main

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// rounds makes each worker run some seconds on an emulator.
const rounds = 60

// acts are what a worker may do in a round.
var acts = map[string]func(n uint64) uint64{"sum": sum, "mix": mix, "calls": calls, "lies": lies}

//go:noinline
func sum(n uint64) (total uint64) {
	for i := range n {
		total += i ^ total<<1
	}
	return total
}

//go:noinline
func mix(n uint64) (hash uint64) {
	for i := range n {
		hash = hash*31 + i
	}
	return hash
}

// calls makes system calls, so that its time is the core's.
//
//go:noinline
func calls(n uint64) (total uint64) {
	var used syscall.Rusage
	for range n / 128 {
		_ = syscall.Getrusage(syscall.RUSAGE_THREAD, &used)
		total += uint64(used.Utime.Sec)
	}
	return total
}

func lie(bp uintptr, n int)

// lies has frame pointers that lead to other memory of the program, to the kernel, in a
// circle, and nowhere: a profile must not believe them.
//
//go:noinline
func lies(n uint64) uint64 {
	circle := [2]uintptr{}
	circle[0], circle[1] = uintptr(unsafe.Pointer(&circle)), 0x500000
	kernel := uintptr(0xffffffff80200000)
	places := []uintptr{uintptr(unsafe.Pointer(&circle)), 0, 1, 0x10001, 1<<47 - 8, 1 << 47, 1 << 63, ^uintptr(7), ^uintptr(0), kernel, kernel + 4096*100 + 3,
		0xffff800000000000, 0xffff8000fee00000, 0xffffa00000000000, 0xffffc00000000000, 0xffffdead00000000}
	for _, bp := range places {
		lie(bp, int(n)/10_000)
	}
	runtime.KeepAlive(&circle)
	return 0
}

var sink uint64

func main() {
	act := acts[os.Args[1]]
	var workers sync.WaitGroup
	var mu sync.Mutex
	for range runtime.NumCPU() {
		workers.Go(func() {
			for range rounds {
				n := act(1 << 20)
				mu.Lock()
				sink += n
				mu.Unlock()
			}
		})
	}
	workers.Wait()
}
