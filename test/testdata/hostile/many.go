package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"muster/test/testdata/internal/sys"
)

// areas makes the kernel keep as many areas as it will: neighbours with other
// rights, none of them touched.
func areas() {
	const page = 4096
	base := sys.Room(1 << 32)
	for i := uintptr(0); ; i++ {
		prot := [2]uintptr{syscall.PROT_READ, syscall.PROT_READ | syscall.PROT_WRITE}[i&1]
		_, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, base+i*page, page, prot, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_FIXED, ^uintptr(0), 0)
		if e != 0 {
			syscall.RawSyscall(syscall.SYS_MUNMAP, base, i*page, 0) // the runtime may want an area too
			fmt.Printf("hostile: errno %d, many areas: %v\n", int(e), i > 1000)
			os.Exit(0)
		}
	}
}

// sleepers has many threads sleep until the same moment.
func sleepers() {
	until := time.Now().Add(3 * time.Second)
	var wg sync.WaitGroup
	for range 400 {
		wg.Go(func() {
			left := syscall.NsecToTimespec(int64(time.Until(until)))
			for syscall.Nanosleep(&left, &left) == syscall.EINTR {
			}
		})
	}
	wg.Wait()
	fmt.Println("hostile: still here")
}

// threads makes many, and leaves while they run.
func threads() {
	var up sync.WaitGroup
	for range 100 {
		up.Add(1)
		go func() {
			runtime.LockOSThread()
			up.Done()
			for {
				ts := syscall.Timespec{Nsec: 500000}
				syscall.Nanosleep(&ts, nil)
			}
		}()
	}
	up.Wait()
	os.Exit(7)
}
