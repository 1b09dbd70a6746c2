package start

import (
	"unsafe"

	"muster/boot"
	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
)

// The memory plan: a copy of the boot information in memory that stays, and the
// ranges of RAM that are free.

// ramBytes returns the amount of usable RAM.
func ramBytes() (n uint64) {
	for i := range info.Regions() {
		if r := info.Region(i); r.Type == abi.RegionRAM {
			n += r.Length
		}
	}
	return n
}

// plan chooses the early memory, copies the boot information into it, and returns
// the arguments of mem.Init.
func plan(delta mem.PhysAddr) *mem.Boot {
	if ramTotal = ramBytes(); ramTotal < minimumRAM {
		refuse("too little RAM: 48 MiB are needed")
	}
	s := layout.Image()
	image := mem.Range{Start: mem.PhysAddr(s.Start) + delta, End: mem.PhysAddr(s.End) + delta}
	b := &memoryPlan
	b.Delta = delta
	b.HugePage = features.Has(cpu.Page1GB)
	b.Early = largestFree(image)
	early = b.Early.Start
	keepInformation(b)
	b.InUse = take[mem.Range](info.Modules() + 2)
	b.InUse[0] = image
	for i := range info.Modules() {
		b.InUse[i+1] = moduleRange(i)
	}
	early = (early + layout.PageSize - 1) &^ (layout.PageSize - 1)
	b.InUse[len(b.InUse)-1] = mem.Range{Start: b.Early.Start, End: early}
	b.Early.Start = early
	info = boot.Info{Protocol: info.Protocol, CommandLine: info.CommandLine} // the rest was in the loader's memory
	return b
}

var (
	memoryPlan mem.Boot
	early      mem.PhysAddr // next free byte of the early memory
	ramTotal   uint64
)

func moduleRange(i int) mem.Range {
	m := info.Module(i)
	return mem.Range{Start: mem.PhysAddr(m.Start), End: mem.PhysAddr(m.End)}
}

// taken returns range i of those that the image, the modules and the loader's
// information occupy; ok is false after the last.
func taken(image mem.Range, i int) (r mem.Range, ok bool) {
	modules := info.Modules()
	switch {
	case i == 0:
		return image, true
	case i <= modules:
		return moduleRange(i - 1), true
	case i <= modules+info.UsedCount:
		u := info.Used[i-modules-1]
		return mem.Range{Start: mem.PhysAddr(u.Start), End: mem.PhysAddr(u.End)}, true
	}
	return r, false
}

// take cuts n values off the early memory.
func take[T any](n int) []T {
	var t T
	align := mem.PhysAddr(unsafe.Alignof(t))
	early = (early + align - 1) &^ (align - 1)
	p := (*T)(unsafe.Pointer(mem.Direct(early)))
	early += mem.PhysAddr(uintptr(n) * unsafe.Sizeof(t))
	return unsafe.Slice(p, n)
}

// largestFree returns the largest free range of RAM between 1 MiB and 4 GiB.
func largestFree(image mem.Range) (best mem.Range) {
	for i := range info.Regions() {
		r := info.Region(i)
		if r.Type != abi.RegionRAM {
			continue
		}
		free := mem.Range{Start: max(mem.PhysAddr(r.Start), mem.LowMemory), End: min(mem.PhysAddr(r.Start+r.Length), 4<<30)}
		for free.Len() > 0 {
			cut := mem.Range{Start: free.End, End: free.End}
			for j := 0; ; j++ {
				u, ok := taken(image, j)
				if !ok {
					break
				}
				if u.Len() > 0 && u.End > free.Start && u.Start < cut.Start {
					cut = u
				}
			}
			if piece := (mem.Range{Start: free.Start, End: cut.Start}); piece.Len() > best.Len() {
				best = piece
			}
			free.Start = max(cut.End, free.Start)
		}
	}
	best.Start = (best.Start + layout.PageSize - 1) &^ (layout.PageSize - 1)
	best.End &^= layout.PageSize - 1
	return best
}

// keepInformation copies the boot information to the early memory, so that the
// loader's memory can be used for other things.
func keepInformation(b *mem.Boot) {
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
	modules := take[abi.Module](info.Modules())
	for i := range modules {
		modules[i] = info.Module(i)
	}
	bootData.ModuleCount = uintptr(len(modules))
	if len(modules) > 0 {
		bootData.Modules = uintptr(unsafe.Pointer(&modules[0]))
	}
	regions := take[abi.Region](info.Regions())
	usable := 0
	for i := range regions {
		regions[i] = info.Region(i)
		if regions[i].Type == abi.RegionRAM {
			usable++
		}
	}
	bootData.RegionCount = uintptr(len(regions))
	bootData.Regions = uintptr(unsafe.Pointer(&regions[0]))
	b.RAM = take[mem.Range](usable)[:0]
	for _, r := range regions {
		if r.Type == abi.RegionRAM {
			b.RAM = b.RAM[:len(b.RAM)+1]
			b.RAM[len(b.RAM)-1] = mem.Range{Start: mem.PhysAddr(r.Start), End: mem.PhysAddr(r.Start + r.Length)}
		}
	}
}
