// Command drop measures what it costs to drop translations: it takes the right to write from n pages,
// and then reads w other pages, whose translations a full flush has dropped, too. It prints
// microseconds, the median of 9 times 60 turns. docs/measurements.md has the figures.
//
// Layer: host.
// Chapter: docs/05-memory.md.
package main

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"
)

const (
	page  = 4096
	other = 512 // pages that are only read, at most
	most  = 128 // pages that lose the right
	turns = 60
)

var sink byte

func main() {
	runtime.LockOSThread()
	m, err := syscall.Mmap(-1, 0, (most+other)*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	for i := range most + other {
		m[i*page] = 1
	}
	protect := func(n int, prot uintptr) {
		if _, _, e := syscall.RawSyscall(syscall.SYS_MPROTECT, uintptr(unsafe.Pointer(&m[0])), uintptr(n*page), prot); e != 0 {
			panic(e)
		}
	}
	for _, w := range []int{0, 64, other} {
		for n := 1; n <= most; n *= 2 {
			var each []float64
			for range 9 {
				var sum time.Duration
				for range turns {
					begin := time.Now()
					protect(n, syscall.PROT_READ)
					for i := range w {
						sink += m[(most+i)*page]
					}
					sum += time.Since(begin)
					protect(n, syscall.PROT_READ|syscall.PROT_WRITE)
					for i := range n {
						m[i*page]++
					}
				}
				each = append(each, float64(sum.Nanoseconds())/turns/1000)
			}
			slices.Sort(each)
			fmt.Printf("drop: %3d pages, then %3d others read: %.1f us (%.1f to %.1f)\n", n, w, each[4], each[0], each[8])
		}
	}
}
