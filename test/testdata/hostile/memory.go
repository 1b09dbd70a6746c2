package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// Acts with addresses that are not the program's, and with mappings that are not possible.

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
	check("page 0", mmap(0, 4096, fixed), syscall.EPERM)
	check("too long", mmap(0, 1<<47, 0), syscall.ENOMEM)
	check("wraps", mmap(1<<46, ^uintptr(0)-4095, fixed), syscall.ENOMEM)
	check("nothing", mmap(0, 0, 0), syscall.EINVAL)
	check("odd address", mmap(1<<30+1, 4096, fixed), syscall.EINVAL)
	_, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, 0, 4096, 3, syscall.MAP_PRIVATE, 0, 0)
	check("a device", e, syscall.ENODEV)
	_, _, e = syscall.RawSyscall6(syscall.SYS_MMAP, 0, 4096, 3, syscall.MAP_PRIVATE, 77, 0)
	check("no file", e, syscall.EBADF)
	_, _, e = syscall.RawSyscall(syscall.SYS_MUNMAP, directMap, 4096, 0)
	check("munmap of the kernel", e, syscall.EINVAL)
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

	// The end of mremap's old range wraps: the new range overlaps it, and the check of that
	// must not be deceived.
	area, _, _ := syscall.RawSyscall6(syscall.SYS_MMAP, 0, 16*4096, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE, ^uintptr(0), 0)
	for _, old := range []uintptr{^uintptr(0) - 4095, 1 << 63, 1 << 47} {
		for _, to := range []uintptr{area + 7*4096, area + 9*4096} {
			_, _, e = syscall.RawSyscall6(syscall.SYS_MREMAP, area+8*4096, old, 2*4096, 3, to, 0)
			check("mremap of a range that wraps", e, syscall.EINVAL)
		}
		_, _, e = syscall.RawSyscall6(syscall.SYS_MREMAP, area+8*4096, old, 2*4096, 1, 0, 0)
		check("mremap that shrinks a range that wraps", e, syscall.EINVAL)
	}

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
	m := mapped(sys.Room(4096), 4096, 3, syscall.MAP_FIXED)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(m)), 4096)[4096-8:], "partial\n")
	n, _, e := syscall.RawSyscall(syscall.SYS_WRITE, 1, m+4096-8, 400)
	fmt.Printf("hostile: wrote %d, %v\n", int(n), e)
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
