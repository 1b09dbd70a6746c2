// Package boot leads from the loader's jump to the first Go call: the multiboot2
// and PVH stub, and the parsers of the boot information.
//
// Layer: core; the parsers are pure: bytes in, values out, no allocation.
// Context: boot CPU, before anything else.
// Locks: none.
// Manual: Multiboot2 Specification 2.0; Xen's docs/misc/pvh.pandoc and
// xen/include/public/arch-x86/hvm/start_info.h.
// Chapter: docs/01-boot.md.
// Left out: multiboot1; the text of modules under PVH.
package boot

import (
	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/memmap"
)

// Values for the assembly.
const (
	multibootMagic = 0x36d76289
	pvhMagic       = 0x336ec578
	stackBytes     = 16 << 10
	directSlot     = layout.DirectBase >> 39 % 512 * 8 // in the top table
	imageSlot      = layout.ImageBase >> 39 % 512 * 8
	kernelCS       = cpu.KernelCS
	kernelSS       = cpu.KernelSS
	descKernelCode = cpu.DescKernelCode
	descKernelData = cpu.DescKernelData
	exitPanic      = 0x3e // see kernel/crash/end.go
)

// Keep makes the entry reachable for the linker.
func Keep()

// StackBytes is the size of the stack that the stub leaves the kernel on.
const StackBytes = stackBytes

// Stack returns the bounds of that stack.
func Stack() (low, top uintptr)

// Protocol is how the kernel was loaded.
type Protocol uint32

// Protocols.
const (
	Multiboot2 Protocol = 1
	PVH        Protocol = 2
)

// String returns the protocol's name for the boot log.
func (p Protocol) String() string {
	if p == Multiboot2 {
		return "multiboot2"
	}
	return "PVH"
}

// Memory returns n bytes of physical memory at addr, nil when they cannot be read.
type Memory func(addr, n uint64) []byte

// Info is the boot information of either protocol. Its slices point into the
// loader's memory.
type Info struct {
	Protocol    Protocol
	CommandLine []byte
	RSDPAddr    uint64          // physical, 0 if not given
	RSDP        []byte          // a copy that multiboot2 brings instead of the address
	EFI         uint64          // physical address of the EFI system table, 0 if not given
	Framebuffer abi.Framebuffer // zero if there is none, or if it cannot be used
	BadScreen   string          // why it cannot be used; "" without a framebuffer
	Used        [4]memmap.Range // memory that the information itself occupies
	UsedCount   int
	Counters    Counters // filled in by Tables

	regions    list
	modules    list   // PVH
	tags       []byte // multiboot2
	moduleTags int
}

// list is an array in the loader's layout: each entry starts with two numbers of 8
// bytes.
type list struct {
	data []byte
	size int // bytes from entry to entry
}

func (l *list) len() int {
	if l.size == 0 {
		return 0
	}
	return len(l.data) / l.size
}

func (l *list) at(i int) []byte { return l.data[i*l.size : (i+1)*l.size] }

func number(b []byte, width int) (v uint64) {
	for i := width - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

func u32(b []byte) uint32 { return uint32(number(b, 4)) }

// Regions returns the number of entries of the memory map.
func (in *Info) Regions() int { return in.regions.len() }

// Region returns entry i of the memory map. Address, length and type have the same
// offsets in both protocols.
func (in *Info) Region(i int) abi.Region {
	e := in.regions.at(i)
	return abi.Region{Start: number(e, 8), Length: number(e[8:], 8), Type: u32(e[16:])}
}

// Modules returns the number of modules.
func (in *Info) Modules() int { return in.modules.len() + in.moduleTags }

// Module returns the physical range of module i.
func (in *Info) Module(i int) abi.Module {
	var m abi.Module
	if in.moduleTags > 0 {
		t := in.moduleTag(i)
		m.Start, m.End = number(t[tagHeader:], 4), number(t[tagHeader+4:], 4)
	} else {
		e := in.modules.at(i)
		m.Start = number(e, 8)
		m.End = m.Start + number(e[8:], 8)
	}
	m.End = max(m.End, m.Start)
	return m
}

// ModuleText returns the text that the loader's configuration gives module i: GRUB's
// words after the file. PVH has none here.
func (in *Info) ModuleText(i int) []byte {
	if in.moduleTags == 0 {
		return nil
	}
	return text(in.moduleTag(i)[moduleHead:])
}

func (in *Info) use(start, n uint64) {
	if in.UsedCount < len(in.Used) && n > 0 {
		in.Used[in.UsedCount] = memmap.Range{Start: start, End: start + n}
		in.UsedCount++
	}
}

// Code is the result of parsing.
type Code uint8

// Results.
const (
	OK             Code = iota
	ErrLoader           // neither protocol's magic number
	ErrReadable         // information outside the memory that can be read
	ErrSize             // a length is out of range
	ErrMemoryMap        // no memory map
	ErrCommandLine      // longer than MaxCommandLine
	ErrModules          // more than maxModules
	ErrRegions          // more than maxRegions
)

// Error makes a Code an error value.
func (e Code) Error() string {
	switch e {
	case OK:
		return "no error"
	case ErrLoader:
		return "boot: not loaded by multiboot2 or PVH"
	case ErrReadable:
		return "boot: the loader's information lies outside the first 4 GiB"
	case ErrSize:
		return "boot: a length in the loader's information is out of range"
	case ErrMemoryMap:
		return "boot: the loader provided no memory map"
	case ErrCommandLine:
		return "boot: the command line is too long: 65535 bytes are the limit"
	case ErrModules:
		return "boot: too many modules: 256 are the limit"
	case ErrRegions:
		return "boot: the memory map is too long: 65536 entries are the limit"
	}
	return "boot: unknown error"
}

// Limits of what a loader may bring. They bound the loops over it; no loader comes near
// the last two.
const (
	MaxCommandLine = 64<<10 - 1
	maxModules     = 256
	maxRegions     = 64 << 10
)

// Parse reads what the loader left at addr. magic is EAX at entry.
func Parse(in *Info, magic uint32, addr uint64, mem Memory) Code {
	if magic == multibootMagic {
		return parseMultiboot2(in, addr, mem)
	}
	if b := mem(addr, 4); len(b) == 4 && u32(b) == pvhMagic {
		return parsePVH(in, addr, mem)
	}
	return ErrLoader
}
