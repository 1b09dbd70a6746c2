package main

import (
	"fmt"
	"iter"
	"math/bits"
	"runtime"
	"slices"
	"strings"
	"time"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/options"
	"muster/kernel/percpu"
	"muster/kernel/shell"
	"muster/kernel/thermal"
	"muster/kernel/trace"
	"muster/kernel/vector"
	"muster/trampoline"
)

// system implements the shell's interface by calls to the core.
type system struct {
	*hardware
	opts options.Options
	info *abi.Boot

	terminal int // of the programs that it starts: of package abi, 0 for the whole console

	sensor thermal.Sensor
	before shell.LastBoot
}

var stateNames = []string{"offline", "booting", "ready", "online", "leaving", "leaving"}

func (s *system) CPUs() (list []shell.CPU) {
	drained := irq.Drained()
	for i := 0; ; i++ {
		c, err := kcall.CPUInfo(i)
		if err != nil {
			return list
		}
		row := shell.CPU{CPU: i, APICID: c.APICID, UID: c.UID, BSP: c.BSP != 0, State: stateNames[c.State],
			Stage: trampoline.StageName(c.Stage), Ticks: c.Ticks, Switches: c.Switches, Interrupts: c.Interrupts, IdleNS: c.IdleNS, RunNS: c.RanNS, Wakes: c.Wakes, Longest: c.LongestNS}
		f := cpu.FromWords(c.Features)
		row.Core = f.Core().String()
		row.Drained = drained[i] && c.State == percpu.Online
		if c.State != percpu.Online {
			row.IdleNS = 0 // it counts as idle from boot on, but it does nothing
		}
		if c.LongestNS != 0 {
			row.LongestF = fmt.Sprintf("vector %d, AX %d", c.LongestAt>>32, uint32(c.LongestAt))
		}
		list = append(list, row)
	}
}

func (s *system) Firmware() shell.Firmware {
	return shell.Firmware{Tables: s.tables, Err: s.err, Topology: s.top}
}

func (s *system) IRQs() (list []shell.IRQ) {
	n := len(s.CPUs())
	for v := range 256 {
		if v >= vector.DeviceFirst && v <= vector.DeviceLast {
			continue // a device's vector means another line on each CPU
		}
		row := shell.IRQ{Vector: v, Name: vector.Name(uint64(v)), Counts: make([]uint64, n)}
		switch {
		case v == vector.PIC:
			row.Name = "8254 timer"
			if apic.Mode() == apic.SharedHPET {
				row.Name = "HPET timer"
			}
		case v > vector.PIC && v < vector.PIC+16:
			row.Name = fmt.Sprintf("8259 input %d", v-vector.PIC)
		}
		for i := range n {
			row.Counts[i] = kcall.IRQCount(i, v)
		}
		if slices.Max(row.Counts) == 0 {
			continue
		}
		list = append(list, row)
	}
	for i, name := range otherCounters() {
		row := shell.IRQ{Vector: vector.Error, Name: name, Counts: make([]uint64, n)}
		switch i {
		case abi.CountUnclaimed:
			row.Vector = -1
		case abi.CountSpurious7:
			row.Vector = vector.PIC + 7
		case abi.CountSpurious15:
			row.Vector = vector.PIC + 15
		}
		for cpu := range n {
			row.Counts[cpu] = kcall.IRQCount(cpu, i)
		}
		if slices.Max(row.Counts) > 0 {
			list = append(list, row)
		}
	}
	for _, l := range irq.Lines() {
		row := shell.IRQ{Vector: l.Vector, Name: l.Name, Counts: make([]uint64, n), Line: l.Label, Trigger: l.Trigger,
			Polarity: l.Polarity, CPU: &l.CPU, Allowed: l.Allowed, State: l.State, Strays: l.Strays, Balanced: l.Balanced}
		copy(row.Counts, l.Counts)
		list = append(list, row)
	}
	return list
}

func (s *system) SerialPorts() (list []shell.SerialPort) {
	for port, use := range map[int]string{abi.PortConsole: "console", abi.PortStdio: "stdio", abi.PortControl: "control"} {
		p, err := kcall.SerialPort(port)
		if err != nil {
			continue // not in use
		}
		list = append(list, shell.SerialPort{Address: uint64(p.Addr), Memory: p.Memory != 0, For: use,
			Received: p.Received, Overruns: p.Overruns, Dropped: p.Dropped})
	}
	slices.SortFunc(list, func(a, b shell.SerialPort) int { return strings.Compare(a.For, b.For) })
	return list
}

// otherCounters names the counters of a CPU that are not a vector's, in their order.
func otherCounters() iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i := abi.CountErrors; i < abi.CountUnclaimed; i++ {
			if !yield(i, apic.ErrorName(uint64(i-abi.CountErrors))) {
				return
			}
		}
		_ = yield(abi.CountUnclaimed, "unclaimed") && yield(abi.CountSpurious7, "spurious, 8259 IRQ 7") &&
			yield(abi.CountSpurious15, "spurious, 8259 IRQ 15")
	}
}

func (s *system) Affinity(line string, cpus []int) error { return irq.SetAffinity(line, cpus) }
func (s *system) DrainCPU(cpu int) error                 { return irq.Drain(cpu) }
func (s *system) AdmitCPU(cpu int) error                 { return irq.Admit(cpu) }
func (s *system) ResumeIRQ(line string) error            { return irq.Resume(line) }

// field returns the text in a fixed array that ends at the first zero.
func field(b []byte) string {
	text, _, _ := strings.Cut(string(b), "\x00")
	return text
}

func (s *system) IPIs() (list []shell.IPI) {
	n := len(s.CPUs())
	for k := range ipi.Kinds {
		m := shell.IPI{Kind: k.String()}
		for x := range ipi.Counters {
			row := shell.Counter{Name: x.String(), Counts: make([]uint64, n)}
			for i := range n {
				row.Counts[i] = kcall.IPICount(i, k, x)
			}
			m.Counters = append(m.Counters, row)
		}
		list = append(list, m)
	}
	return list
}

func (s *system) Locks() (list []shell.LockClass) {
	for r := lock.Rank(1); r < lock.Ranks; r++ {
		class := shell.LockClass{Class: lock.Class(r)}
		for i := range s.CPUs() {
			class.CPUs = append(class.CPUs, shell.LockCounts{
				Contended: kcall.LockCount(i, r, lock.Contended), OutOfTurn: kcall.LockCount(i, r, lock.OutOfTurn), Wait: kcall.LockCount(i, r, lock.Waited),
				LongestWait: kcall.LockCount(i, r, lock.LongestWait), LongestHold: kcall.LockCount(i, r, lock.LongestHold),
			})
		}
		list = append(list, class)
	}
	return list
}

func (s *system) Audit() (list []shell.Audited) {
	for x := range cpu.Classes {
		n, ok := kcall.AuditCount(x)
		if !ok {
			return nil
		}
		list = append(list, shell.Audited{Class: x.String(), Count: n})
	}
	return list
}

func (s *system) Threads() (list []shell.Thread) {
	for _, t := range kcall.Threads() {
		row := shell.Thread{ID: t.ID, Process: t.Process, Name: field(t.Name[:]), Ring: t.Ring, CPU: t.CPU,
			State: field(t.State[:]), Class: abi.ClassName(t.Class), Priority: t.Priority, RunNS: t.RanNS,
			WaitNS: known(t.WaitedNS), SleepNS: known(t.SleptNS), Switches: t.Switches}
		if t.Bound != 0 {
			if set, err := kcall.ThreadCPUs(t.ID); err == nil { // else it has ended meanwhile
				row.CPUs = members(set)
			}
		}
		list = append(list, row)
	}
	return list
}

func (s *system) Sched(cpu int) (shell.SchedCPU, error) {
	c, err := kcall.SchedInfo(cpu)
	if err != nil {
		return shell.SchedCPU{}, err
	}
	row := shell.SchedCPU{CPU: cpu, Thread: c.Thread, Class: abi.ClassName(c.Class), Waiting: c.Waiting, Counts: c.Counts, List: []shell.SchedThread{}}
	if o, err := kcall.CPUInfo(cpu); err == nil {
		row.Switches = o.Switches
	}
	if c.Runs.ID != 0 {
		runs := shownThread(c.Runs)
		row.Runs = &runs
	}
	for _, t := range c.List {
		if t.ID == 0 {
			break
		}
		row.List = append(row.List, shownThread(t))
	}
	return row, nil
}

// shownThread returns how a thread stands in a queue, in the form of the shell.
func shownThread(t abi.SchedThread) shell.SchedThread {
	return shell.SchedThread{ID: t.ID, Class: abi.ClassName(t.Class), Weight: t.Weight, AheadNS: t.AheadNS, DueNS: t.DueNS}
}

// known returns a time of the core's, nil for abi.Unknown.
func known(ns uint64) *uint64 {
	if ns == abi.Unknown {
		return nil
	}
	return &ns
}

// members returns the numbers of the CPUs in a set.
func members(set *abi.CPUSet) []int {
	list := []int{}
	for i, w := range set {
		for ; w != 0; w &= w - 1 {
			list = append(list, 64*i+bits.TrailingZeros64(w))
		}
	}
	return list
}

func (s *system) Memory() shell.Memory {
	caches := cacheList() // before the CPUs give back what they have
	m := kcall.MemInfo()
	high := m.StackHigh
	for _, t := range kcall.Threads() {
		high = max(high, t.StackUsed)
	}
	var r runtime.MemStats
	runtime.ReadMemStats(&r)
	return shell.Memory{
		Nodes: nodeList(), Caches: caches,
		Total: m.TotalPages * layout.PageSize, Free: m.FreePages * layout.PageSize, Reserve: m.ReservePages * layout.PageSize,
		Kernel: m.KernelPages * layout.PageSize, HeapAlloc: r.HeapAlloc, HeapSys: r.HeapSys, GCs: r.NumGC, Faults: m.Faults,
		Zeroed: shell.Zeroed{Bytes: m.ZeroPages * layout.PageSize, Most: m.ZeroMost * layout.PageSize, Cleared: m.ZeroCleared, Used: m.ZeroUsed},
		Stacks: m.StacksMade, StackHigh: high, StackSize: m.StackSize, Goroutines: runtime.NumGoroutine(),
	}
}

// nodeList returns the state of the memory of all nodes.
func nodeList() (list []shell.NodeMemory) {
	for i := 0; ; i++ {
		n, err := kcall.NodeInfo(i)
		if err != nil {
			return list
		}
		list = append(list, shell.NodeMemory{
			Total: n.TotalPages * layout.PageSize, Free: n.FreePages * layout.PageSize,
			Fresh: n.FreshPages * layout.PageSize, Single: n.SinglePages * layout.PageSize, Blocks: n.Blocks,
		})
	}
}

// cacheList returns the state of all caches of kernel objects, and of the kernel stacks.
func cacheList() (list []shell.ObjectCache) {
	for i := 0; ; i++ {
		k, err := kcall.CacheInfo(i)
		if err != nil {
			return list
		}
		name, _, _ := strings.Cut(string(k.Name[:]), "\x00")
		list = append(list, shell.ObjectCache{Name: name, Size: k.Size, InUse: k.InUse, Free: k.Free + k.OfCPUs, OfCPUs: k.OfCPUs, Bytes: k.Bytes})
	}
}

func (s *system) Temperature() int { return s.sensor.Celsius() }

func (s *system) Log() (list []shell.LogLine) {
	for _, e := range kcall.ReadLog() {
		list = append(list, shell.LogLine{TimeNS: int64(e.Time), CPU: e.CPU, Level: e.Level, Text: e.Text})
	}
	return list
}

func (s *system) LastBoot() shell.LastBoot { return s.before }

func (s *system) Uptime() shell.Uptime {
	return shell.Uptime{UpNS: kcall.UpTime(), Date: time.Now().UTC().Format(time.RFC3339)}
}

func (s *system) Trace(id int, from uint64) (list []shell.Event) {
	for _, r := range kcall.Trace(id, from) {
		list = append(list, shell.Event{TimeNS: r.TimeNS, CPU: id, Seq: r.Seq, Thread: r.Thread, Event: trace.Kind(r.Kind).String(), A: r.A, B: r.B})
	}
	return list
}

func (s *system) TraceKinds(kinds uint32) (old uint32) { return kcall.TraceKinds(kinds) }

func (s *system) StartProfile(cpu, rate int) error { return kcall.StartProfile(cpu, uint32(rate)) }

func (s *system) StopProfile() (quiet bool) { return kcall.StopProfile() == nil }

func (s *system) Samples(cpu int) (list []abi.Sample) {
	batch := make([]abi.Sample, 16)
	for {
		n, err := kcall.ReadProfile(cpu, batch)
		list = append(list, batch[:n]...)
		if err != nil || n < len(batch) {
			return list
		}
	}
}

func (s *system) SampleCounts(cpu int) abi.SampleCounts {
	n, err := kcall.ProfileCounts(cpu)
	if err != nil {
		return abi.SampleCounts{}
	}
	return *n
}

func (s *system) End(status int) { s.off(status) }

func (s *system) Reboot() { s.reset() }

func (s *system) Instructions() bool { return s.opts.Counted }
