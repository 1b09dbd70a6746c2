package start

import (
	"unsafe"

	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trace"
	"muster/kernel/trap"
	"muster/trampoline"
)

// Values for the assembly.
const (
	stageHighHalf   = trampoline.StageHighHalf
	stageFoundBlock = trampoline.StageFoundBlock
	stageControl    = trampoline.StageControl
)

// What a starting CPU reads before it has a block.
var (
	apTable   uintptr // [apCount]*percpu.CPU
	apCount   uint32
	kernelCR3 uint64
	apFn      = apMain
	apEntryPC uintptr
)

// setCPULimit makes room for n CPUs in the tables; once, while one CPU runs.
func setCPULimit(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	n := uint32(f.DI)
	if n == 0 || n > percpu.Max {
		return c, linux.Fail(linux.EINVAL)
	}
	if percpu.Count() != 1 || percpu.Limit() != 1 {
		return c, linux.Fail(linux.EBUSY)
	}
	if n == 1 {
		return c, 0
	}
	apTable = mem.AllocMapped(c, uintptr(n)*8, layout.PageSize)
	percpu.SetTable(apTable, n)
	masks := mem.AllocMapped(c, 2*percpu.MaskBytes(n), layout.PageSize)
	online.Init(masks, n)
	online.Set(0)
	sched.InitIdle(masks+percpu.MaskBytes(n), n)
	mem.SetMaxCPUs(n)
	kernelCR3 = uint64(mem.KernelRoot())
	return c, 0
}

// prepareCPU makes everything that a CPU needs before it starts, and returns its number.
func prepareCPU(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	id := percpu.Count()
	if id == percpu.Limit() {
		return c, linux.Fail(linux.EBUSY)
	}
	if s := mem.ReadStats(c); s.Free < perCPUPages+s.Reserve {
		return c, linux.Fail(linux.ENOMEM)
	}
	a := (*area)(unsafe.Pointer(mem.AllocMapped(c, unsafe.Sizeof(area{}), 64)))
	a.cpu.Init(id)
	a.cpu.APICID, a.cpu.ACPIID = uint32(f.DI), uint32(f.SI)
	a.pins = f.DX
	a.attach(c, &a.cpu)
	sched.PrepareCPU(&a.cpu, uintptr(unsafe.Pointer(&a.queue)), &a.idle, a.idleLow, a.idleTop)
	a.cpu.State.Store(percpu.Booting)
	percpu.Register(&a.cpu)
	apCount = id + 1
	return c, uint64(id)
}

// perCPUPages is more than the memory of one CPU: area, stacks, trace ring.
const perCPUPages = 32

// useTrampoline makes a low page executable for starting CPUs, or ends that.
func useTrampoline(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	page := mem.PhysAddr(f.DI)
	if page == 0 {
		mem.UnmapTrampoline(trampolinePage)
		return c, 0
	}
	if page&(layout.PageSize-1) != 0 || page >= mem.LowMemory {
		return c, linux.Fail(linux.EINVAL)
	}
	trampolinePage = page
	root := mem.TrampolineRoot(c, page)
	trampoline.Build((*[trampoline.Size]byte)(unsafe.Pointer(mem.Direct(page))), uint32(page),
		trampoline.Params{CR3: uint32(root), Entry: uint64(apEntryPC)})
	return c, 0
}

var trampolinePage mem.PhysAddr

// sendINIT resets a CPU that does not take part. One that hung behind the point
// where it is asked for flushes would be waited for in vain.
func sendINIT(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	id := uint32(f.DI)
	for i := range percpu.Count() {
		if o := percpu.Get(i); o.APICID == id && o.IsOnline() {
			return c, linux.Fail(linux.EBUSY)
		}
	}
	e := apic.SendINIT(id)
	for i := range percpu.Count() {
		if o := percpu.Get(i); o.APICID == id {
			online.Clear(o.ID)
		}
	}
	return c, startupResult(e)
}

func sendStartup(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return c, startupResult(apic.SendStartup(uint32(f.DI), f.SI))
}

func startupResult(e apic.Code) uint64 {
	switch e {
	case apic.OK:
		return 0
	case apic.ErrPending:
		return linux.Fail(linux.ETIMEDOUT)
	}
	return linux.Fail(linux.EINVAL)
}

// stage notes how far this CPU came.
func stage(c *percpu.CPU, s uint32) {
	c.Stage.Store(s)
	trace.Add(c, trace.Start, uint64(s), uint64(c.ID))
}

// apMain is every other CPU's way to its scheduler, in order.
//
// Context: on the idle stack, interrupts off, on the kernel's page tables.
func apMain(c *percpu.CPU) {
	a := areaOf(c)
	a.block.Load(c, &a.stacks)
	stage(c, trampoline.StageTables)
	apic.Enable(c)
	usePins(a.pins)
	stage(c, trampoline.StageLocalAPIC)
	// From here on a flush of the kernel's area must ask this CPU too: its APIC
	// takes messages. What it may have cached before goes with the reload.
	online.Set(c.ID)
	cpu.WriteCR3(kernelCR3)
	protect(c, false)
	stage(c, trampoline.StageProtections)
	c.State.Store(percpu.Online) // pairs with the Load in smp, through CPUInfo
	stage(c, trampoline.StageReady)
	awaitProceed(c)
	stage(c, trampoline.StageProceed)
	sched.StartTick(c)
	stage(c, trampoline.StageTimer)
	c.State.Store(percpu.Acknowledged)
	stage(c, trampoline.StageScheduler)
	stage(c, trampoline.StageIdleLoop)
	sched.Idle(c)
}

// awaitProceed halts until this CPU is told to go on, and answers interrupts
// meanwhile. There is no deadline: a CPU that nobody takes in stays out, and
// harms nobody.
func awaitProceed(c *percpu.CPU) {
	for c.Go.Load() == 0 {
		trap.Wait(c)
	}
}

// proceed lets a CPU that is online take part.
func proceed(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	to := percpu.Get(uint32(f.DI))
	if to.State.Load() != percpu.Online {
		return c, linux.Fail(linux.EBUSY)
	}
	to.TickAt.Store(cpu.TSC()) // the watchdog counts from now
	to.Go.Store(1)
	apic.SendIPI(c, to, trap.VecReschedule)
	return c, 0
}
