package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Acts that look after registers: over system calls, preemption and migration.

// In hostile_amd64.s.
func flagsSyscall(flags uint64) uint64
func setGS(v uintptr)
func getGS() uintptr
func spinGS(v uintptr, n uint64) uintptr
func vectorsAfterSyscall(out *[32]uint64)
func setControls(mxcsr, cw uint32)
func getControls() (mxcsr, cw uint32)

// flags makes system calls with odd flags set: AC, direction, nested task.
func flags() {
	for _, f := range []uint64{1 << 18, 1 << 10, 1 << 14, 1<<18 | 1<<10 | 1<<14} {
		for range 1000 {
			if pid := flagsSyscall(f); pid != uint64(os.Getpid()) {
				fmt.Printf("hostile: getpid with flags %#x: %d\n", f, pid)
				os.Exit(1)
			}
		}
	}
}

// gs gives each thread a GS base of its own, some of them absurd, and looks after
// it through preemption, system calls and migration.
func gs() {
	var wg sync.WaitGroup
	var bad atomic.Uint32
	end := time.Now().Add(time.Second)
	for i := range 2 * runtime.NumCPU() {
		wg.Go(func() {
			runtime.LockOSThread()
			v := uintptr(0x1000*(i+1)) + 0x7000_0000_0000
			if i%3 == 0 {
				v = directMap + uintptr(i)*8 // FSGSBASE lets ring 3 say anything canonical
			}
			setGS(v)
			for time.Now().Before(end) {
				if spinGS(v, 300000) != v {
					bad.Add(1)
				}
				syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
				time.Sleep(time.Millisecond)
				if getGS() != v {
					bad.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if bad.Load() > 0 {
		fmt.Println("hostile: GS changed", bad.Load(), "times")
		os.Exit(1)
	}
}

// vectors looks for what the kernel may have left in the vector registers.
func vectors() {
	var regs [32]uint64
	vectorsAfterSyscall(&regs)
	for i, v := range regs {
		if v != 0 {
			fmt.Printf("hostile: word %d of the vector registers is %#x after a system call\n", i, v)
			os.Exit(1)
		}
	}
}

// controls looks after MXCSR and the x87 control word.
func controls() {
	var wg sync.WaitGroup
	var bad atomic.Uint32
	for i := range 2 * runtime.NumCPU() {
		wg.Go(func() {
			runtime.LockOSThread()
			mxcsr, cw := uint32(0x1f80), uint32(0x37f)
			if i%2 == 0 {
				mxcsr, cw = 0x7f80, 0xf7f // round toward zero
			}
			for range 50 {
				setControls(mxcsr, cw)
				syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
				ts := syscall.Timespec{Nsec: 1000000}
				syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
				if m, c := getControls(); m&^0x3f != mxcsr || c != cw {
					bad.Add(1)
				}
			}
			setControls(0x1f80, 0x37f)
		})
	}
	wg.Wait()
	if bad.Load() > 0 {
		fmt.Println("hostile: control registers changed", bad.Load(), "times")
		os.Exit(1)
	}
}
