package private

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/cpus"
	"muster/kernel/crash"
	"muster/kernel/cross"
	"muster/kernel/ipi"
	"muster/kernel/linux"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trace"
	"muster/kernel/trap"
	"muster/kernel/vector"
)

// Information about CPUs, IPIs, interrupts and memory.

func cpuInfo(c *percpu.CPU, t *linux.Task, number int, info uintptr) (*percpu.CPU, uint64) {
	o := percpu.Find(number)
	if o == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	out := abi.CPU{
		State: cpus.State(o), Stage: o.Stage.Load(), Code: o.Code.Load(), Step: o.Step.Load(), ThreadID: o.ThreadID,
		Ticks: o.Ticks.Load(), Switches: o.Switches.Load(),
		IdleNS:    uint64(clock.Span(sched.IdleTicks(o))),
		RanNS:     uint64(clock.Span(sched.RunTicks(o))),
		Wakes:     sched.Wakes(o),
		LongestNS: uint64(clock.Span(o.Longest)), LongestAt: o.LongestAt,
		Features: cpus.FeaturesOf(o).Words(),
	}
	cpu.Move16(unsafe.Pointer(&out.Processor), unsafe.Pointer(&o.Processor))
	for _, n := range cpus.VectorCounts(o.ID)[vector.Exceptions:256] { // the CPU counts on, without a lock
		out.Interrupts += n
	}
	out.ApartNS = cpus.CounterApart(o)
	if a := cpus.AdjustOf(o); a.Has {
		out.Adjust, out.Adjusted = a.Found, abi.AdjustHas
		if a.Written {
			out.Adjusted |= abi.AdjustWritten
		}
		if a.Refused {
			out.Adjusted |= abi.AdjustRefused
		}
	}
	if o.Boot {
		out.BSP = 1
	}
	return c, copyOut(c, t, info, &out, 0)
}

func schedInfo(c *percpu.CPU, t *linux.Task, cpu int, info uintptr) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	var out abi.SchedCPU
	sched.View(c, o, &out)
	return c, copyOut(c, t, info, &out, 0)
}

func irqCount(c *percpu.CPU, _ *linux.Task, cpu, vector int) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil || vector < 0 || vector >= abi.Counters {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, cpus.VectorCounts(o.ID)[vector]
}

func ipiCount(c *percpu.CPU, _ *linux.Task, cpu int, kind, counter uint32) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil || kind >= uint32(ipi.Kinds) || counter >= uint32(ipi.Counters) {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, ipi.Read(o, ipi.Kind(kind), ipi.Counter(counter))
}

func lockCount(c *percpu.CPU, _ *linux.Task, cpu int, rank, counter uint32) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil || rank >= uint32(lock.Ranks) || counter >= uint32(lock.Counters) {
		return c, linux.Fail(linux.EINVAL)
	}
	n := lock.Counter(counter)
	v := lock.Read(o, lock.Rank(rank), n)
	if n.IsTime() {
		v = uint64(clock.Span(v))
	}
	return c, v
}

// ipiRules chooses destinations, and the share of a CPU's time that calls may take.
func ipiRules(c *percpu.CPU, _ *linux.Task, physical bool, percent int) (*percpu.CPU, uint64) {
	if percent < 1 || percent > 100 || percpu.Count() > 1 {
		return c, linux.Fail(linux.EINVAL)
	}
	if physical {
		ipi.UsePhysical()
	}
	cross.SetShare(uint64(percent))
	return c, 0
}

func backtrace(c *percpu.CPU, t *linux.Task, cpu int, trace uintptr) (*percpu.CPU, uint64) {
	to := percpu.Find(cpu)
	if to == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	if to == c || !to.IsOnline() || apic.Legacy() {
		return c, linux.Fail(linux.ENODEV)
	}
	var out abi.Backtrace
	if !crash.Backtrace(c, to, &out) {
		return c, linux.Fail(linux.ETIMEDOUT)
	}
	return c, copyOut(c, t, trace, &out, 0)
}

func memInfo(c *percpu.CPU, t *linux.Task, info uintptr) (*percpu.CPU, uint64) {
	c, high := sched.StackHigh(c)
	ahead := mem.ReadAhead() // before the CPUs give it back
	s := mem.Count(c)        // a slab of which CPUs have objects that are free is no free memory yet
	out := abi.Mem{
		TotalPages: s.Total, FreePages: s.Free, ReservePages: s.Reserve,
		KernelPages: mem.Kernel.Charged(), Faults: mem.Kernel.Faults(),
		StacksMade: sched.StacksMade(), StackHigh: high, StackSize: sched.StackSize,
		ZeroPages: ahead.Pages, ZeroMost: ahead.Most, ZeroCleared: ahead.Cleared, ZeroUsed: ahead.Used,
	}
	return c, copyOut(c, t, info, &out, 0)
}

func traceKinds(c *percpu.CPU, _ *linux.Task, kinds uint32) (*percpu.CPU, uint64) {
	old := trace.SetKinds(kinds)
	trap.RecordCalls(trace.Records(trace.Syscall))
	return c, uint64(old)
}

// maxTraceRead bounds the events of one call, which interrupts wait for.
const maxTraceRead = 128

func traceRead(c *percpu.CPU, t *linux.Task, cpu int, seq int64, records uintptr, n uint64) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	end := uint64(seq) + 1
	if seq == -1 {
		end = trace.Next(o)
	}
	done := uint64(0)
	for ; end > 0 && done < min(n, maxTraceRead); end-- {
		var r trace.Record
		state := trace.Read(o, end-1, &r)
		if state == trace.Gone {
			break
		}
		if state == trace.Unwritten {
			continue
		}
		out := abi.TraceRecord{TimeNS: int64(clock.At(r.TSC)), Seq: end - 1, Kind: uint32(r.Kind), Thread: r.Thread, A: r.A, B: r.B}
		if !t.Space.CopyOut(c, records+uintptr(done)*unsafe.Sizeof(out), unsafe.Pointer(&out), unsafe.Sizeof(out)) {
			return c, linux.Fail(linux.EFAULT)
		}
		done++
	}
	return c, done
}
