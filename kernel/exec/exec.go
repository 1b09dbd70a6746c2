// Package exec runs an unmodified static Linux program in ring 3: it reads the
// ELF file, fills an address space and builds the first stack.
//
// Layer: service.
// Context: any goroutine.
// Locks: none.
// Manual: System V ABI, AMD64 supplement, "Process Initialization"; elf(5).
// Chapter: docs/11-ring-3.md.
// Left out: dynamic linking, position-independent executables.
package exec

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/kcall"
)

// Addresses of the first stack. Its pages come at first touch.
const (
	stackTop  = 0x7ffffffe0000
	stackSize = 8 << 20
	pageSize  = 4096

	// vdsoPage is where the page of time data is; the vDSO's image is in the page after it.
	vdsoPage = stackTop + 8*pageSize
)

// Image is a program file that has been checked.
type Image struct {
	Entry    uint64
	Segments []Segment
	Phdr     uint64 // address of the program headers in memory, 0 if not loaded
	Phnum    int
}

// Segment is a part of the file that is loaded into memory.
type Segment struct {
	Addr, Size uint64 // Size is the size in memory; the rest after Data is zero
	Prot       int    // syscall.PROT_*
	Data       []byte
}

// ErrSegment is Load's error for a segment that no program can have.
var ErrSegment = errors.New("segment out of range")

// sysGetrandom is a system call without a name in package syscall.
const sysGetrandom = 318

// userEnd is the first address that a program cannot use.
const userEnd = 1<<47 - pageSize

// Load checks a program file. All of it is input: no size and no address is used
// before it is checked.
func Load(file []byte) (*Image, error) {
	if err := checkHeader(file); err != nil {
		return nil, err
	}
	if err := checkLength(file); err != nil {
		return nil, err
	}
	progs, err := programHeaders(file)
	if err != nil {
		return nil, err
	}
	if err := checkLinked(progs, file); err != nil {
		return nil, err
	}
	im := &Image{Entry: u64(file[24:]), Phnum: len(progs)}
	phoff := u64(file[32:])
	for i := range progs {
		p := &progs[i]
		if elf.ProgType(p.Type) != elf.PT_LOAD {
			continue
		}
		s, err := segment(p, file)
		if err != nil {
			return nil, err
		}
		if s.Size > 0 {
			im.Segments = append(im.Segments, s)
		}
		if phoff >= p.Off && phoff < p.Off+p.Filesz {
			im.Phdr = p.Vaddr + phoff - p.Off
		}
	}
	if len(im.Segments) == 0 {
		return nil, &NotRunnable{"the file is a program without a segment to load", buildAgain}
	}
	return im, nil
}

// segment checks a header of type PT_LOAD.
func segment(p *elf.Prog64, file []byte) (Segment, error) {
	n := uint64(len(file))
	if p.Off > n || p.Filesz > n-p.Off {
		return Segment{}, cutShort(file, p.Off+p.Filesz)
	}
	if p.Filesz > p.Memsz || p.Memsz > userEnd || p.Vaddr > userEnd-p.Memsz || p.Vaddr < 64<<10 || p.Memsz > stackTop-stackSize {
		return Segment{}, fmt.Errorf("%w: %#x bytes at %#x; a program's addresses are from 64 KiB to 128 TiB", ErrSegment, p.Memsz, p.Vaddr)
	}
	prot := 0
	for flag, right := range map[elf.ProgFlag]int{elf.PF_R: syscall.PROT_READ, elf.PF_W: syscall.PROT_WRITE, elf.PF_X: syscall.PROT_EXEC} {
		if elf.ProgFlag(p.Flags)&flag != 0 {
			prot |= right
		}
	}
	return Segment{Addr: p.Vaddr, Size: p.Memsz, Prot: prot, Data: file[p.Off : p.Off+p.Filesz]}, nil
}

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// Start runs a program with arguments, the first of which is its name, and an
// environment. Its standard files are a terminal of package abi, or with 0 the whole console.
func Start(terminal int, file []byte, args, env []string) (*kcall.Process, error) {
	return StartWith(abi.Standing{}, terminal, file, args, env)
}

// StartWith is Start with another standing than usual.
func StartWith(standing abi.Standing, terminal int, file []byte, args, env []string) (*kcall.Process, error) {
	im, err := Load(file)
	if err != nil {
		return nil, err
	}
	m := kcall.MemInfo()
	if err := checkMemory(im, (m.FreePages-min(m.ReservePages, m.FreePages))*pageSize); err != nil {
		return nil, err
	}
	p, err := kcall.NewProcess(args[0], terminal)
	if err != nil {
		return nil, fmt.Errorf("exec: %w", err)
	}
	sp, err := fill(p, im, args, env)
	if err == nil {
		err = p.Start(im.Entry, sp, standing)
	}
	if err != nil {
		p.Drop()
		return nil, fmt.Errorf("exec: %w", err)
	}
	return p, nil
}

// fill maps and writes a program's segments and its first stack, and returns the
// stack pointer.
func fill(p *kcall.Process, im *Image, args, env []string) (sp uint64, err error) {
	for _, s := range im.Segments {
		start := s.Addr &^ (pageSize - 1)
		end := (s.Addr + s.Size + pageSize - 1) &^ (pageSize - 1)
		if err := p.Map(start, end-start, s.Prot); err != nil {
			return 0, fmt.Errorf("%#x bytes at %#x: %w", s.Size, s.Addr, err)
		}
		if err := p.Write(s.Addr, s.Data); err != nil {
			return 0, fmt.Errorf("%#x bytes at %#x: %w", s.Size, s.Addr, err)
		}
	}
	if err := p.Map(stackTop-stackSize, stackSize, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		return 0, fmt.Errorf("stack: %w", err)
	}
	// Not crypto/rand, which keeps 32 MiB for a source of its own.
	random := new([16]byte)
	if _, _, e := syscall.Syscall(sysGetrandom, uintptr(unsafe.Pointer(random)), 16, 0); e != 0 {
		return 0, fmt.Errorf("getrandom: %w", e)
	}
	vdso := uint64(vdsoPage + pageSize)
	if p.MapVDSO(vdsoPage) != nil { // the program has the addresses itself: it makes system calls
		vdso = 0
	}
	sp, stack, err := Stack(im, args, env, *random, vdso)
	if err != nil {
		return 0, err
	}
	if err := p.Write(sp, stack); err != nil {
		return 0, fmt.Errorf("stack: %w", err)
	}
	return sp, nil
}

// Entries of the auxiliary vector (Linux, include/uapi/linux/auxvec.h).
const (
	auxNull     = 0
	auxPhdr     = 3
	auxPhent    = 4
	auxPhnum    = 5
	auxPageSize = 6
	auxEntry    = 9
	auxUID      = 11
	auxEUID     = 12
	auxGID      = 13
	auxEGID     = 14
	auxClockTck = 17
	auxSecure   = 23
	auxRandom   = 25
	auxExecFn   = 31
	auxVDSO     = 33 // AT_SYSINFO_EHDR
)

// maxStrings bounds arguments and environment, with their pointers. On Linux the bound is a quarter of
// the stack, too.
const maxStrings = stackSize / 4

// Stack builds the first stack: strings at the top, below them the auxiliary
// vector, the environment, the arguments and their count, at sp.
//
// vdso is the address of the vDSO's image, 0 for none.
func Stack(im *Image, args, env []string, random [16]byte, vdso uint64) (sp uint64, content []byte, err error) {
	var text []byte
	offset := func(s string) uint64 {
		at := uint64(len(text))
		text = append(append(text, s...), 0)
		return at
	}
	var argAt, envAt []uint64
	for _, s := range args {
		argAt = append(argAt, offset(s))
	}
	for _, s := range env {
		envAt = append(envAt, offset(s))
	}
	if n := len(text) + 8*(len(args)+len(env)); n > maxStrings {
		return 0, nil, fmt.Errorf("arguments and environment take %d bytes with their pointers, at most %d fit", n, maxStrings)
	}
	randomAt := offset(string(random[:]))
	base := (stackTop - uint64(len(text))) &^ 15

	words := []uint64{uint64(len(args))}
	for _, a := range argAt {
		words = append(words, base+a)
	}
	words = append(words, 0)
	for _, a := range envAt {
		words = append(words, base+a)
	}
	words = append(words, 0)
	if im.Phdr != 0 {
		words = append(words, auxPhdr, im.Phdr, auxPhent, 56, auxPhnum, uint64(im.Phnum))
	}
	if vdso != 0 {
		words = append(words, auxVDSO, vdso)
	}
	words = append(words, auxPageSize, pageSize, auxEntry, im.Entry, auxUID, 0, auxEUID, 0, auxGID, 0, auxEGID, 0,
		auxClockTck, 100, auxSecure, 0, auxRandom, base+randomAt, auxExecFn, base+argAt[0], auxNull, 0)

	sp = (base - uint64(len(words)*8)) &^ 15
	content = make([]byte, stackTop-sp)
	for i, w := range words {
		binary.LittleEndian.PutUint64(content[i*8:], w)
	}
	copy(content[base-sp:], text)
	return sp, content, nil
}
