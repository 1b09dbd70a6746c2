// Command ahead measures page faults whose pages idle CPUs have cleared ahead of time: it sleeps, and then touches
// pages. It prints nanoseconds for each page, which are instructions under --icount, the median of 9. Each page has old contents of this
// program when the kernel gets it back, and is looked through when it comes again.
//
// Layer: host.
// Chapter: docs/05-memory.md.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"
)

const (
	page  = 4096
	pages = 200 // fewer than a CPU clears ahead
	turns = 9
)

func main() {
	runtime.LockOSThread()
	m, err := syscall.Mmap(-1, 0, pages*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	wrong := 0
	var each []int
	for range turns {
		time.Sleep(5 * time.Millisecond)
		begin := time.Now()
		for i := range pages {
			m[i*page] = 1
		}
		each = append(each, int(time.Since(begin).Nanoseconds())/pages)
		for i := range m {
			if m[i] != 0 && (i%page != 0 || m[i] != 1) {
				wrong++
			}
			m[i] = 0xa5
		}
		if err := syscall.Madvise(m, syscall.MADV_DONTNEED); err != nil {
			panic(err)
		}
	}
	slices.Sort(each)
	fmt.Printf("ahead: %d pages after a sleep: %d ns a page (%d to %d), old bytes %d\n", pages, each[turns/2], each[0], each[turns-1], wrong)
	if wrong != 0 {
		os.Exit(1)
	}
}
