package start

import (
	"unsafe"

	"muster/boot"
	"muster/kernel/abi"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/memmap"
	"muster/kernel/percpu"
	"muster/kernel/persist"
)

// The memory plan: one memory map of all that is known, and a copy of the boot
// information in memory that stays.

// memory is the memory map, after plan.
var memory memmap.Map

// Where the first pages come from.
var (
	memoryPlan mem.Boot
	early      uint64 // next free byte of the early memory
	image      memmap.Range
	modules    []abi.Module
)

// bootMapped is the end of the memory that the boot page tables map.
const bootMapped = 4 << 30

// plan makes the memory map, copies the boot information to memory that stays, and
// returns the arguments of mem.Init.
func plan(delta mem.PhysAddr) *mem.Boot {
	if !memory.Build(info.Regions(), regionAt, physicalLimit()) {
		refuse("boot: the memory map breaks RAM into more than 1024 pieces")
	}
	if memory.RAM.Bytes() < minimumRAM {
		refuse("too little RAM: 64 MiB are needed")
	}
	s := layout.Image()
	image = memmap.Range{Start: uint64(s.Start) + uint64(delta), End: uint64(s.End) + uint64(delta)}
	occupy(image)
	for i := range info.Modules() {
		m := info.Module(i)
		occupy(memmap.Range{Start: m.Start, End: m.End})
	}
	for _, r := range info.Used[:info.UsedCount] {
		occupy(r)
	}
	info.Tables(loaderMemory, occupyBytes)
	if r, ok := memory.Aside(persist.Size); ok {
		bootData.Aside = r.Start
	}

	b := &memoryPlan
	b.Delta = delta
	b.HugePage = features.Has(cpu.Page1GB)
	b.Early = memory.Largest(uint64(mem.LowMemory), bootMapped)
	early = b.Early.Start
	keepInformation()
	occupy(b.Early) // package mem hands out what is left of it after the boot
	b.Early.Start = (early + layout.PageSize - 1) &^ (layout.PageSize - 1)
	b.RAM, b.Free = memory.RAM.Pieces(), memory.Free.Pieces()
	info = boot.Info{Protocol: info.Protocol, CommandLine: info.CommandLine, BadScreen: info.BadScreen, Counters: info.Counters} // the rest was in the loader's memory
	return b
}

func regionAt(i int) abi.Region { return info.Region(i) }

func occupy(r memmap.Range) {
	if !memory.Occupy(r) {
		refuse("boot: the memory map, the modules and the firmware's tables break RAM into more than 1024 pieces")
	}
}

func occupyBytes(start, n uint64) {
	if end := start + n; end > start {
		occupy(memmap.Range{Start: start, End: end})
	}
}

// physicalLimit returns the end of the addresses that page tables of this CPU can hold.
// An entry with a higher one would raise a page fault for reserved bits.
//
// Source: Intel SDM vol. 2A, "CPUID", leaf 8000_0008H.
func physicalLimit() uint64 {
	if top, _, _, _ := cpu.CPUID(0x80000000, 0); top >= 0x80000008 {
		if a, _, _, _ := cpu.CPUID(0x80000008, 0); a&0xff >= 36 && a&0xff <= 52 {
			return 1 << (a & 0xff)
		}
	}
	return 1 << 36
}

// take cuts n values off the early memory.
func take[T any](n int) []T {
	var t T
	align := uint64(unsafe.Alignof(t))
	early = (early + align - 1) &^ (align - 1)
	p := (*T)(unsafe.Pointer(mem.Direct(mem.PhysAddr(early))))
	early += uint64(uintptr(n) * unsafe.Sizeof(t))
	if early > memoryPlan.Early.End {
		refuse("boot: no free range of RAM between 1 MiB and 4 GiB has room for the loader's information")
	}
	return unsafe.Slice(p, n)
}

// keepInformation copies the boot information to the early memory: the loader's own
// memory is not mapped if it is not RAM.
func keepInformation() {
	bootData.Protocol = uint32(info.Protocol)
	bootData.DirectMap = layout.DirectBase
	bootData.RSDP = info.RSDPAddr
	bootData.Framebuffer = info.Framebuffer

	line := take[byte](len(info.CommandLine) + 1)
	copy(line, info.CommandLine)
	info.CommandLine = line[:len(info.CommandLine)]
	bootData.CommandLine = uintptr(unsafe.Pointer(&line[0]))
	bootData.CommandLength = uintptr(len(info.CommandLine))

	if len(info.RSDP) > 0 {
		rsdp := take[byte](len(info.RSDP))
		copy(rsdp, info.RSDP)
		bootData.RSDPCopy = uintptr(unsafe.Pointer(&rsdp[0]))
		bootData.RSDPLength = uintptr(len(rsdp))
	}
	modules = take[abi.Module](info.Modules())
	for i := range modules {
		m := info.Module(i)
		modules[i] = abi.Module{Start: m.Start, End: m.End}
		if words := info.ModuleText(i); len(words) > 0 {
			words = words[:min(len(words), maxModuleText)]
			text := take[byte](len(words))
			copy(text, words)
			modules[i].Text, modules[i].TextLength = uintptr(unsafe.Pointer(&text[0])), uintptr(len(text))
		}
	}
	free := memory.Free.Pieces()
	regions := take[abi.Region](len(free))
	for i, r := range free {
		regions[i] = abi.Region{Start: r.Start, Length: r.Len(), Type: abi.RegionRAM}
	}
	bootData.RegionCount = uintptr(len(regions))
	bootData.Regions = uintptr(unsafe.Pointer(unsafe.SliceData(regions)))
}

// maxModuleText is the longest text of a module that is kept: a file's name has 255 bytes.
const maxModuleText = 1024

// mapModules says where the kernel reads each module: in the direct map if the module
// lies in RAM, otherwise through a mapping of its own.
//
// Context: after mem.Init.
func mapModules(c *percpu.CPU) {
	for i := range modules {
		m := &modules[i]
		if memory.RAM.Has(memmap.Range{Start: m.Start, End: m.End}) {
			m.Addr = mem.Direct(mem.PhysAddr(m.Start))
			continue
		}
		n := uintptr(m.End - m.Start)
		m.Addr = mem.ReserveMap(c, mem.PhysAddr(m.Start), n)
		mem.FillMap(c, m.Addr, mem.PhysAddr(m.Start), n, mem.ReadOnly)
		var l console.Line
		console.Say(c, l.Str("mem: module at ").Hex(m.Start).Str(" is not in RAM, mapped apart"))
	}
	bootData.ModuleCount = uintptr(len(modules))
	bootData.Modules = uintptr(unsafe.Pointer(unsafe.SliceData(modules)))
}
