// Command hostile is a program for ring 3 that does what programs must not do, or
// seldom do. Its argument selects the act; test/ring3_test.go checks its status and the
// kernel's output. If the kernel did not protect itself, most acts would end the machine.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// In hostile_amd64.s.
func cli()
func hlt()
func out()
func rdmsr()
func lgdt()
func int80()
func int3()
func ud2()
func sidt()
func divide()
func jump(addr uintptr)
func badStack(sp uintptr)
func trapFlag()

const (
	kernelText = 0xffffffff80201000
	directMap  = 0xffff800000000000
)

func main() {
	what := "nothing"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	f, ok := acts[what]
	if !ok {
		fmt.Println("hostile: no act", what)
		os.Exit(99)
	}
	f()
	fmt.Println("hostile: still here")
}

var acts = map[string]func(){
	// Ended by the kernel's default action: the handlers of the runtime are removed.
	"cli":          func() { defaults(); cli() },
	"hlt":          func() { defaults(); hlt() },
	"out":          func() { defaults(); out() },
	"rdmsr":        func() { defaults(); rdmsr() },
	"lgdt":         func() { defaults(); lgdt() },
	"sidt":         func() { defaults(); sidt() },
	"int80":        func() { defaults(); int80() },
	"int3":         func() { defaults(); int3() },
	"ud2":          func() { defaults(); ud2() },
	"divide":       func() { defaults(); divide() },
	"tf":           func() { defaults(); trapFlag() },
	"read kernel":  func() { defaults(); fmt.Println(*(*byte)(unsafe.Pointer(uintptr(kernelText)))) },
	"write kernel": func() { defaults(); *(*byte)(unsafe.Pointer(uintptr(kernelText))) = 1 },
	"read direct":  func() { defaults(); fmt.Println(*(*byte)(unsafe.Pointer(uintptr(directMap)))) },
	"jump kernel":  func() { defaults(); jump(kernelText) },
	"jump data":    func() { defaults(); jump(uintptr(unsafe.Pointer(&ret))) },
	"jump heap":    func() { defaults(); jump(uintptr(unsafe.Pointer(&append([]byte(nil), 0xc3)[0]))) },
	"stack kernel": func() { defaults(); badStack(directMap + 4096) },
	"stack odd":    func() { defaults(); badStack(1 << 60) },
	"unmap all":    func() { syscall.RawSyscall(syscall.SYS_MUNMAP, 0, 1<<47-4096, 0) },
	"abort":        func() { defaults(); kill(syscall.SIGABRT) },
	"term":         func() { defaults(); kill(syscall.SIGTERM) },

	"pointers": pointers,
	"maps":     maps,
	"partial":  partial,
	"flags":    flags,
	"gs":       gs,
	"vectors":  vectors,
	"controls": controls,
	"threads":  threads,
	"oom":      outOfMemory,
	"areas":    areas,
	"sleepers": sleepers,
	"umip":     umip,
	"exit":     func() { go spin(); go spin(); time.Sleep(5 * time.Millisecond); os.Exit(123) },
}

var ret = [16]byte{0xc3}

// defaults removes the runtime's signal handlers from this process.
func defaults() {
	var act struct{ handler, flags, restorer, mask uint64 }
	for sig := uintptr(1); sig <= 31; sig++ {
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	}
}

func kill(sig syscall.Signal) {
	syscall.Kill(os.Getpid(), sig)
	time.Sleep(time.Second)
}

func spin() {
	for {
	}
}
