// Command exceptions raises each exception that ring 3 can raise, and prints what the
// signal's handler gets: the signal, its code and address, and from the context the vector, the error code, CR2 and where the instruction pointer was. It runs on Linux as on
// Muster; test/exceptions_test.go compares the two.
package main

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// record is what the handler has found; the assembly knows its layout.
type record struct {
	sig, code           uint64
	addr                uint64
	vector, err, cr2    uint64
	ip, segments, flags uint64
	context             uint64
}

// In exceptions_amd64.s.
func try(code, arg uintptr, rec *record)
func handlerPC() uintptr

// Pages for the cases.
var (
	readOnly = mmap(syscall.PROT_READ)
	none     = mmap(syscall.PROT_NONE)
	data     = mmap(syscall.PROT_READ | syscall.PROT_WRITE)
	text     = mmap(syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC)
	gone     = unmapped()
)

func mmap(prot int) uintptr {
	b, err := syscall.Mmap(-1, 0, 8192, prot, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	return uintptr(unsafe.Pointer(&b[0]))
}

// unmapped returns the address after a page, where nothing is.
func unmapped() uintptr {
	p, e := sys.MapRoom(4096, syscall.PROT_READ)
	if e != 0 {
		panic(e)
	}
	return p + 4096
}

// area is memory for operands: 64 bytes, aligned to 64.
func area(words ...uint64) uintptr {
	for i, w := range words {
		*(*uint64)(unsafe.Pointer(data + 64 + 8*uintptr(i))) = w
	}
	return data + 64
}

// place writes code to the page for code and returns its address. If nothing faults, the
// code returns.
func place(code ...byte) uintptr {
	b := unsafe.Slice((*byte)(unsafe.Pointer(text)), 64)
	n := copy(b, code)
	b[n] = 0xc3
	return text
}

// show prints an address by what it is.
func show(v uint64, code uintptr) string {
	for _, x := range []struct {
		name string
		at   uintptr
	}{{"code", code}, {"read-only", readOnly}, {"none", none}, {"data", data}, {"gone", gone}} {
		if v >= uint64(x.at) && v < uint64(x.at)+8192 {
			return fmt.Sprintf("%s+%#x", x.name, v-uint64(x.at))
		}
	}
	return fmt.Sprintf("%#x", v)
}

// run raises one exception; arg is in RDI.
func run(name string, arg uintptr, code ...byte) {
	at := place(code...)
	raise(name, at, arg)
}

func raise(name string, at, arg uintptr) {
	var r record
	try(at, arg, &r)
	if r.sig == 0 {
		fmt.Printf("%s: no signal\n", name)
		return
	}
	cr2 := ""
	if r.vector == 14 {
		cr2 = " cr2 " + show(r.cr2, at)
	}
	fmt.Printf("%s: signal %d code %d addr %s, vector %d error %#x%s, ip %s\n", name, r.sig, int32(r.code), show(r.addr, at), r.vector, r.err, cr2, show(r.ip, at))
	if r.segments&^0xffff_ffff_0000 != 0x002b_0000_0000_0033 || r.flags&(1<<9|1<<14|3<<12) != 1<<9 || r.context != 7 {
		fmt.Printf("%s: segments %#x flags %#x context %#x\n", name, r.segments, r.flags, r.context)
	}
}

const (
	kernelHalf   = 0xffff800000001000
	notCanonical = 1 << 62
)

func main() {
	runtime.LockOSThread()
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGFPE} {
		sys.Handle(sig, handlerPC(), sys.OnStack|sys.SigInfo|sys.NotBlocked, 0)
	}
	traps()
	privileged()
	segments()
	faults()
	floats()
	interrupts()
}

func traps() {
	run("division by zero", 0, 0x31, 0xc9, 0xf7, 0xf1)                                                                            // xor ecx, ecx; div ecx
	run("quotient too large", 0, 0x83, 0xca, 0xff, 0xb9, 1, 0, 0, 0, 0xf7, 0xf1)                                                  // or edx, -1; mov ecx, 1; div ecx
	run("single step", 0, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x90, 0x90)                                                   // pushf; or dword [rsp], 0x100; popf; nop; nop
	run("single step into a system call", 0, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0xb8, 39, 0, 0, 0, 0x9d, 0x0f, 0x05, 0x90, 0x90) // ...; mov eax, 39; popf; syscall
	run("breakpoint", 0, 0xcc)
	run("breakpoint in two bytes", 0, 0xcd, 3)
	run("overflow", 0, 0xcd, 4)
	run("undefined", 0, 0x0f, 0x0b)
	run("undefined in 64-bit mode", 0, 0xce)
	run("a lock without a store", 0, 0xf0, 0x90)
	run("alignment", area()+1, 0x9c, 0x81, 0x0c, 0x24, 0, 0, 4, 0, 0x9d, 0x8b, 0x07) // pushf; or dword [rsp], 0x40000; popf; mov eax, [rdi]
	run("a vector load without alignment", area()+1, 0x0f, 0x28, 0x07)               // movaps xmm0, [rdi]
	run("cmpxchg16b without alignment", area()+8, 0x48, 0x0f, 0xc7, 0x0f)
}

func privileged() {
	for _, c := range []struct {
		name string
		code []byte
	}{
		{"cli", []byte{0xfa}}, {"sti", []byte{0xfb}}, {"hlt", []byte{0xf4}}, {"in", []byte{0xec}}, {"out", []byte{0xe6, 0x80}},
		{"rdmsr", []byte{0x0f, 0x32}}, {"wrmsr", []byte{0x0f, 0x30}}, {"clts", []byte{0x0f, 0x06}}, {"wbinvd", []byte{0x0f, 0x09}},
		{"invd", []byte{0x0f, 0x08}}, {"lgdt", []byte{0x0f, 0x01, 0x17}}, {"lidt", []byte{0x0f, 0x01, 0x1f}}, {"lldt", []byte{0x0f, 0x00, 0xd0}},
		{"ltr", []byte{0x0f, 0x00, 0xd8}}, {"lmsw", []byte{0x0f, 0x01, 0xf0}}, {"invlpg", []byte{0x0f, 0x01, 0x3f}},
		{"swapgs", []byte{0x0f, 0x01, 0xf8}}, {"sysret", []byte{0x48, 0x0f, 0x07}}, {"mov from cr0", []byte{0x0f, 0x20, 0xc0}},
		{"mov to cr3", []byte{0x0f, 0x22, 0xd8}}, {"mov to cr4", []byte{0x0f, 0x22, 0xe0}}, {"mov from cr8", []byte{0x44, 0x0f, 0x20, 0xc0}},
		{"mov from dr7", []byte{0x0f, 0x21, 0xf8}}, {"mov to dr0", []byte{0x0f, 0x23, 0xc0}}, {"xsetbv", []byte{0x0f, 0x01, 0xd1}},
		{"rdpmc", []byte{0xb9, 0, 0, 0, 0, 0x0f, 0x33}},
	} {
		run(c.name, area(), c.code...)
	}
}

func segments() {
	for _, s := range []uint16{0x08, 0x10, 0x18, 0x1c, 0x2f, 0xfff8, 0xffff} {
		sel := []byte{0xb8, byte(s), byte(s >> 8), 0, 0}
		run(fmt.Sprintf("mov ds, %#x", s), 0, append(sel, 0x8e, 0xd8)...)
		run(fmt.Sprintf("mov ss, %#x", s), 0, append(sel, 0x8e, 0xd0)...)
		run(fmt.Sprintf("mov gs, %#x", s), 0, append(sel, 0x8e, 0xe8)...)
		run(fmt.Sprintf("far jump to %#x", s), area(0x1000|uint64(s)<<32), 0xff, 0x2f)
		run(fmt.Sprintf("far call to %#x", s), area(0x1000|uint64(s)<<32), 0xff, 0x1f)
	}
	run("mov ss, 0", 0, 0x31, 0xc0, 0x8e, 0xd0)
	for _, cs := range []byte{0, 8, 0x10, 0x13, 0x2b} {
		// push 0x2b; push rsp; pushf; push cs; push 0x1000; iretq
		run(fmt.Sprintf("iret to %#x", cs), 0, 0x6a, 0x2b, 0x54, 0x9c, 0x6a, cs, 0x68, 0, 0x10, 0, 0, 0x48, 0xcf)
	}
	run("iret with ss 0x10", 0, 0x6a, 0x10, 0x54, 0x9c, 0x6a, 0x33, 0x68, 0, 0x10, 0, 0, 0x48, 0xcf)
	run("iret with NT", 0, 0x9c, 0x81, 0x0c, 0x24, 0, 0x40, 0, 0, 0x9d, 0x48, 0xcf)
	// rdfsbase rcx; wrfsbase rdi; wrfsbase rcx
	run("wrfsbase not canonical", 1<<47, 0xf3, 0x48, 0x0f, 0xae, 0xc1, 0xf3, 0x48, 0x0f, 0xae, 0xd7, 0xf3, 0x48, 0x0f, 0xae, 0xd1)
	run("wrgsbase not canonical", notCanonical, 0xf3, 0x48, 0x0f, 0xae, 0xc9, 0xf3, 0x48, 0x0f, 0xae, 0xdf, 0xf3, 0x48, 0x0f, 0xae, 0xd9)
}

func faults() {
	run("read of nothing", gone+8, 0x8b, 0x07)
	run("write of nothing", gone+8, 0x89, 0x07)
	run("read without rights", none+8, 0x8b, 0x07)
	run("write to a page that is read-only and not there", readOnly+4096+8, 0x89, 0x07)
	run("read of a page that is read-only", readOnly+8, 0x8b, 0x07)
	run("write to a page that is read-only", readOnly+8, 0x89, 0x07)
	run("read of address 0", 0, 0x8b, 0x07)
	run("read of the kernel's half", kernelHalf, 0x8b, 0x07)
	run("write of the kernel's half", 0xffffffff80201000, 0x89, 0x07)
	run("read of the last page", 1<<47-8, 0x8b, 0x07)
	run("read of no address", notCanonical, 0x8b, 0x07)
	run("push to no address", notCanonical, 0x48, 0x89, 0xfc, 0x50)
	run("load by the frame pointer from no address", notCanonical, 0x55, 0x48, 0x89, 0xfd, 0x8b, 0x45, 0)
	raise("jump to nothing", gone+16, 0)
	raise("jump to data", area(0xc3), 0)
	raise("jump to the kernel's half", kernelHalf, 0)
	run("jump to no address", notCanonical, 0xff, 0xe7)
	run("return to no address", notCanonical, 0x57, 0xc3)
	run("a string that leaves its page", gone-16, 0xb9, 32, 0, 0, 0, 0xfc, 0xf3, 0xac)                                                          // rep lodsb from rsi
	run("xrstor of a bad header", data+4096, 0x48, 0xc7, 0x87, 0x08, 2, 0, 0, 1, 0, 0, 0, 0x31, 0xc0, 0xff, 0xc0, 0x99, 0x48, 0x0f, 0xae, 0x2f) // of x87 alone: the area of a CPU with AMX passes the page
	run("ldmxcsr of reserved bits", area(0x80000000), 0x0f, 0xae, 0x17)
}

// floats unmasks each floating-point exception and raises it, by x87 and by SSE.
func floats() {
	const (
		one    = 0x3ff0000000000000
		minus  = 0xbff0000000000000
		huge   = 0x7fe0000000000000
		tiny   = 0x0010000000000000
		denorm = 1
	)
	for i, name := range []string{"invalid", "denormal", "division by zero", "overflow", "underflow", "inexact"} {
		a, b := []uint64{0, denorm, one, huge, tiny, one}[i], []uint64{0, one, 0, tiny, huge, 0x4008000000000000}[i]
		p := area(a, b, uint64(0x37f&^(1<<i)), uint64(0x1f80&^(1<<(7+i))))
		// fldcw [rdi+16]; fld qword [rdi]; fdiv qword [rdi+8]; fstp qword [rdi+32]; fwait
		run("x87 "+name, p, 0xd9, 0x6f, 16, 0xdd, 0x07, 0xdc, 0x77, 8, 0xdd, 0x5f, 32, 0x9b)
		// ldmxcsr [rdi+24]; movsd xmm0, [rdi]; divsd xmm0, [rdi+8]
		run("SSE "+name, p, 0x0f, 0xae, 0x57, 24, 0xf2, 0x0f, 0x10, 0x07, 0xf2, 0x0f, 0x5e, 0x47, 8)
	}
	p := area(minus, 0, 0x37e, 0x1f00)
	run("x87 root of -1", p, 0xd9, 0x6f, 16, 0xdd, 0x07, 0xd9, 0xfa, 0x9b)
	run("SSE root of -1", p, 0x0f, 0xae, 0x57, 24, 0xf2, 0x0f, 0x51, 0x07)
}

// interrupts executes INT n for each n. 0x80 is left out: it is a system call of 32-bit Linux.
func interrupts() {
	for n := range 256 {
		if n != 0x80 {
			run(fmt.Sprintf("int %#x", n), 0, 0xcd, byte(n))
		}
	}
}
