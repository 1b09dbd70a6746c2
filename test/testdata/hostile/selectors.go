package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// Acts that execute MOV to the segment registers 1, 6 and 7. A CPU refuses it with #UD. QEMU
// 10.0 loads CS, LDTR and TR.

func init() {
	acts["cs"] = codeSelectors
	acts["cs-spin"] = func() { defaults(); newPlayground().try(movDX(1, 0x2b), []byte{0xeb, 0xfe}) } // until the tick
	acts["cs-always"] = func() {
		p := newPlayground().catch()
		fmt.Println("hostile: loads CS")
		for {
			p.try(movDX(1, 0x2b), []byte{0xeb, 0xfe})
		}
	}
	acts["ldt"] = localTables
	acts["no-ldt"] = func() { defaults(); newPlayground().try(nil, localSelector) }
	acts["tr"] = taskRegister
}

// playground has the code and data of attempts, and the stack. It lies below 4 GiB, where
// code of 32 bits reaches it.
type playground struct {
	text, data uintptr
	n          uint64 // attempts
}

func newPlayground() *playground {
	runtime.LockOSThread()
	urgent := uint64(1) << (syscall.SIGURG - 1) // the Go runtime's handler would find no goroutine
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&urgent)), 0, 8, 0, 0)
	const low = 0x20000000
	return &playground{text: mapped(low, 4096, 7, syscall.MAP_FIXED), data: mapped(low+0x100000, 3*4096, 3, syscall.MAP_FIXED)}
}

// catch has each signal end its attempt.
func (p *playground) catch() *playground {
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGFPE} {
		handle(sig, trapsPC(), sys.NotBlocked)
	}
	return p
}

// try runs the parts of code, with a breakpoint after them.
func (p *playground) try(parts ...[]byte) {
	code := unsafe.Slice((*byte)(unsafe.Pointer(p.text)), 4096)
	for i := range 64 {
		code[i] = 0xcc
	}
	n := 0
	for _, b := range parts {
		n += copy(code[n:], b)
	}
	syscall.RawSyscall(syscall.SYS_MADVISE, p.data, 4096, 4) // MADV_DONTNEED: its pages come at first touch
	attempt(p.text, p.data+4096)
	p.n++
}

// check ends an act: each attempt took one signal.
func (p *playground) check() {
	if traps() != p.n {
		fmt.Println("hostile: signals:", traps(), "of", p.n)
		os.Exit(1)
	}
}

// movDX loads selector into the segment register of a number, by DX.
func movDX(register byte, selector uint16) []byte {
	return []byte{0xba, byte(selector), byte(selector >> 8), 0, 0, 0x8e, 0xc2 | register<<3}
}

// candidates are selectors in and beyond the descriptor table, with each privilege level,
// and of the local table.
func candidates() (list []uint16) {
	for s := range uint16(0x58) {
		list = append(list, s)
	}
	return append(list, 0xfff8, 0xffff)
}

// codeSelectors loads CS, and then enters the kernel in every way: the code after the load
// means the same in 16, 32 and 64 bits.
func codeSelectors() {
	p := newPlayground().catch()
	setTrap := []byte{0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d} // pushf; or dword [rsp], 0x100; popf
	loop := []byte{0xb9, 0, 0, 0, 1}                            // mov ecx, 0x1000000
	getpid := []byte{0xb8, 39, 0, 0, 0}                         // mov eax, 39
	below := []byte{0x81, 0xef, 0, 0x10, 0, 0}                  // sub edi, 0x1000
	for _, s := range candidates() {
		for _, way := range [][2][]byte{
			{nil, nil},                // a breakpoint
			{getpid, {0x0f, 0x05}},    // syscall
			{getpid, {0x0f, 0x34}},    // sysenter
			{below, {0x8b, 0x07}},     // mov eax, [rdi]: a page that comes
			{nil, {0x0f, 0x0b}},       // ud2
			{nil, {0xf4}},             // hlt
			{nil, {0xce}},             // into
			{nil, {0xcd, 0x80}},       // int 0x80
			{nil, {0xff, 0x2f}},       // a far jump to 0:0
			{nil, {0xcf}},             // iret
			{nil, {0x9b, 0xd9, 0xd0}}, // fwait; fnop
		} {
			p.try(way[0], movDX(1, s), way[1])
		}
		load := movDX(1, s)
		p.try(load[:5], setTrap, load[5:], []byte{0x90, 0x90})
		if s == 0 || s>>3 == 5 || s>>3 == 6 {
			p.try(loop, load, []byte{0xe2, 0xfe}) // ticks come
		}
	}
	p.check()
}

// localSelector loads DS with the first descriptor of the local table.
var localSelector = movDX(3, 0x0f)

// localTables loads LDTR, and uses the descriptors of the table. Then each CPU has such a
// table when the program ends.
func localTables() {
	p := newPlayground().catch()
	for _, s := range candidates() {
		for _, use := range [][]byte{
			movDX(0, 0x0f), movDX(2, 0x17), localSelector, movDX(4, 0x0f), movDX(5, 0xffff), movDX(1, 0x0f), // ES, SS, DS, FS, GS, CS
			{0xba, 0x0f, 0, 0, 0, 0x0f, 0x02, 0xc2}, {0xba, 0x0f, 0, 0, 0, 0x0f, 0x03, 0xc2}, // lar, lsl
			{0xba, 0x0f, 0, 0, 0, 0x0f, 0x00, 0xe2}, {0xba, 0x0f, 0, 0, 0, 0x0f, 0x00, 0xea}, // verr, verw
			{0x6a, 0x2b, 0x54, 0x9c, 0x6a, 0x0f, 0x57, 0x48, 0xcf}, // iretq to it
		} {
			p.try(movDX(6, s), use)
		}
	}
	p.try(movDX(6, 0x2b), localSelector)
	p.check()
}

// taskRegister loads TR.
func taskRegister() {
	p := newPlayground().catch()
	for _, s := range candidates() {
		p.try(movDX(7, s))
	}
	p.check()
}
