package start

import (
	"unsafe"

	"muster/kernel/console"
	"muster/kernel/mem"
	"muster/kernel/mmio"
	"muster/kernel/percpu"
	"muster/kernel/persist"
)

// keepLog copies what the boot before left in the range that a reset does not change, and
// begins to keep this boot's log there. Until then nothing is written to it, so a kernel that
// cannot start leaves the report of the one before. The range is mapped uncached, and the
// direct map leaves it out: a reset drops what a cache has not written back.
//
// Context: after mem.Init.
func keepLog(c *percpu.CPU) {
	if bootData.Aside == 0 {
		return
	}
	va := mem.MapPhys(c, mem.PhysAddr(bootData.Aside), persist.Size, mem.Device)
	number := uint32(1)
	if persist.Begun(va) {
		bootData.Before, bootData.BeforeLength = mem.AllocMapped(c, persist.Size, 8), persist.Size
		for i := uintptr(0); i < persist.Size; i += 4 {
			*(*uint32)(unsafe.Pointer(bootData.Before + i)) = mmio.Load32(va + i)
		}
		before := persist.Open(unsafe.Slice((*byte)(unsafe.Pointer(bootData.Before)), persist.Size))
		number = before.Boot + 1
	}
	console.Persist(c, va, number)
}
