package cpus

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/trampoline"
)

// low is the page below 1 MiB through which CPUs start.
var low struct {
	page  mem.PhysAddr // 0 while no page is in use
	saved uintptr      // *[PageSize]byte: the page's former content
	hash  uint64
}

func trampolineBytes() *[trampoline.Size]byte {
	return (*[trampoline.Size]byte)(unsafe.Pointer(mem.Direct(low.page)))
}

// Injected faults of the CPUs that start now.
var (
	stopAt    uint32 // the stage at which they halt, 0 for none
	lateTicks uint64 // counter ticks by which they are delayed
	skewTicks uint64 // by how many their counters are ahead, modulo 2^64
	skewSpan  uint64 // the same in nanoseconds
)

// UseTrampoline builds the trampoline in a low page and makes the page executable
// for starting CPUs. With page 0 it ends that: the page gets its former content
// back. The other arguments are injected faults: the stage at which a CPU halts,
// the nanoseconds by which it is delayed, and whether a byte of the page is
// overwritten. EBUSY says that a page is in use.
func UseTrampoline(c *percpu.CPU, _ *linux.Task, page uint64, stop uint32, lateNS int64, spoil bool) (*percpu.CPU, uint64) {
	at := mem.PhysAddr(page)
	if at == 0 {
		putTrampolineAway()
		return c, 0
	}
	if at&(layout.PageSize-1) != 0 || at >= mem.LowMemory {
		return c, linux.Fail(linux.EINVAL)
	}
	if low.page != 0 {
		return c, linux.Fail(linux.EBUSY)
	}
	if low.saved == 0 {
		low.saved = mem.AllocMapped(c, layout.PageSize, layout.PageSize)
	}
	low.page = at
	*(*[trampoline.Size]byte)(unsafe.Pointer(low.saved)) = *trampolineBytes()
	stopAt, lateTicks = stop, clock.Ticks(clock.Time(lateNS))
	root := mem.TrampolineRoot(c, at)
	trampoline.Build(trampolineBytes(), uint32(at), trampoline.Params{CR3: uint32(root), Entry: uint64(apEntryPC), StopAt: stop})
	low.hash = trampoline.Hash(trampolineBytes())
	if spoil {
		trampolineBytes()[0] ^= 1
	}
	return c, 0
}

// putTrampolineAway records when each CPU passed the trampoline, and gives the page
// its former content back.
func putTrampolineAway() {
	if low.page == 0 {
		return
	}
	mem.UnmapTrampoline(low.page)
	for i := range trampoline.Slots {
		noteSlot(trampoline.Slot(trampolineBytes(), i))
	}
	*trampolineBytes() = *(*[trampoline.Size]byte)(unsafe.Pointer(low.saved))
	low.page = 0
}

// noteSlot copies the times of a slot to the block of its CPU. A slot has the low
// halves of the counter; the upper half is that of the next stage that has both.
func noteSlot(r trampoline.Report) {
	if r.Stage == trampoline.StageNone {
		return
	}
	o := byAPICID(r.APICID)
	if o == nil {
		return
	}
	full := o.StageAt[trampoline.StageHighHalf]
	for k, half := range r.TSC {
		if half != 0 && full != 0 {
			o.StageAt[trampoline.StageRealMode16+k] = full - uint64(uint32(full)-half)
		}
	}
}
