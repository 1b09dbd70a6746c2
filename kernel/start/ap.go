package start

import (
	"unsafe"

	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
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
	masks := mem.AllocMapped(c, 3*percpu.MaskBytes(n), layout.PageSize)
	c.Callers.Init(masks+2*percpu.MaskBytes(n), n)
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
	mem.AddPerCPU(c, id)
	a.cpu.Init(id)
	a.cpu.APICID, a.cpu.ACPIID = uint32(f.DI), uint32(f.SI)
	a.pins = f.DX
	a.cpu.Callers.Init(mem.AllocMapped(c, percpu.MaskBytes(percpu.Limit()), 64), percpu.Limit())
	a.attach(c, &a.cpu)
	renew(&a.cpu)
	percpu.Register(&a.cpu)
	mem.AddPerCPU(c, id) // objects made since the first look
	apCount = id + 1
	return c, uint64(id)
}

// perCPUPages is more than the memory of one CPU: area, stacks, trace ring, objects.
const perCPUPages = 40

// renew makes a CPU's block what it was before the CPU first ran.
//
// Context: the CPU waits for its start-up message, and has never taken part.
func renew(o *percpu.CPU) {
	a := areaOf(o)
	o.Resched, o.LockDepth, o.NoFault, o.Depth = 0, 0, 0, 0
	o.Space, o.CallTicks, o.Probe = 0, 0, 0
	o.Pending.Store(0)
	o.NMIAsked.Store(0)
	o.StopFrame.Store(0)
	o.FlushDone.Store(o.FlushAsked.Load())
	o.Stage.Store(trampoline.StageNone)
	o.StageAt = [percpu.Stages]uint64{}
	sched.PrepareCPU(o, uintptr(unsafe.Pointer(&a.queue)), &a.idle, a.idleLow, a.idleTop)
}

// low is the page below 1 MiB through which CPUs start.
var low struct {
	page  mem.PhysAddr // 0 while none is in use
	saved uintptr      // *[PageSize]byte: what was in it before
	hash  uint64
}

func trampolineBytes() *[trampoline.Size]byte {
	return (*[trampoline.Size]byte)(unsafe.Pointer(mem.Direct(low.page)))
}

// useTrampoline builds the trampoline in a low page and makes it executable for
// starting CPUs, or ends that: the page then holds again what it held before.
// SI, DX and R10 are faults for tests: the stage at which a CPU halts, how many
// nanoseconds it takes before it goes on, and 1 if something writes to the page.
func useTrampoline(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	page := mem.PhysAddr(f.DI)
	if page == 0 {
		putTrampolineAway()
		return c, 0
	}
	if page&(layout.PageSize-1) != 0 || page >= mem.LowMemory {
		return c, linux.Fail(linux.EINVAL)
	}
	if low.page != 0 {
		return c, linux.Fail(linux.EBUSY)
	}
	if low.saved == 0 {
		low.saved = mem.AllocMapped(c, layout.PageSize, layout.PageSize)
	}
	low.page = page
	*(*[trampoline.Size]byte)(unsafe.Pointer(low.saved)) = *trampolineBytes()
	stopAt, lateTicks = uint32(f.SI), clock.Ticks(clock.Time(f.DX))
	root := mem.TrampolineRoot(c, page)
	trampoline.Build(trampolineBytes(), uint32(page), trampoline.Params{CR3: uint32(root), Entry: uint64(apEntryPC), StopAt: uint32(f.SI)})
	low.hash = trampoline.Hash(trampolineBytes())
	if f.R10 != 0 {
		trampolineBytes()[0] ^= 1
	}
	return c, 0
}

// Faults for tests, of the CPUs that start now.
var (
	stopAt    uint32
	lateTicks uint64
)

// putTrampolineAway notes when each CPU passed the trampoline, and gives the page
// back as it was.
func putTrampolineAway() {
	if low.page == 0 {
		return
	}
	mem.UnmapTrampoline(low.page)
	for i := range trampoline.Slots {
		r := trampoline.Slot(trampolineBytes(), i)
		if r.Stage == trampoline.StageNone {
			continue
		}
		if o := byAPICID(r.APICID); o != nil {
			for k, half := range r.TSC {
				// The upper half is that of the next stage that has both.
				if full := o.StageAt[trampoline.StageHighHalf]; half != 0 && full != 0 {
					o.StageAt[trampoline.StageRealMode16+k] = full - uint64(uint32(full)-half)
				}
			}
		}
	}
	*trampolineBytes() = *(*[trampoline.Size]byte)(unsafe.Pointer(low.saved))
	low.page = 0
}

// byAPICID returns the CPU with an APIC id, nil if none has it.
func byAPICID(id uint32) *percpu.CPU {
	for i := range percpu.Count() {
		if o := percpu.Get(i); o.APICID == id {
			return o
		}
	}
	return nil
}

// sendINIT resets a CPU that does not take part.
func sendINIT(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	id := uint32(f.DI)
	if o := byAPICID(id); o != nil && !o.Reset() {
		return c, linux.Fail(linux.EBUSY)
	}
	return c, startupResult(apic.SendINIT(id))
}

// sendStartup starts a CPU at the trampoline, if that is still what was built.
func sendStartup(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if low.page == 0 || uint64(low.page) != f.SI {
		return c, linux.Fail(linux.EINVAL)
	}
	if trampoline.Hash(trampolineBytes()) != low.hash {
		return c, linux.Fail(linux.EIO)
	}
	if o := byAPICID(uint32(f.DI)); o != nil && o.Expect() {
		renew(o)
	}
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

// stage notes how far this CPU came, and when.
func stage(c *percpu.CPU, s uint32) {
	c.StageAt[s] = cpu.TSC()
	c.Stage.Store(s)
	trace.Add(c, trace.Start, uint64(s), uint64(c.ID))
	if s == areaOf(c).stopAt {
		cpu.Stop()
	}
}

// apMain is every other CPU's way to its scheduler, in order.
//
// Context: on the idle stack, interrupts off, on the kernel's page tables.
func apMain(c *percpu.CPU) {
	a := areaOf(c)
	late := lateTicks
	a.stopAt = stopAt // those that come later may have other faults, or none
	for began := cpu.TSC(); cpu.TSC()-began < late; {
		cpu.Pause()
	}
	a.block.Load(c, &a.stacks)
	stage(c, trampoline.StageTables)
	apic.Enable(c)
	usePins(a.pins)
	stage(c, trampoline.StageLocalAPIC)
	if !protect(c, false) {
		c.Code.Store(percpu.CodeFeatures)
		cpu.Stop()
	}
	stage(c, trampoline.StageProtections)
	if !c.ReportReady() { // given up on the way
		cpu.Stop()
	}
	stage(c, trampoline.StageReady)
	trap.Restart(c)
	awaitProceed(c)
	stage(c, trampoline.StageProceed)
	sched.StartTick(c)
	stage(c, trampoline.StageTimer)
	stage(c, trampoline.StageScheduler)
	stage(c, trampoline.StageIdleLoop)
	if !c.Join() {
		cpu.Stop()
	}
	// From here on a flush of the kernel's area must ask this CPU too. What it may
	// have cached before goes with the reload. Nothing that can fail comes between:
	// who asks a CPU that hangs would wait for it.
	online.Set(c.ID)
	cpu.WriteCR3(kernelCR3)
	sched.Idle(c)
}

// awaitProceed halts until this CPU is told to go on. There is no deadline: a CPU
// that nobody takes in stays out, and harms nobody, as nobody asks it for anything.
func awaitProceed(c *percpu.CPU) {
	for !c.ToldToGo() {
		trap.Wait(c)
	}
}

// proceed lets CPUs that are online take part: all are told, then one message goes to
// many of them where that can be. SI CPUs at DI; DX is 1 if they were told before.
//
// Context: one caller at a time for each CPU of the list.
func proceed(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.SI > uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	var words [percpu.Max / 64]uint64
	var going percpu.Mask
	going.Init(uintptr(unsafe.Pointer(&words)), percpu.Count())
	missing := uint64(0)
	for i := range f.SI {
		var id uint32
		if !t.Space.CopyIn(c, unsafe.Pointer(&id), uintptr(f.DI+4*i), 4) {
			return c, linux.Fail(linux.EFAULT)
		}
		if id >= percpu.Count() {
			return c, linux.Fail(linux.EINVAL)
		}
		to := percpu.Get(id)
		if !to.LetGo() {
			if !to.IsOnline() { // in this order: it may join meanwhile
				missing++
			}
		} else if f.DX != 0 {
			ipi.Repeat(c, to, ipi.Reschedule)
		} else {
			going.Set(id)
		}
	}
	ipi.SendSet(c, &going, ipi.Reschedule)
	return c, missing
}
