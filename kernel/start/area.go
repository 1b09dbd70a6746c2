package start

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trace"
	"muster/kernel/trap"
	"muster/kernel/upcall"
)

// area is the memory of one CPU, all of it allocated before the CPU starts.
type area struct {
	cpu    percpu.CPU // the boot CPU has its own
	block  trap.Block
	queue  [sched.QueueBytes]byte
	idle   sched.Thread
	stacks trap.Stacks

	idleLow, idleTop uintptr
	pins             uint64 // abi.NMIPin
	stopAt           uint32 // for tests: the stage at which the CPU halts
	features         cpu.Features
	controls         controls   // when last asked
	probe            guardProbe // when last tried
	disorder         uint64     // calls out of sequence
}

// Per-CPU objects that every CPU has from its start.
var (
	vectorCounts  mem.PerCPU // [256]uint64, interrupts by vector
	messageCounts mem.PerCPU // ipi.Stats
)

// allocCounts makes the objects.
//
// Context: boot CPU, before the first area.
func allocCounts(c *percpu.CPU) {
	mem.InitPerCPU()
	var ok, also bool
	_, vectorCounts, ok = mem.AllocPerCPU(c, 256*8, nil)
	_, messageCounts, also = mem.AllocPerCPU(c, ipi.StatsBytes, nil)
	if !ok || !also {
		upcall.Panic(c, "start: no memory for the boot CPU's counters", 0, 0)
	}
}

// commonStack is the size of the stack for most vectors: a frame lies there
// until it is copied.
const commonStack = layout.PageSize

// newArea allocates the memory of CPU to, on CPU c. Every stack lies between
// guard pages.
func newArea(c, to *percpu.CPU) *area {
	a := (*area)(unsafe.Pointer(mem.AllocMapped(c, unsafe.Sizeof(area{}), 64)))
	a.attach(c, to)
	return a
}

func (a *area) attach(c, to *percpu.CPU) {
	a.stacks = trap.Stacks{
		Common:  stack(c, commonStack, layout.PageSize),
		NMI:     stack(c, trap.ISTSize, trap.ISTSize),
		Double:  stack(c, trap.ISTSize, trap.ISTSize),
		Machine: stack(c, trap.ISTSize, trap.ISTSize),
		Debug:   stack(c, trap.ISTSize, trap.ISTSize),
	}
	a.idleTop = stack(c, sched.StackSize, layout.PageSize)
	a.idleLow = a.idleTop - sched.StackSize
	to.PanicTop = stack(c, crash.PanicStack, layout.PageSize)
	to.Counts = vectorCounts.On(to.ID)
	to.IPI = messageCounts.On(to.ID)
	to.Area = uintptr(unsafe.Pointer(a))
	to.Trace = mem.AllocMapped(c, trace.Bytes, layout.PageSize) // last: recording begins
}

func stack(c *percpu.CPU, size, align uintptr) (top uintptr) {
	return mem.AllocMapped(c, size, align) + size
}

// stackBelow names the stack of a CPU whose guard page addr lies in. See package crash.
func stackBelow(addr uintptr) (name string, id uint32) {
	for id = range percpu.Count() {
		c := percpu.Get(id)
		if c.Area == 0 {
			continue
		}
		a := areaOf(c)
		for _, s := range [7]struct {
			name string
			low  uintptr
		}{
			{"interrupt", a.stacks.Common - commonStack}, {"NMI", a.stacks.NMI - trap.ISTSize},
			{"double fault", a.stacks.Double - trap.ISTSize}, {"machine check", a.stacks.Machine - trap.ISTSize},
			{"debug", a.stacks.Debug - trap.ISTSize}, {"idle", a.idleLow}, {"panic", c.PanicTop - crash.PanicStack},
		} {
			if addr < s.low && addr >= s.low-layout.PageSize {
				return s.name, id
			}
		}
	}
	return "", 0
}

func areaOf(c *percpu.CPU) *area { return (*area)(unsafe.Pointer(c.Area)) }

// protect turns on what the CPU offers against mistakes of the core and curious
// programs: cpu.Features.Guard lists it.
//
// It reports false on a CPU that lacks what the boot CPU has and the kernel relies
// on: the entry stubs of a kernel with SMAP are not for a CPU without.
//
// Context: once on each CPU. boot says that it is the boot CPU, which decides for all.
func protect(c *percpu.CPU, boot bool) (ok bool) {
	f := &areaOf(c).features
	f.Detect()
	bits := f.GuardCR4()
	if features.Has(cpu.SMAP) && !f.Has(cpu.SMAP) {
		return false
	}
	if !features.Has(cpu.SMAP) {
		bits &^= cpu.CR4SMAP // the entries do without CLAC
	}
	cpu.WriteCR4(cpu.ReadCR4() | bits)
	f.SetSpeculation()
	if !boot {
		return true
	}
	if bits&cpu.CR4SMAP != 0 {
		mem.UseSMAP()
	}
	if clear, _ := f.Guard(cpu.GuardBuffers); clear || clearAlways {
		trap.ClearBuffers()
	}
	return true
}

// startAPIC turns on the boot CPU's local APIC and calibrates its timer. Without
// one the kernel runs on this CPU alone, with the 8254 and the 8259s.
func startAPIC(c *percpu.CPU) {
	if !features.Has(cpu.APIC) {
		apic.UseLegacy(trap.VecPIC)
		return
	}
	apic.RetirePIC(trap.VecPIC)
	addr, _, x2 := apic.Physical()
	given := x2 // by the firmware
	va := uintptr(0)
	if x2 = x2 || features.Has(cpu.X2APIC); !x2 {
		va = mem.MapPhys(c, mem.PhysAddr(addr), layout.PageSize, mem.Device)
	}
	apic.Use(x2, va)
	apic.Enable(c)
	bootData.TimerHz = apic.CalibrateTimer()
	if x2 {
		bootData.X2APIC = abi.X2Mode
		if given {
			bootData.X2APIC |= abi.X2Given
		}
	}
}
