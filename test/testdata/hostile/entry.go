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

	"muster/test/testdata/internal/sys"
)

// Acts that press on the entries of the kernel and on signal frames.

// In entry_amd64.s.
func attempt(code, data uintptr)
func trapsPC() uintptr
func againPC() uintptr
func keptFlags(flags uint64) (pid, after uint64)
func onStackAt(top uintptr) (pid uint64)
func traps() uint64
func loadSelectors(selector uint64)
func selectors() uint64

const userEnd = 0x7ffffffff000

func init() {
	acts["instructions"] = instructions
	acts["every flag"] = everyFlag
	acts["frame ends"] = frameEnds
	acts["frame no room"] = func() { defaults(); frameAt(frameStack(4096), 512, 2048) }
	acts["last page"] = lastPage
	acts["nested"] = func() { nested(0) }
	acts["nested above"] = func() { nested(32 << 20) }
	acts["self-modifying"] = selfModifying
	acts["selectors"] = foreignSelectors
}

// handle installs a handler of assembly for a signal, on the alternate stack.
func handle(sig syscall.Signal, pc uintptr, flags uint64) {
	if e := sys.Handle(sig, pc, sys.OnStack|flags, 0); e != 0 {
		fmt.Println("hostile: sigaction:", e)
		os.Exit(1)
	}
}

func mapped(addr uintptr, n int, prot, flags uintptr) uintptr {
	p, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, addr, uintptr(n), prot, flags|syscall.MAP_ANON|syscall.MAP_PRIVATE, ^uintptr(0), 0)
	if e != 0 {
		fmt.Println("hostile: mmap:", e)
		os.Exit(1)
	}
	return p
}

// instructions executes every form of the instructions that belong to the kernel, or that
// change what it relies on, with each prefix and operand. Registers hold the address of
// a page, whose contents change. The program must get a signal, or nothing.
//
// Left out is MOV to segment register 7. CPUs refuse it with #UD; QEMU 10.0 loads TR, and
// the next interrupt ends the emulator: taskRegister shows that.
func instructions() {
	runtime.LockOSThread()
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGFPE} {
		handle(sig, trapsPC(), sys.NotBlocked)
	}
	// The Go scheduler's signal would find no goroutine: the forms change FS and SP.
	urgent := uint64(1) << (syscall.SIGURG - 1)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&urgent)), 0, 8, 0, 0)
	text, data := mapped(0, 4096, 7, 0), mapped(0, 3*4096, 3, 0)
	code := unsafe.Slice((*byte)(unsafe.Pointer(text)), 64)
	words := unsafe.Slice((*uint64)(unsafe.Pointer(data)), 3*512)
	var opcodes [][]byte
	for _, second := range []byte{0x00, 0x01, 0x02, 0x03, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x0d, 0x1e, 0x20, 0x21, 0x22, 0x23, 0x30, 0x31, 0x32, 0x33,
		0x34, 0x35, 0x36, 0x37, 0x77, 0x78, 0x79, 0xaa, 0xae, 0xb2, 0xb4, 0xb5, 0xc7, 0xff} {
		opcodes = append(opcodes, []byte{0x0f, second})
	}
	for _, third := range []byte{0x80, 0x81, 0x82, 0xc8, 0xf5, 0xf6, 0xf8, 0xf9} {
		opcodes = append(opcodes, []byte{0x0f, 0x38, third})
	}
	for _, one := range []byte{0x06, 0x0e, 0x17, 0x1f, 0x27, 0x60, 0x61, 0x62, 0x8c, 0x8e, 0x9a, 0xc4, 0xc5, 0xc8, 0xca, 0xcb, 0xcd, 0xce, 0xcf,
		0xd6, 0xe4, 0xe6, 0xec, 0xee, 0xea, 0xf1, 0xf4, 0xfa, 0xfb, 0x6c, 0x6e} {
		opcodes = append(opcodes, []byte{one})
	}
	n := 0
	for _, prefix := range [][]byte{nil, {0x66}, {0xf2}, {0xf3}, {0xf0}, {0x48}, {0xf3, 0x48}, {0x66, 0x48}} {
		for _, op := range opcodes {
			for modrm := range 256 {
				if op[0] == 0x8e && modrm>>3&7 == 7 {
					continue
				}
				for i := range words {
					words[i] = uint64(n) * uint64(i&7) * 0x9e3779b97f4a7c15
				}
				for i := range code {
					code[i] = 0xcc
				}
				at := copy(code, prefix)
				at += copy(code[at:], op)
				code[at] = byte(modrm)
				copy(code[at+1:], []byte{0x20, 0, 0, 0, 0})
				attempt(text, data+4096)
				n++
			}
		}
	}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 1, uintptr(unsafe.Pointer(&urgent)), 0, 8, 0, 0)
	if traps() != uint64(n) {
		fmt.Println("hostile: signals:", traps(), "of", n)
		os.Exit(1)
	}
}

// everyFlag makes system calls with every set of flags that ring 3 can set; all of them are
// there afterwards.
func everyFlag() {
	runtime.LockOSThread()
	handle(syscall.SIGTRAP, sys.IdlePC(), 0)
	urgent := uint64(1) << (syscall.SIGURG - 1) // the Go runtime's handler would run with AC, and is not made for it
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&urgent)), 0, 8, 0, 0)
	bits := []uint{0, 2, 4, 6, 7, 8, 10, 11, 14, 18, 21} // CF PF AF ZF SF TF DF OF NT AC ID
	for set := range 1 << len(bits) {
		flags := uint64(0x202)
		for i, b := range bits {
			flags |= uint64(set) >> i & 1 << b
		}
		if pid, after := keptFlags(flags); pid != uint64(os.Getpid()) || after != flags {
			fmt.Printf("hostile: getpid with flags %#x: %d, flags %#x\n", flags, pid, after)
			os.Exit(1)
		}
	}
}

// foreignSelectors has one thread load segment registers, and another one look for them.
func foreignSelectors() {
	go func() {
		runtime.LockOSThread()
		urgent := uint64(1) << (syscall.SIGURG - 1) // the Go runtime's handler needs FS, which is without its base for a moment
		syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&urgent)), 0, 8, 0, 0)
		for {
			loadSelectors(0x2b)
			runtime.Gosched()
		}
	}()
	runtime.LockOSThread()
	for range 2000 {
		if s := selectors(); s != 0 {
			fmt.Printf("hostile: selectors of another thread: %#x\n", s)
			os.Exit(1)
		}
		runtime.Gosched()
	}
}

// frameStack returns the low end of a stack above a page that is not mapped.
func frameStack(n int) uintptr {
	return mapped(sys.Room(uintptr(n)+4096)+4096, n, 3, syscall.MAP_FIXED)
}

// frameAt takes a signal on an alternate stack of n bytes whose top is off above low.
func frameAt(low uintptr, off, n uintptr) {
	runtime.LockOSThread()
	var old, ss struct{ sp, flags, size uint64 }
	ss.sp, ss.size = uint64(low+off-n), uint64(n)
	syscall.RawSyscall(syscall.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&ss)), uintptr(unsafe.Pointer(&old)), 0)
	handle(syscall.SIGUSR1, sys.IdlePC(), 0)
	_, _, e := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGUSR1))
	syscall.RawSyscall(syscall.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&old)), 0, 0)
	if e != 0 {
		fmt.Println("hostile: signal:", e)
		os.Exit(1)
	}
}

// frameEnds takes signals on stacks whose tops lie at every word of a page, so that each
// part of a frame crosses the end of a page, and fills pages that are not there yet.
func frameEnds() {
	low := frameStack(16 << 10)
	for off := uintptr(8 << 10); off <= 12<<10; off += 8 {
		syscall.RawSyscall(syscall.SYS_MADVISE, low, 16<<10, 4) // MADV_DONTNEED
		frameAt(low, off, 8<<10)
	}
}

// lastPage has its stack, and an alternate stack, in the last page of the lower half.
func lastPage() {
	low := mapped(userEnd-3*4096, 3*4096, 3, syscall.MAP_FIXED)
	if pid := onStackAt(userEnd); pid != uint64(os.Getpid()) {
		fmt.Println("hostile: getpid on the last page:", pid)
		os.Exit(1)
	}
	for off := uintptr(2 * 4096); off <= 3*4096; off += 8 {
		frameAt(low, off, 2*4096)
	}
}

// nested takes a signal within its own handler, until the stack is full. Below the stack
// there are bytes of mapped memory, none of which a frame may change.
func nested(below uintptr) {
	defaults()
	const size = 64 << 10
	low := frameStack(int(below)+size) + below
	if below > 0 {
		words := unsafe.Slice((*uint64)(unsafe.Pointer(low-4096)), 4096/8)
		go func() {
			for {
				for i := range words {
					if atomic.LoadUint64(&words[i]) != 0 {
						fmt.Println("hostile: a frame below the alternate stack")
						os.Exit(1)
					}
				}
			}
		}()
		time.Sleep(10 * time.Millisecond) // the watcher runs
	}
	runtime.LockOSThread()
	ss := struct{ sp, flags, size uint64 }{uint64(low), 0, size}
	syscall.RawSyscall(syscall.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&ss)), 0, 0)
	handle(syscall.SIGUSR1, againPC(), 0x40000000) // SA_NODEFER
	syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGUSR1))
}

// selfModifying changes code that runs: the thread's own, another thread's, and by the
// kernel's hand, which reads bytes of a pipe into it.
func selfModifying() {
	text := mapped(0, 4096, 7, 0)
	code := unsafe.Slice((*byte)(unsafe.Pointer(text)), 4096)
	var p [2]int
	syscall.Pipe(p[:])
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			runtime.LockOSThread()
			mine := code[k*64 : k*64+6]
			for i := range uint32(5000) {
				copy(mine, []byte{0xb8, byte(i), byte(i >> 8), 0, 0, 0xc3}) // mov eax, i; ret
				if got := invoke(text + uintptr(k*64)); got != uint64(i&0xffff) {
					fmt.Println("hostile: code of before:", got, "for", i)
					os.Exit(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range uint32(5000) {
		syscall.Write(p[1], []byte{0xb8, byte(i), byte(i >> 8), 0, 0, 0xc3})
		syscall.Read(p[0], code[:6])
		if got := invoke(text); got != uint64(i&0xffff) {
			fmt.Println("hostile: code of before the read:", got, "for", i)
			os.Exit(1)
		}
	}
}

func invoke(pc uintptr) uint64
