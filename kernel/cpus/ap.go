package cpus

import (
	"unsafe"

	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/fakeg"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trace"
	"muster/kernel/trap"
	"muster/trampoline"
)

// Values for the assembly.
const (
	offStackTop = unsafe.Offsetof(percpu.CPU{}.StackTop)
	offKernelG  = unsafe.Offsetof(percpu.CPU{}.KernelG)
	offKernelFS = unsafe.Offsetof(percpu.CPU{}.KernelFS)
	offAPICID   = unsafe.Offsetof(percpu.CPU{}.Processor)
	offStage    = unsafe.Offsetof(percpu.CPU{}.Stage)
	offStageAt  = unsafe.Offsetof(percpu.CPU{}.StageAt)
	fsInG       = fakeg.OffFSBase

	stageHighHalf   = trampoline.StageHighHalf
	stageFoundBlock = trampoline.StageFoundBlock
	stageControl    = trampoline.StageControl

	cr0Clear   = ^(cpu.CR0EmulateFPU | cpu.CR0TaskSwitched)
	cr0Set     = cpu.CR0MonitorFPU | cpu.CR0NumericError | cpu.CR0WriteProtect
	cr4Set     = cpu.CR4FXSR | cpu.CR4XMMExcept | cpu.CR4FSGSBase | cpu.CR4XSave | cpu.CR4GlobalPage
	xcr0Wanted = cpu.XCR0Wanted
)

// What a starting CPU reads before it has a block.
var (
	kernelCR3 uint64
	apFn      = apMain
	apEntryPC uintptr
)

// stage notes how far this CPU came, and when.
func stage(c *percpu.CPU, s uint32) {
	c.StageAt[s] = cpu.TSC()
	c.Stage.Store(s)
	trace.Add(c, trace.Start, uint64(s), uint64(c.ID))
	if s == memoryOf(c).stopAt {
		cpu.Stop()
	}
}

// apMain is every other CPU's way to its scheduler, in order.
//
// Context: on the idle stack, interrupts off, on the kernel's page tables.
func apMain(c *percpu.CPU) {
	m := memoryOf(c)
	late := lateTicks
	m.stopAt = stopAt // CPUs that come later may have other faults, or none
	for began := cpu.TSC(); cpu.TSC()-began < late; {
		cpu.Pause()
	}
	m.tables.Load(c, &m.stacks)
	stage(c, trampoline.StageTables)
	apic.Enable(c)
	usePins(c.Pins)
	stage(c, trampoline.StageLocalAPIC)
	if !mitigateAP(c) {
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
	// From here on a flush of the kernel's area must ask this CPU too. What this CPU
	// may have cached before goes with the reload. Nothing that can fail comes between:
	// a CPU that asks one that hangs would wait for it.
	Online.Set(c.ID)
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
