package crash

import (
	"unsafe"

	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/upcall"
)

// The instruction that is to blame, with its neighbours. The decoder is ordinary Go code:
// it allocates, and a panic has no goroutine and no heap. But by now all other CPUs have
// stopped, and no Go code will run again. So the allocator of the runtime gets a jump to
// one of this package, for which a few kilobytes are enough. If the decoder panics all the
// same, the report goes on with its next part.

// Decoder appends the instruction at the start of code, which lies at address at, to l. It
// returns its length, 0 for an unknown one, and the address that a jump or a call goes to.
type Decoder func(code []byte, at uint64, l *console.Line) (length int, target uint64)

var decode Decoder

// UseDecoder makes reports show instructions by name. Before, they have bytes.
//
// Context: package main, once.
func UseDecoder(d Decoder) { decode = d }

// neighbours is how many instructions are shown on each side.
const neighbours = 2

// maxCode bounds the code that is decoded to find where instructions begin.
const maxCode = 64 << 10

// printCode prints the instruction that contains cause.pc, with its neighbours. Instructions
// have no marks at their beginning, so it decodes from the beginning of the function.
func printCode() {
	pc := blamed()
	start, end, ok := symbols.Extent(pc)
	if !ok || decode == nil || pc-start > maxCode {
		printBytes(pc)
		return
	}
	useOwnHeap()
	var before [neighbours]uint64 // a ring
	n := 0
	at := start
	for {
		length, _ := instruction(at, end)
		if pc < at+uint64(length) {
			break
		}
		before[n%neighbours] = at
		n++
		at += uint64(length)
	}
	for i := max(0, n-neighbours); i < n; i++ {
		printInstruction(' ', before[i%neighbours], start, end)
	}
	at += printInstruction('>', at, start, end)
	for i := 0; i < neighbours && at < end; i++ {
		at += printInstruction(' ', at, start, end)
	}
}

// decoded is the text of an instruction. It is no local variable, because the compiler
// would allocate what a function of another package keeps.
var decoded console.Line

// instruction decodes one instruction of a function. Unknown bytes count one by one.
func instruction(at, end uint64) (length int, target uint64) {
	l := &decoded
	*l = console.Line{}
	heap.used = 0
	code := unsafe.Slice((*byte)(unsafe.Pointer(uintptr(at))), min(end-at, 15))
	if length, target = decode(code, at, l); length == 0 {
		l.Str("byte ").Hex(uint64(code[0]))
		length = 1
	}
	return length, target
}

// printInstruction prints one line: mark, offset in the function, instruction, the name of
// what it jumps to or calls.
func printInstruction(mark byte, at, start, end uint64) uint64 {
	var l console.Line
	l.Byte(mark).Str(" +").Hex(at - start).Byte(' ')
	length, target := instruction(at, end)
	l.Str(stringOf(decoded.Bytes()))
	if s, ok := symbols.Lookup(target); ok && s.Entry != start {
		l.Str(" <").Str(s.Func)
		if target != s.Entry {
			l.Byte('+').Hex(target - s.Entry)
		}
		l.Byte('>')
	}
	say(&l)
	return uint64(length)
}

// printBytes prints the bytes at an address, if they can be read.
func printBytes(pc uint64) {
	var l console.Line
	l.Str("> bytes at ").Hex(pc).Byte(':')
	if a := uintptr(pc &^ 7); !readable(a) || !readable(a+16) { // readable looks at whole words
		say(l.Str(" not mapped"))
		return
	}
	for i := range uintptr(16) {
		b := *(*byte)(unsafe.Pointer(uintptr(pc) + i))
		l.Byte(' ').Byte("0123456789abcdef"[b>>4]).Byte("0123456789abcdef"[b&15])
	}
	say(&l)
}

// heap is what the decoder and the encoder of QR codes get as memory. It is emptied before
// each instruction and each code.
var heap struct {
	words [4 << 10]uint64
	used  uintptr // bytes
}

// dropBarriers turns the write barriers of compiled code off.
func dropBarriers()

var allocateFn = allocate

// allocate takes the place of runtime.mallocgc and its forms for one size each.
func allocate(size uintptr, _ unsafe.Pointer, _ bool) unsafe.Pointer {
	size = (size + 15) &^ 15
	if heap.used+size > unsafe.Sizeof(heap.words) {
		upcall.Panic(cause.c, "crash: a part of the report needs more memory; bytes", uint64(size), 0)
	}
	p := unsafe.Add(unsafe.Pointer(&heap.words), heap.used)
	heap.used += size
	for i := uintptr(0); i < size; i += 8 {
		*(*uint64)(unsafe.Add(p, i)) = 0
	}
	return p
}

// useOwnHeap makes compiled code allocate by allocate.
//
// Context: all other CPUs have stopped, and this one does not leave the report.
func useOwnHeap() {
	dropBarriers()
	cr0 := cpu.ReadCR0()
	cpu.WriteCR0(cr0 &^ cpu.CR0WriteProtect) // text is read-only
	to := **(**uint64)(unsafe.Pointer(&allocateFn))
	for i := range symbols.Functions() {
		name, entry := symbols.Function(i)
		if !hasPrefix(name, "runtime.mallocgc") {
			continue
		}
		p := (*[13]byte)(unsafe.Pointer(uintptr(entry)))
		p[0], p[1] = 0x49, 0xbb // MOV R11, to
		for k := range 8 {
			p[2+k] = byte(to >> (8 * k))
		}
		p[10], p[11], p[12] = 0x41, 0xff, 0xe3 // JMP R11
	}
	cpu.WriteCR0(cr0)
	cpu.CPUID(0, 0) // no instruction of before is left in the pipeline
}
