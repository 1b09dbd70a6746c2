// Package cpus has the memory of each CPU, and the core's side of starting one: it
// prepares the CPU, sends INIT and SIPI, and follows the CPU from the trampoline to its
// scheduler.
//
// Layer: core.
// Context: as each function says.
// Locks: none; package smp ensures that one thread at a time starts CPUs.
// Manual: Intel SDM vol. 3A, "Multiple-Processor (MP) Initialization".
// Chapter: docs/08-starting-cpus.md.
// Left out: taking the boot CPU offline.
package cpus

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/trampoline"
)

// SetLimit makes room for n CPUs in the tables; once, while only the boot CPU is
// online. EINVAL says that n is not from 1 to percpu.Max, EBUSY that there is a
// limit already.
func SetLimit(c *percpu.CPU, _ *linux.Task, n uint32) (*percpu.CPU, uint64) {
	if n == 0 || n > percpu.Max {
		return c, linux.Fail(linux.EINVAL)
	}
	if percpu.Count() != 1 || percpu.Limit() != 1 {
		return c, linux.Fail(linux.EBUSY)
	}
	if n == 1 {
		return c, 0
	}
	percpu.SetTable(mem.AllocMapped(c, uintptr(n)*8, layout.PageSize), n)
	masks := mem.AllocMapped(c, 4*percpu.MaskBytes(n), layout.PageSize)
	c.Callers.Init(masks+2*percpu.MaskBytes(n), n)
	Online.Init(masks, n)
	Online.Set(0)
	sched.InitIdle(masks+percpu.MaskBytes(n), n)
	sched.InitNear(masks+3*percpu.MaskBytes(n), n)
	mem.GiveBack(c) // SetMaxCPUs lowers each CPU's limits, and the boot CPU may have more than the new ones
	mem.SetMaxCPUs(n)
	initIndex(c, n)
	addToIndex(c)
	kernelCR3 = uint64(mem.KernelRoot())
	return c, 0
}

// SetBoot gives the boot CPU its record, the abi.Processor at the address record, and
// programs its local interrupt pins. EINVAL says that the record is another CPU's.
//
// Context: while only the boot CPU is online.
func SetBoot(c *percpu.CPU, t *linux.Task, record uintptr) (*percpu.CPU, uint64) {
	var p abi.Processor
	if !t.Space.CopyIn(c, unsafe.Pointer(&p), record, unsafe.Sizeof(p)) {
		return c, linux.Fail(linux.EFAULT)
	}
	if !adopt(c, &p) {
		return c, linux.Fail(linux.EINVAL)
	}
	if !apic.Legacy() {
		usePins(c.Pins)
	}
	return c, 0
}

var _ [16]byte = [unsafe.Sizeof(abi.Processor{})]byte{} // see Move16

// adopt puts the boot CPU's record into its block, which was made before the tables
// were read. It reports false if the record is another CPU's.
func adopt(c *percpu.CPU, p *abi.Processor) bool {
	if c.ID != 0 || p.APICID != c.APICID {
		return false
	}
	cpu.Move16(unsafe.Pointer(&c.Processor), unsafe.Pointer(p))
	return true
}

// perCPUPages is more than the memory of one CPU: block, stacks, trace ring, objects.
const perCPUPages = 40

// Prepare makes everything that a CPU needs before it starts, and returns its number.
// record is the address of an abi.Processor. EBUSY says that the limit is reached or the
// APIC id is taken, ENOMEM that little memory is left.
func Prepare(c *percpu.CPU, t *linux.Task, record uintptr) (*percpu.CPU, uint64) {
	var p abi.Processor
	if !t.Space.CopyIn(c, unsafe.Pointer(&p), record, unsafe.Sizeof(p)) {
		return c, linux.Fail(linux.EFAULT)
	}
	id := percpu.Count()
	if id == percpu.Limit() || byAPICID(p.APICID) != nil {
		return c, linux.Fail(linux.EBUSY)
	}
	if !mem.Spares(c, perCPUPages) {
		return c, linux.Fail(linux.ENOMEM)
	}
	m := newMemory(c)
	mem.AddPerCPU(c, id)
	o := &m.cpu
	o.Init(id)
	cpu.Move16(unsafe.Pointer(&o.Processor), unsafe.Pointer(&p))
	o.Callers.Init(mem.AllocMapped(c, percpu.MaskBytes(percpu.Limit()), 64), percpu.Limit())
	m.attach(c, o)
	renew(o)
	if percpu.Count() == 1 {
		sched.Join(c, c, maskMemory)
	}
	sched.Join(c, o, maskMemory)
	percpu.Register(o)
	mem.AddPerCPU(c, id) // objects made since the first check
	addToIndex(o)
	return c, uint64(id)
}

// maskMemory returns memory for a set of CPUs.
func maskMemory(c *percpu.CPU) uintptr {
	return mem.AllocMapped(c, percpu.MaskBytes(percpu.Limit()), 64)
}

// renew resets a CPU's block to its content before the CPU first ran.
//
// Context: the CPU waits for a SIPI; it has never been online, or is offline again. Other CPUs may look at its
// queues, which are closed, and its timers stay what they are.
func renew(o *percpu.CPU) {
	o.Resched, o.Retick, o.LockDepth, o.NoFault, o.Depth = 0, 0, 0, 0, 0
	o.Space, o.CallTicks = 0, 0
	o.Pending.Store(0)
	o.NMIRequests.Store(0)
	o.StopFrame.Store(0)
	o.FlushDone.Store(o.FlushRequests.Load())
	o.Stage.Store(trampoline.StageNone)
	o.StageAt = [abi.Stages]uint64{}
	memoryOf(o).counter.reset()
	memoryOf(o).prepareThread(o)
}

// SendINIT resets a CPU that is not online. EBUSY says that the CPU is online.
func SendINIT(c *percpu.CPU, _ *linux.Task, apicID uint32) (*percpu.CPU, uint64) {
	if o := byAPICID(apicID); o != nil && !o.Reset() {
		return c, linux.Fail(linux.EBUSY)
	}
	return c, sent(apic.SendINIT(apicID))
}

// SendStartup starts a CPU at the trampoline, if the page is still what was built:
// EIO says that it is not. EINVAL says that the trampoline is not in that page.
func SendStartup(c *percpu.CPU, _ *linux.Task, apicID uint32, page uint64) (*percpu.CPU, uint64) {
	if low.page == 0 || uint64(low.page) != page {
		return c, linux.Fail(linux.EINVAL)
	}
	if trampoline.Hash(trampolineBytes()) != low.hash {
		return c, linux.Fail(linux.EIO)
	}
	if o := byAPICID(apicID); o != nil && o.Expect() {
		renew(o)
	}
	return c, sent(apic.SendStartup(apicID, page))
}

// sent converts the result of an INIT or SIPI to that of a private call.
func sent(e apic.Code) uint64 {
	switch e {
	case apic.OK:
		return 0
	case apic.ErrPending:
		return linux.Fail(linux.ETIMEDOUT)
	}
	return linux.Fail(linux.EINVAL)
}

// Proceed lets the n CPUs whose numbers are at list, all of them ready, come
// online: it sets the request in all blocks, then sends one IPI to many of them
// where that is possible. again says that this is a repetition. The result is the
// number of CPUs that are neither ready nor online.
//
// Context: one caller at a time for each CPU of the list.
func Proceed(c *percpu.CPU, t *linux.Task, list uintptr, n uint64, again bool) (*percpu.CPU, uint64) {
	if n > uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	var words [percpu.Max / 64]uint64
	var going percpu.Mask
	going.Init(uintptr(unsafe.Pointer(&words)), percpu.Count())
	missing := uint64(0)
	for i := range n {
		var id uint32
		if !t.Space.CopyIn(c, unsafe.Pointer(&id), list+uintptr(4*i), 4) {
			return c, linux.Fail(linux.EFAULT)
		}
		if id >= percpu.Count() {
			return c, linux.Fail(linux.EINVAL)
		}
		to := percpu.Get(id)
		compareFirst(to)
		if !to.LetGo() {
			if !to.IsOnline() { // in this order: it may come online in between
				missing++
			}
		} else if again {
			ipi.Repeat(c, to, ipi.Reschedule)
		} else {
			going.Set(id)
		}
	}
	ipi.SendSet(c, &going, ipi.Reschedule)
	return c, missing
}

// StageTimes fills in the abi.StageTimes at out for a CPU.
func StageTimes(c *percpu.CPU, t *linux.Task, cpu int, out uintptr) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	var at abi.StageTimes
	for i, tsc := range o.StageAt {
		if tsc != 0 {
			at[i] = int64(clock.At(tsc))
		}
	}
	if !t.Space.CopyOut(c, out, unsafe.Pointer(&at), unsafe.Sizeof(at)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}

// usePins programs those of this CPU's local interrupt pins that are NMIs.
func usePins(pins uint32) {
	for pin := range 2 {
		if b := pins >> (8 * pin); b&abi.NMIPin != 0 {
			apic.SetNMI(pin, b&abi.IRQLow != 0, b&abi.IRQLevel != 0)
		}
	}
}
