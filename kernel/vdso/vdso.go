// Package vdso makes the ELF image by which programs find the functions that read the clock
// without a system call: a shared library of one page, with their names and code, for the
// loader that is in each program.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Manual: vdso(7); System V ABI, "Dynamic Linking"; Linux Standard Base, "Symbol Versioning".
// Chapter: docs/06-interrupts.md.
// Left out: DT_GNU_HASH, which no loader needs beside DT_HASH.
package vdso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// Func is a function of the image: its name, and its offset in the code.
type Func struct {
	Name   string
	Offset int
}

// Size is the most bytes that an image has: one page.
const Size = 4096

// version is the version of all functions, and soname the name of the library, as on Linux.
const (
	version = "LINUX_2.6"
	soname  = "linux-vdso.so.1"
)

// Sizes of ELF structures (64 bits).
const (
	headerSize  = 64
	programSize = 56
	sectionSize = 64
	symbolSize  = 24
)

// section is a part of the image that has a header.
type section struct {
	name    string
	kind    elf.SectionType
	flags   elf.SectionFlag
	data    []byte
	link    uint32 // number of another section
	info    uint32
	entry   uint64 // size of an entry
	align   uint64
	at      uint64 // set by place
	nameOff uint32 // set by place
}

// Numbers of the sections, in the order of the image.
const (
	_ = iota
	secHash
	secSymbols
	secStrings
	secVersions
	secVersionDefs
	secDynamic
	secNames
	secText
)

// Image returns the image with code at the offset textAt, which leaves enough room for the
// tables. The addresses in it count from its own beginning.
func Image(code []byte, textAt int, funcs []Func) ([]byte, error) {
	b := builder{strings: []byte{0}}
	sections := b.sections(code, uint64(textAt), funcs)
	end := place(sections, headerSize+2*programSize)
	tables := (end + 7) &^ 7
	if tables+uint64(len(sections)+1)*sectionSize > uint64(textAt) {
		return nil, fmt.Errorf("vdso: tables of %d functions take more than %#x bytes", len(funcs), textAt)
	}
	if textAt+len(code) > Size {
		return nil, fmt.Errorf("vdso: %d bytes of code do not fit after %#x", len(code), textAt)
	}
	sections[secText-1].at = uint64(textAt)
	sections[secDynamic-1].data = dynamic(sections, b.add(soname))
	image := make([]byte, textAt+len(code))
	write(image, 0, header(tables, len(sections)+1))
	write(image, headerSize, programs(sections, uint64(len(image))))
	for _, s := range sections {
		copy(image[s.at:], s.data)
	}
	write(image, int(tables)+sectionSize, headers(sections))
	return image, nil
}

// write stores a structure in the image.
func write(image []byte, at int, v any) {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, v)
	copy(image[at:], b.Bytes())
}

// place gives the sections but the code addresses, from at on, and returns the end.
func place(sections []section, at uint64) uint64 {
	var names []byte
	names = append(names, 0)
	for i := range sections {
		s := &sections[i]
		s.nameOff = uint32(len(names))
		names = append(append(names, s.name...), 0)
	}
	sections[secNames-1].data = names
	for i := range sections[:secText-1] {
		s := &sections[i]
		s.at = (at + s.align - 1) &^ (s.align - 1)
		at = s.at + uint64(len(s.data))
	}
	return at
}

// header returns the ELF header; sectionsAt is where the section headers begin.
func header(sectionsAt uint64, sections int) elf.Header64 {
	return elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: headerSize, Shoff: sectionsAt, Ehsize: headerSize,
		Phentsize: programSize, Phnum: 2, Shentsize: sectionSize, Shnum: uint16(sections), Shstrndx: secNames,
	}
}

// programs returns the program headers: all of the image, and the dynamic section.
func programs(sections []section, size uint64) [2]elf.Prog64 {
	d := sections[secDynamic-1]
	n := uint64(len(d.data))
	return [2]elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Filesz: size, Memsz: size, Align: Size},
		{Type: uint32(elf.PT_DYNAMIC), Flags: uint32(elf.PF_R), Off: d.at, Vaddr: d.at, Paddr: d.at, Filesz: n, Memsz: n, Align: 8},
	}
}

// headers returns the section headers, without the first one, which is empty.
func headers(sections []section) (out []elf.Section64) {
	for _, s := range sections {
		out = append(out, elf.Section64{
			Name: s.nameOff, Type: uint32(s.kind), Flags: uint64(s.flags), Addr: s.at, Off: s.at,
			Size: uint64(len(s.data)), Link: s.link, Info: s.info, Addralign: s.align, Entsize: s.entry,
		})
	}
	return out
}
