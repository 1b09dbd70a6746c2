package cpus

import (
	"unsafe"

	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/fakeg"
	"muster/kernel/percpu"
	"muster/kernel/profile"
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
	offAPICID   = unsafe.Offsetof(percpu.CPU{}.APICID)
	offStage    = unsafe.Offsetof(percpu.CPU{}.Stage)
	offStageAt  = unsafe.Offsetof(percpu.CPU{}.StageAt)
	fsInG       = fakeg.OffFSBase

	stageHighHalf   = trampoline.StageHighHalf
	stageFoundBlock = trampoline.StageFoundBlock
	stageControl    = trampoline.StageControl

	cr0Wanted = cpu.CR0Wanted

	cr4XSave      = cpu.CR4XSave
	cr4FSGSBase   = cpu.CR4FSGSBase
	cpuidXSave    = 1 << (cpu.XSave & 31)
	cpuidFSGSBase = 1 << (cpu.FSGSBase & 31)
)

// What a starting CPU reads before it has found its block.
var (
	kernelCR3 uint64
	apFn      = apMain
	apEntryPC uintptr

	// What control may enable: all that the kernel knows on the boot CPU, and what the
	// boot CPU has on the others. The code was rewritten for the boot CPU, and the area
	// of XSAVE has the boot CPU's size.
	cr4Allowed  uint32 = cpu.CR4Wanted
	xcr0Allowed uint32 = cpu.XCR0Wanted
)

// stage records that this CPU has reached a stage, and when.
func stage(c *percpu.CPU, s uint32) {
	c.StageAt[s] = cpu.TSC()
	c.Stage.Store(s)
	trace.Add(c, trace.Start, uint64(s), uint64(c.ID))
	if s == memoryOf(c).stopAt {
		cpu.Stop()
	}
}

// apMain is the way of every AP to its scheduler, in order.
//
// Context: on the idle stack, interrupts off, on the kernel's page tables.
func apMain(c *percpu.CPU) {
	m := memoryOf(c)
	late := lateTicks
	m.stopAt = stopAt // CPUs that start later may have other faults, or none
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
	stage(c, trampoline.StageMitigations)
	m.counter.skew, m.counter.skewNS = skewTicks, skewSpan
	m.counter.report(cpu.TSCOrdered())
	if !c.ReportReady() { // the boot CPU has given this CPU up
		cpu.Stop()
	}
	stage(c, trampoline.StageReady)
	trap.Restart(c)
	awaitProceed(c)
	stage(c, trampoline.StageProceed)
	sched.StartTick(c)
	profile.Resume(c)
	stage(c, trampoline.StageTimer)
	stage(c, trampoline.StageScheduler)
	stage(c, trampoline.StageIdleLoop)
	if !c.Join() {
		cpu.Stop()
	}
	c.Step.Store(percpu.StepNone)
	sched.Open(c) // before other CPUs can see that c is in the set
	// From here on a flush of the kernel's translations must include this CPU. The
	// reload drops what this CPU may have cached before. Nothing that can fail
	// comes between the two: a CPU that requests a flush would wait for one that
	// hangs.
	Online.Set(c.ID)
	cpu.WriteCR3(kernelCR3)
	sched.Idle(c)
	leave(c)
}

// awaitProceed halts until this CPU gets the request to proceed. There is no
// deadline: a CPU that never gets the request stays halted and does no harm,
// because no CPU sends it any request.
func awaitProceed(c *percpu.CPU) {
	k := &memoryOf(c).counter
	for !c.MayJoin() || !k.agrees(cpu.TSCOrdered()) {
		trap.Wait(c)
	}
}
