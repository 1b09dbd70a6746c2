package start

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/cross"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trace"
)

// setPrivate names the handlers of the private system calls.
func setPrivate() {
	linux.SetPrivate(abi.Log, writeLog)
	linux.SetPrivate(abi.ReadLog, readLog)
	linux.SetPrivate(abi.SetLogLevel, setLogLevel)
	linux.SetPrivate(abi.Finish, finish)
	linux.SetPrivate(abi.BootInfo, bootInfo)
	linux.SetPrivate(abi.MapPhys, mapPhys)
	linux.SetPrivate(abi.AddIOAPIC, addIOAPIC)
	linux.SetPrivate(abi.BindIRQ, bindIRQ)
	linux.SetPrivate(abi.UnmaskIRQ, unmaskIRQ)
	linux.SetPrivate(abi.SetNMI, setNMI)
	linux.SetPrivate(abi.ConsoleRead, consoleRead)
	linux.SetPrivate(abi.SetCPULimit, setCPULimit)
	linux.SetPrivate(abi.PrepareCPU, prepareCPU)
	linux.SetPrivate(abi.Trampoline, useTrampoline)
	linux.SetPrivate(abi.SendINIT, sendINIT)
	linux.SetPrivate(abi.SendStartup, sendStartup)
	linux.SetPrivate(abi.Proceed, proceed)
	linux.SetPrivate(abi.CPUInfo, cpuInfo)
	linux.SetPrivate(abi.StageTimes, stageTimes)
	linux.SetPrivate(abi.IPIFaults, ipiFaults)
	linux.SetPrivate(abi.IPIRules, ipiRules)
	linux.SetPrivate(abi.AuditRead, auditRead)
	linux.SetPrivate(abi.IPICount, ipiCount)
	linux.SetPrivate(abi.Pin, pin)
	linux.SetPrivate(abi.Backtrace, backtrace)
	linux.SetPrivate(abi.Protections, protections)
	linux.SetPrivate(abi.Sequences, sequences)
	linux.SetPrivate(abi.CrossCall, crossCall)
	linux.SetPrivate(abi.CrossCount, crossCount)
	linux.SetPrivate(abi.ThreadInfo, linux.ThreadInfo)
	linux.SetPrivate(abi.IRQInfo, irqInfo)
	linux.SetPrivate(abi.MemInfo, memInfo)
	linux.SetPrivate(abi.TraceRead, traceRead)
	linux.SetPrivate(abi.NewProcess, linux.MakeProcess)
	linux.SetPrivate(abi.MapProcess, linux.MapProcess)
	linux.SetPrivate(abi.WriteProcess, linux.WriteProcess)
	linux.SetPrivate(abi.StartProcess, linux.StartProcess)
	linux.SetPrivate(abi.WaitProcess, linux.WaitProcess)
	linux.SetPrivate(abi.KillProcess, linux.KillProcess)
	linux.SetPrivate(abi.DropProcess, linux.DropProcess)
	linux.SetPrivate(abi.Crash, breakCore)
	linux.SetPrivate(abi.SelfTest, selfTest)
	linux.SetPrivate(abi.Measure, measure)
}

// maxLogLine is the longest line that a call logs.
const maxLogLine = 400

func writeLog(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var text [maxLogLine]byte
	n := min(f.DX, maxLogLine)
	if !t.Space.CopyIn(c, unsafe.Pointer(&text), uintptr(f.SI), uintptr(n)) {
		return c, linux.Fail(linux.EFAULT)
	}
	console.Log(c, console.Level(f.DI), text[:n])
	return c, n
}

func readLog(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var text [1024]byte
	var e console.Entry
	next, n, ok := console.ReadLog(c, f.DI, &e, text[:min(f.R10, uint64(len(text)))])
	if !ok {
		return c, linux.Fail(linux.EAGAIN)
	}
	out := abi.LogEntry{TimeNS: int64(e.Time), Length: uint32(n), CPU: e.CPU, Level: uint32(e.Level)}
	if !t.Space.CopyOut(c, uintptr(f.SI), unsafe.Pointer(&out), unsafe.Sizeof(out)) ||
		!t.Space.CopyOut(c, uintptr(f.DX), unsafe.Pointer(&text), uintptr(n)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, next
}

func setLogLevel(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	console.SetLevel(c, console.Level(min(f.DI, 8)))
	return c, 0
}

func bootInfo(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.Space.CopyOut(c, uintptr(f.DI), unsafe.Pointer(&bootData), unsafe.Sizeof(bootData)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}

func mapPhys(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	const limit = 64 << 20
	if f.SI == 0 || f.SI > limit || f.DI >= 1<<46 {
		return c, linux.Fail(linux.EINVAL)
	}
	kind := mem.ReadOnly
	if f.DX != 0 {
		kind = mem.Device
	}
	p, n := mem.PhysAddr(f.DI), uintptr(f.SI)
	va := mem.ReserveMap(c, p, n)
	for off := uintptr(0); off < n; {
		k := min(n-off, mem.MapChunk-(va+off)%layout.PageSize) // whole pages but at the ends
		mem.FillMap(c, va+off, p+mem.PhysAddr(off), k, kind)
		off += k
		c = sched.Breathe(c)
	}
	return c, uint64(va)
}

// setNMI programs the local interrupt pins of this CPU.
func setNMI(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if apic.Legacy() {
		return c, linux.Fail(linux.ENODEV)
	}
	usePins(f.DI)
	return c, 0
}

// usePins programs this CPU's local interrupt pins that are NMIs.
func usePins(pins uint64) {
	for pin := range 2 {
		if b := pins >> (8 * pin); b&abi.NMIPin != 0 {
			apic.SetNMI(pin, b&abi.IRQLow != 0, b&abi.IRQLevel != 0)
		}
	}
}

func consoleRead(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var buf [256]byte
	n := console.Read(c, buf[:min(f.SI, uint64(len(buf)))])
	if !t.Space.CopyOut(c, uintptr(f.DI), unsafe.Pointer(&buf), uintptr(n)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, uint64(n)
}

func cpuInfo(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	o := percpu.Get(uint32(f.DI))
	out := abi.CPU{
		APICID: o.APICID, ACPIID: o.ACPIID,
		State: o.State.Load(), Stage: o.Stage.Load(), Code: o.Code.Load(), ThreadID: o.ThreadID,
		Ticks: o.Ticks.Load(), Switches: o.Switches.Load(),
		IdleNS:    uint64(clock.Span(sched.IdleTicks(o))),
		LongestNS: uint64(clock.Span(o.Longest)), LongestAt: o.LongestAt,
	}
	if o.Boot {
		out.BSP = 1
	}
	out.Features = areaOf(o).features.Words()
	if !t.Space.CopyOut(c, uintptr(f.SI), unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}

func stageTimes(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	var out [percpu.Stages]int64
	for i, tsc := range percpu.Get(uint32(f.DI)).StageAt {
		if tsc != 0 {
			out[i] = int64(clock.At(tsc))
		}
	}
	if !t.Space.CopyOut(c, uintptr(f.SI), unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}

// crossLimit is how long a CPU may take before it begins with a call, times the scale
// of all deadlines.
const crossLimit = clock.Second

// crossCall calls a function on one CPU or on all.
func crossCall(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	n := uint64(percpu.Count())
	if !cross.Valid(f.SI) || f.DI != ^uint64(0) && f.DI >= n {
		return c, linux.Fail(linux.EINVAL)
	}
	set := &online
	var one percpu.Mask
	var words [percpu.Max / 64]uint64
	if f.DI != ^uint64(0) {
		if !online.Has(uint32(f.DI)) {
			return c, linux.Fail(linux.ENODEV)
		}
		one.Init(uintptr(unsafe.Pointer(&words)), uint32(n))
		one.Set(uint32(f.DI))
		set = &one
	}
	if f.SI == uint64(cross.Guards) && !prepareProbe(c) {
		return c, linux.Fail(linux.ENOMEM)
	}
	if missing := cross.Call(c, set, cross.Func(f.SI), f.DX, crossLimit); missing != cross.Silent {
		var l console.Line
		console.Warn(c, l.Str("cross: cpu").Dec(uint64(missing)).Str(" did not answer a call within ").Dec(clock.Scale()).Str(" s"))
		return c, linux.Fail(linux.ETIMEDOUT)
	}
	return c, uint64(c.ID)
}

func crossCount(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, percpu.Get(uint32(f.DI)).Called.Load()
}

// ipiFaults makes messages between CPUs fail, for tests.
func ipiFaults(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	ipi.SetFaults(f.DI, f.SI, clock.Time(f.DX))
	return c, 0
}

// ipiRules chooses destinations, and the share of a CPU's time that calls may take.
func ipiRules(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.SI < 1 || f.SI > 100 || percpu.Count() > 1 {
		return c, linux.Fail(linux.EINVAL)
	}
	if f.DI != 0 {
		ipi.UsePhysical()
	}
	cross.SetShare(f.SI)
	return c, 0
}

// auditRead returns how often a class of privileged operations was executed.
func auditRead(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if !cpu.Audited || f.DI >= uint64(cpu.Classes) {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, cpu.AuditCount(cpu.Class(f.DI))
}

// ipiCount returns a counter of package ipi.
func ipiCount(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) || f.SI >= uint64(ipi.Kinds) || f.DX >= uint64(ipi.Counters) {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, ipi.Read(percpu.Get(uint32(f.DI)), ipi.Kind(f.SI), ipi.Counter(f.DX))
}

// pin makes the calling thread run on one CPU alone, or anywhere again. The errno
// says that the CPU does not take part.
func pin(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI == ^uint64(0) {
		sched.Unpin(c)
		return c, 0
	}
	if !online.Has(uint32(min(f.DI, percpu.Max))) {
		return c, linux.Fail(linux.ENODEV)
	}
	return sched.Pin(c, uint32(f.DI)), 0
}

// backtrace asks a CPU where it is, by NMI.
func backtrace(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	to := percpu.Get(uint32(f.DI))
	if to == c || !to.IsOnline() || apic.Legacy() {
		return c, linux.Fail(linux.ENODEV)
	}
	var out crash.Trace
	if !crash.Backtrace(c, to, &out) {
		return c, linux.Fail(linux.ETIMEDOUT)
	}
	if !t.Space.CopyOut(c, uintptr(f.SI), unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}

func irqInfo(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) || f.SI > 255 {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, (*[256]uint64)(unsafe.Pointer(vectorCounts.On(uint32(f.DI))))[f.SI]
}

func memInfo(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	s := mem.ReadStats(c)
	out := abi.Mem{
		TotalPages: s.Total, FreePages: s.Free, ReservePages: s.Reserve,
		KernelPages: mem.Kernel.Charged(), Faults: mem.Kernel.Faults,
		StacksMade: sched.StacksMade(), StackHigh: sched.StackHigh(c), StackSize: sched.StackSize,
	}
	if !t.Space.CopyOut(c, uintptr(f.DI), unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}

func traceRead(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= uint64(percpu.Count()) {
		return c, linux.Fail(linux.EINVAL)
	}
	var r trace.Record
	if !trace.Last(percpu.Get(uint32(f.DI)), f.SI, &r) {
		return c, linux.Fail(linux.EAGAIN)
	}
	out := abi.TraceRecord{TimeNS: int64(clock.At(r.TSC)), Kind: uint32(r.Kind), Thread: r.Thread, A: r.A, B: r.B}
	if !t.Space.CopyOut(c, uintptr(f.DX), unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, 0
}
