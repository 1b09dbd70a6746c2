package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"syscall"

	"muster/test/testdata/internal/sys"
)

const (
	sysSetRobust, sysGetRobust = 273, 274

	kernelText, directMap = 0xffffffff80201000, 0xffff800000000000
)

// tids ends threads whose word for the end is somewhere else: nowhere, in the kernel, where
// it may not be written, across two pages, in memory that another thread takes away, or
// where threads wait for it. A list of robust futexes would be walked at the same moment;
// the kernel refuses to have one.
func tids() {
	var head [3]uint64
	_, e := sys.Raw(sysSetRobust, ptr(&head), 0) // which is wrong where there are such lists
	_, e2 := sys.Raw(sysGetRobust, 0, ptr(&head), 8)
	fmt.Printf("contend: robust lists: errno %d, %d\n", int(e), int(e2))
	area := mapped(8*page, rw)
	sys.Raw(syscall.SYS_MPROTECT, area+page, page, 0)
	sys.Raw(syscall.SYS_MPROTECT, area+3*page, page, syscall.PROT_READ)
	shared := area + 5*page
	bad := []uintptr{0, 1, 8, 4096, area + page, area + page - 2, area + 3*page, area + 3*page - 2, area + 1, area + 4*page - 1,
		1<<47 - 4096, 1<<47 - 1, 1 << 47, 1 << 63, none, none - 3, directMap, kernelText, shared, shared + 2}
	contend(4, func(id int, r *rand.Rand) {
		switch {
		case id == 0:
			sys.Raw(syscall.SYS_MPROTECT, shared, page, 0)
			sys.Raw(syscall.SYS_MMAP, shared, page, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_FIXED, none, 0)
			sys.Raw(syscall.SYS_FUTEX, shared, 128, 0, ptr(&[2]int64{0, 1000}))
		case id == 1: // the word becomes 0, and the thread that waits there wakes
			word := new(atomic.Uint32)
			word.Store(1)
			ends(ptr(word))
			for word.Load() != 0 {
				sys.Call(syscall.SYS_FUTEX, ptr(word), 0, 1)
			}
		default:
			ends(bad[r.IntN(len(bad))])
		}
	})
}

// ends makes a thread that ends with a word at an address.
func ends(word uintptr) {
	done := make(chan bool)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		sys.Raw(syscall.SYS_SET_TID_ADDRESS, word)
		close(done)
	}()
	<-done
}
