package cpus

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/random"
	"muster/kernel/sched"
	"muster/kernel/trace"
	"muster/kernel/trap"
	"muster/kernel/upcall"
)

// memory is everything that belongs to one CPU, allocated before the CPU starts.
type memory struct {
	cpu    percpu.CPU // not the boot CPU's block, which is needed before there is memory
	tables trap.Block
	queue  [sched.QueueBytes]byte
	idle   sched.Thread
	stacks trap.Stacks

	idleLow, idleTop uintptr
	stopAt           uint32 // injected: the stage at which the CPU halts
	features         cpu.Features
	adjust           cpu.TSCAdjust
	counter          counterCheck
	machine          cpu.MachineRecord
	random           random.Generator
}

func memoryOf(c *percpu.CPU) *memory { return (*memory)(unsafe.Pointer(c.Memory)) }

// FeaturesOf returns the features that a CPU found when it started.
func FeaturesOf(c *percpu.CPU) *cpu.Features { return &memoryOf(c).features }

// AdjustOf returns what a CPU's IA32_TSC_ADJUST held when it started.
func AdjustOf(c *percpu.CPU) *cpu.TSCAdjust { return &memoryOf(c).adjust }

// Per-CPU objects that every CPU has from its start.
var (
	vectorCounts mem.PerCPU // [abi.Counters]uint64, interrupts by vector, and others
	ipiCounts    mem.PerCPU // ipi.Stats
	lockCounts   mem.PerCPU // lock.Stats
)

// VectorCounts returns how often each vector has interrupted a CPU. The CPU may
// increment the counters at the same time.
func VectorCounts(id uint32) *[abi.Counters]uint64 {
	return (*[abi.Counters]uint64)(unsafe.Pointer(vectorCounts.On(id)))
}

// InitBoot gives the boot CPU its memory, descriptor tables and stacks.
//
// Context: boot CPU, once, when memory can be allocated.
func InitBoot(c *percpu.CPU) {
	mem.InitPerCPU()
	mem.InitFrameCaches(c)
	var ok, also, all bool
	_, vectorCounts, ok = mem.AllocPerCPU(c, abi.Counters*8, nil) //cpucheck:stays no other thread runs: breathe is nil
	_, ipiCounts, also = mem.AllocPerCPU(c, ipi.StatsBytes, nil)  //cpucheck:stays no other thread runs: breathe is nil
	_, lockCounts, all = mem.AllocPerCPU(c, lock.StatsBytes, nil) //cpucheck:stays no other thread runs: breathe is nil
	if !ok || !also || !all {
		upcall.Panic(c, "cpus: no memory for the boot CPU's counters", 0, 0)
	}
	m := newMemory(c)
	m.attach(c, c)
	trap.Init(true)
	m.tables.Load(c, &m.stacks)
}

// InitIdle makes the idle thread of the boot CPU, and returns its stack top, and the FS
// base and g that code on the stack runs with.
//
// Context: boot CPU, after InitBoot.
func InitIdle(c *percpu.CPU) (top, fs, g uintptr) {
	m := memoryOf(c)
	Online.Init(uintptr(unsafe.Pointer(&oneCPU[0])), 1)
	sched.InitIdle(uintptr(unsafe.Pointer(&oneCPU[1])), 1)
	sched.InitNear(uintptr(unsafe.Pointer(&oneCPU[3])), 1)
	c.Callers.Init(uintptr(unsafe.Pointer(&oneCPU[2])), 1)
	Online.Set(0)
	mem.InitSpaces(&Online)
	mem.SetMaxCPUs(1)
	m.prepareThread(c)
	return m.idleTop, m.idle.FSBase(), m.idle.GAddr()
}

// Online is the set of the CPUs that are online.
var Online percpu.Mask

// State returns the state of a CPU as others may rely on it. A CPU that has joined is Ready until
// it is in the set of CPUs that are online: before that, what looks at the set refuses it.
func State(o *percpu.CPU) uint32 {
	entered := Online.Has(o.ID) // in this order: it may enter in between
	s := o.State.Load()
	if s == percpu.Online && !entered {
		return percpu.Ready
	}
	return s
}

var oneCPU [4]uint64 // masks for one CPU, until SetLimit

// commonStack is the size of the stack for most vectors: a frame lies there
// until it is copied.
const commonStack = layout.PageSize

func newMemory(c *percpu.CPU) *memory {
	return (*memory)(unsafe.Pointer(mem.AllocMapped(c, unsafe.Sizeof(memory{}), 64)))
}

// attach gives CPU to its stacks, counters and trace ring, on CPU c. Every stack lies
// between guard pages.
func (m *memory) attach(c, to *percpu.CPU) {
	m.stacks = trap.Stacks{
		Common:  stack(c, commonStack, layout.PageSize),
		NMI:     stack(c, trap.ISTSize, trap.ISTSize),
		Double:  stack(c, trap.ISTSize, trap.ISTSize),
		Machine: stack(c, trap.ISTSize, trap.ISTSize),
		Debug:   stack(c, trap.ISTSize, trap.ISTSize),
	}
	m.idleTop = stack(c, sched.StackSize, layout.PageSize)
	m.idleLow = m.idleTop - sched.StackSize
	to.PanicTop = stack(c, crash.PanicStack, layout.PageSize)
	to.Counts = vectorCounts.On(to.ID)
	to.IPI = ipiCounts.On(to.ID)
	to.Locks = lockCounts.On(to.ID)
	to.Memory = uintptr(unsafe.Pointer(m))
	to.Machine = uintptr(unsafe.Pointer(&m.machine))
	to.Random = uintptr(unsafe.Pointer(&m.random))
	trace.Begin(to, mem.AllocMapped(c, trace.Bytes, layout.PageSize)) // last
}

// prepareThread makes the CPU's run queue and idle thread anew.
func (m *memory) prepareThread(c *percpu.CPU) {
	sched.PrepareCPU(c, uintptr(unsafe.Pointer(&m.queue)), &m.idle, m.idleLow, m.idleTop)
}

func stack(c *percpu.CPU, size, align uintptr) (top uintptr) {
	return mem.AllocMapped(c, size, align) + size
}

// NMIStackLow returns the lowest address of a CPU's stack for NMIs.
func NMIStackLow(c *percpu.CPU) uintptr { return memoryOf(c).stacks.NMI - trap.ISTSize }

// StackBelow returns the name and the CPU of the stack whose guard page addr lies
// in. See upcall.Table.
func StackBelow(addr uintptr) (name string, id uint32) {
	for id = range percpu.Count() {
		c := percpu.Get(id)
		if c.Memory == 0 {
			continue
		}
		m := memoryOf(c)
		for _, s := range [7]struct {
			name string
			low  uintptr
		}{
			{"interrupt", m.stacks.Common - commonStack}, {"NMI", m.stacks.NMI - trap.ISTSize},
			{"double fault", m.stacks.Double - trap.ISTSize}, {"machine check", m.stacks.Machine - trap.ISTSize},
			{"debug", m.stacks.Debug - trap.ISTSize}, {"idle", m.idleLow}, {"panic", c.PanicTop - crash.PanicStack},
		} {
			if addr < s.low && addr >= s.low-layout.PageSize {
				return s.name, id
			}
		}
	}
	return "", 0
}
