// Command hostile is a program for ring 3 that does what programs must not do, or
// seldom do. Its argument selects the act; test/ring3_test.go checks its status and the
// kernel's output. If the kernel did not protect itself, most acts would end the machine.
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
func flagsSyscall(flags uint64) uint64
func setGS(v uintptr)
func getGS() uintptr
func spinGS(v uintptr, n uint64) uintptr
func vectorsAfterSyscall(out *[32]uint64)
func setControls(mxcsr, cw uint32)
func getControls() (mxcsr, cw uint32)
func sigreturn(frame *byte)
func landing()
func landingPC() uintptr

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

	// A handler that runs on a stack in the kernel's half, or nowhere.
	"signal stack":   func() { signalStack(directMap + 8192) },
	"signal nowhere": func() { signalStack(4096) },

	// Frames for rt_sigreturn.
	"sigreturn ip":    func() { defaults(); frame(func(u *ucontext) { u.ip = 1 << 47 }) },
	"sigreturn high":  func() { defaults(); frame(func(u *ucontext) { u.ip = kernelText }) },
	"sigreturn flags": func() { frame(func(u *ucontext) { u.flags = ^uint64(0) &^ (1 << 8) }) },
	"sigreturn cs":    func() { frame(func(u *ucontext) { u.segments = 0x0010_0000_0000_0008 }) },
	"sigreturn xsave": func() { frame(func(u *ucontext) { u.fpstate = uint64(uintptr(unsafe.Pointer(badXSave()))) }) },
	"sigreturn where": func() { defaults(); frame(func(u *ucontext) { u.fpstate = directMap }) },
	"sigreturn none":  func() { defaults(); sigreturn((*byte)(unsafe.Pointer(uintptr(directMap)))) },

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

// signalStack gives SIGUSR1 an alternate stack that cannot be, and raises it.
func signalStack(at uintptr) {
	runtime.LockOSThread()
	ss := struct{ sp, flags, size uint64 }{uint64(at), 0, 1 << 16}
	_, _, e := syscall.RawSyscall(syscall.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&ss)), 0, 0)
	act := struct{ handler, flags, restorer, mask uint64 }{uint64(landingPC()), 0x0c000000, uint64(landingPC()), 0}
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGUSR1), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	fmt.Println("hostile: sigaltstack:", e)
	syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGUSR1))
	time.Sleep(time.Second)
}

// ucontext is what rt_sigreturn takes: only the fields that the acts change.
type ucontext struct {
	_              [40]byte
	r8to15         [8]uint64
	di, si, bp, bx uint64
	dx, ax, cx     uint64
	sp, ip         uint64
	flags          uint64
	segments       uint64
	_              [4]uint64
	fpstate        uint64
	_              [8]uint64
	mask           uint64
	_              [256]byte
}

// frame makes a frame that goes on at landing, lets change spoil it, and has the
// kernel take it.
func frame(change func(*ucontext)) {
	u := new(ucontext)
	stack := make([]byte, 64<<10)
	u.sp = uint64(uintptr(unsafe.Pointer(&stack[32<<10]))) &^ 15
	u.ip = uint64(landingPC())
	u.flags = 0x202
	change(u)
	sigreturn((*byte)(unsafe.Pointer(u)))
}

// badXSave makes a vector state whose every reserved bit is set.
func badXSave() *byte {
	area := make([]byte, 4096+64)
	p := unsafe.Pointer((uintptr(unsafe.Pointer(&area[0])) + 63) &^ 63)
	b := unsafe.Slice((*byte)(p), 4096)
	for i := range b {
		b[i] = 0xff
	}
	return &b[0]
}

type call struct {
	name string
	n    uintptr
	args func(p uintptr) [6]uintptr
}

// pointers gives system calls addresses that are not the program's.
func pointers() {
	one := func(p uintptr) [6]uintptr { return [6]uintptr{p, p, p, p, p, p} }
	second := func(first uintptr) func(p uintptr) [6]uintptr {
		return func(p uintptr) [6]uintptr { return [6]uintptr{first, p, p, 8, p, p} }
	}
	calls := []call{
		{"write", syscall.SYS_WRITE, func(p uintptr) [6]uintptr { return [6]uintptr{1, p, 100} }},
		{"writev", syscall.SYS_WRITEV, func(p uintptr) [6]uintptr { return [6]uintptr{1, p, 1} }},
		{"rt_sigaction", syscall.SYS_RT_SIGACTION, func(p uintptr) [6]uintptr { return [6]uintptr{10, p, 0, 8} }},
		{"rt_sigaction old", syscall.SYS_RT_SIGACTION, func(p uintptr) [6]uintptr { return [6]uintptr{10, 0, p, 8} }},
		{"rt_sigprocmask", syscall.SYS_RT_SIGPROCMASK, func(p uintptr) [6]uintptr { return [6]uintptr{0, p, 0, 8} }},
		{"rt_sigprocmask old", syscall.SYS_RT_SIGPROCMASK, func(p uintptr) [6]uintptr { return [6]uintptr{0, 0, p, 8} }},
		{"sigaltstack", syscall.SYS_SIGALTSTACK, func(p uintptr) [6]uintptr { return [6]uintptr{p, 0} }},
		{"sigaltstack old", syscall.SYS_SIGALTSTACK, func(p uintptr) [6]uintptr { return [6]uintptr{0, p} }},
		{"nanosleep", syscall.SYS_NANOSLEEP, one},
		{"clock_gettime", syscall.SYS_CLOCK_GETTIME, second(1)},
		{"clock_getres", syscall.SYS_CLOCK_GETRES, second(1)},
		{"gettimeofday", syscall.SYS_GETTIMEOFDAY, one},
		{"uname", syscall.SYS_UNAME, one},
		{"sysinfo", syscall.SYS_SYSINFO, one},
		{"getrusage", syscall.SYS_GETRUSAGE, second(0)},
		{"getrlimit", syscall.SYS_GETRLIMIT, second(7)},
		{"getcwd", syscall.SYS_GETCWD, func(p uintptr) [6]uintptr { return [6]uintptr{p, 100} }},
		{"sched_getaffinity", syscall.SYS_SCHED_GETAFFINITY, func(p uintptr) [6]uintptr { return [6]uintptr{0, 1024, p} }},
		{"getcpu", 309, one},
		{"getrandom", 318, func(p uintptr) [6]uintptr { return [6]uintptr{p, 100, 0} }},
		{"fstat", syscall.SYS_FSTAT, second(1)},
		{"pipe2", syscall.SYS_PIPE2, func(p uintptr) [6]uintptr { return [6]uintptr{p, 0} }},
		{"arch_prctl", syscall.SYS_ARCH_PRCTL, second(0x1003)},
		{"futex", syscall.SYS_FUTEX, func(p uintptr) [6]uintptr { return [6]uintptr{p &^ 3, 128, 77, 0} }},
		{"mincore", syscall.SYS_MINCORE, func(p uintptr) [6]uintptr {
			return [6]uintptr{uintptr(unsafe.Pointer(&ret)) &^ 4095, 4096, p}
		}},
	}
	bad := []uintptr{8, 4096, 1<<47 - 4096, 1<<47 - 1, 1 << 47, 1 << 63, directMap, 0xffffa00000000000, 0xffffc00000000000,
		kernelText, ^uintptr(0) - 7, ^uintptr(0) - 4095}
	for _, c := range calls {
		for _, p := range bad {
			a := c.args(p)
			_, _, e := syscall.RawSyscall6(c.n, a[0], a[1], a[2], a[3], a[4], a[5])
			if e != syscall.EFAULT {
				fmt.Printf("hostile: %s(%#x): %v\n", c.name, p, e)
				os.Exit(1)
			}
		}
	}
	// A buffer that is mapped, but not with the right that is needed.
	ro, _ := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if _, _, e := syscall.RawSyscall(syscall.SYS_UNAME, uintptr(unsafe.Pointer(&ro[0])), 0, 0); e != syscall.EFAULT {
		fmt.Println("hostile: uname wrote to a read-only page:", e)
		os.Exit(1)
	}
	none, _ := syscall.Mmap(-1, 0, 4096, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if _, _, e := syscall.RawSyscall(syscall.SYS_WRITE, 1, uintptr(unsafe.Pointer(&none[0])), 10); e != syscall.EFAULT {
		fmt.Println("hostile: write read a page without rights:", e)
		os.Exit(1)
	}
}

// maps requests mappings that are not possible.
func maps() {
	check := func(what string, got, want syscall.Errno) {
		if got != want {
			fmt.Printf("hostile: %s: %v, want %v\n", what, got, want)
			os.Exit(1)
		}
	}
	mmap := func(addr, n, flags uintptr) syscall.Errno {
		_, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, addr, n, 3, flags|syscall.MAP_ANON|syscall.MAP_PRIVATE, ^uintptr(0), 0)
		return e
	}
	const fixed = syscall.MAP_FIXED
	check("kernel's half", mmap(directMap, 4096, fixed), syscall.ENOMEM)
	check("kernel text", mmap(kernelText, 4096, fixed), syscall.ENOMEM)
	check("last page of the lower half", mmap(1<<47-4096, 4096, fixed), syscall.ENOMEM)
	check("across the end", mmap(1<<47-8192, 8192, fixed), syscall.ENOMEM)
	check("page 0", mmap(0, 4096, fixed), syscall.ENOMEM)
	check("too long", mmap(0, 1<<47, 0), syscall.ENOMEM)
	check("wraps", mmap(1<<46, ^uintptr(0)-4095, fixed), syscall.ENOMEM)
	check("nothing", mmap(0, 0, 0), syscall.EINVAL)
	check("odd address", mmap(1<<30+1, 4096, fixed), syscall.EINVAL)
	_, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, 0, 4096, 3, syscall.MAP_PRIVATE, 0, 0)
	check("a device", e, syscall.ENODEV)
	_, _, e = syscall.RawSyscall6(syscall.SYS_MMAP, 0, 4096, 3, syscall.MAP_PRIVATE, 77, 0)
	check("no file", e, syscall.EBADF)
	_, _, e = syscall.RawSyscall(syscall.SYS_MUNMAP, directMap, 4096, 0)
	check("munmap of the kernel", e, 0) // nothing of the program's is there: as on Linux for holes
	_, _, e = syscall.RawSyscall(syscall.SYS_MPROTECT, kernelText, 4096, 7)
	check("mprotect of the kernel", e, syscall.ENOMEM)
	_, _, e = syscall.RawSyscall(syscall.SYS_MADVISE, kernelText, 4096, 4)
	check("madvise of the kernel", e, syscall.ENOMEM)
	_, _, e = syscall.RawSyscall(0x1003, 0, 0, 0)
	check("a private system call", e, syscall.ENOSYS)
	_, _, e = syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, 0x1002, kernelText, 0)
	check("FS in the kernel", e, syscall.EPERM)
	_, _, e = syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, 0x1001, 1<<47, 0)
	check("GS not canonical", e, syscall.EPERM)

	// mprotect takes rights away and gives them back, with the contents.
	m, _ := syscall.Mmap(-1, 0, 8*4096, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	for i := range m {
		m[i] = byte(i / 4096)
	}
	syscall.Mprotect(m[4096:3*4096], syscall.PROT_NONE)
	_, _, e = syscall.RawSyscall(syscall.SYS_WRITE, 1, uintptr(unsafe.Pointer(&m[4096])), 1)
	check("page without rights", e, syscall.EFAULT)
	syscall.Mprotect(m, syscall.PROT_READ)
	for i := range m {
		if m[i] != byte(i/4096) {
			fmt.Println("hostile: mprotect lost a page")
			os.Exit(1)
		}
	}
	syscall.Munmap(m[4096*4:]) // a part
}

// partial writes from a buffer whose second page is missing.
func partial() {
	m, _ := syscall.Mmap(-1, 0, 8192, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	copy(m[4096-8:], "partial\n")
	syscall.RawSyscall(syscall.SYS_MUNMAP, uintptr(unsafe.Pointer(&m[4096])), 4096, 0)
	n, _, e := syscall.RawSyscall(syscall.SYS_WRITE, 1, uintptr(unsafe.Pointer(&m[4096-8])), 400)
	fmt.Printf("hostile: wrote %d, %v\n", int(n), e)
}

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

// outOfMemory touches more memory than there is.
func outOfMemory() {
	const step = 16 << 20
	for total := 0; ; total += step {
		m, err := syscall.Mmap(-1, 0, step, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			fmt.Println("hostile: mmap:", err)
			os.Exit(1)
		}
		for i := 0; i < step; i += 4096 {
			m[i] = 1
		}
	}
}
