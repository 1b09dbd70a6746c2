package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// In hostile_amd64.s.
func sgdt()
func sldt()
func smsw()
func str()

// umip executes the instructions that tell ring 3 where the kernel's tables are, on
// every CPU, and says how many of them each CPU has refused.
func umip() {
	instructions := []func(){sgdt, sidt, sldt, smsw, str}
	var mu sync.Mutex
	tried := make([][]int, runtime.NumCPU()) // by CPU and instruction: 1 let through, 2 refused
	for i := range tried {
		tried[i] = make([]int, len(instructions))
	}
	left := len(tried) * len(instructions)
	end := time.Now().Add(20 * time.Second)
	var all sync.WaitGroup
	for range 2 * len(tried) {
		all.Go(func() {
			for done := false; !done && time.Now().Before(end); {
				for k, f := range instructions {
					before := onCPU()
					how := 1
					if refused(f) {
						how = 2
					}
					mu.Lock()
					if after := onCPU(); after == before {
						switch tried[before][k] {
						case 0:
							tried[before][k] = how
							left--
						case 3 - how:
							fmt.Println("hostile: CPU", before, "is of two minds about", k)
							os.Exit(1)
						}
					}
					done = left == 0
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	for i, list := range tried {
		n, untried := 0, 0
		for _, how := range list {
			switch how {
			case 0:
				untried++
			case 2:
				n++
			}
		}
		fmt.Printf("hostile: CPU %d: %d of %d refused, %d not tried\n", i, n, len(list), untried)
	}
}

// onCPU returns the CPU that the caller runs on, or ran on just now.
func onCPU() (n uint32) {
	const getcpu = 309
	syscall.RawSyscall(getcpu, uintptr(unsafe.Pointer(&n)), 0, 0)
	return n
}

// refused reports whether an instruction faults.
func refused(f func()) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { faulted = recover() != nil }()
	f()
	return false
}
