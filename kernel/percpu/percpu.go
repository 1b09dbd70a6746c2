// Package percpu is the private block of each CPU and the table of all CPUs.
//
// GS base holds the block's address whenever core code runs. Functions of the
// core take the block as an argument, c *percpu.CPU, which says "the CPU that
// runs this": after a call that may switch threads the caller goes on with the
// block that the call returned. tools/cpucheck finds those that do not.
//
// Layer: core.
// Context: interrupts off, or a block that cannot go away.
// Locks: none; the comment at each group of fields says which CPU writes it.
// Manual: Intel SDM vol. 2B, "SWAPGS".
// Chapter: docs/08-starting-cpus.md.
package percpu

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
)

// Max is the limit on CPU numbers; the tables are made for the CPUs there are.
const Max = 4096

// CPU is the private block of one CPU. Its 64-byte lines are grouped by the CPU
// that writes them.
type CPU struct {
	// Entry state: written by this CPU alone. The entry stubs of package trap use
	// these fields by the offsets below.
	self     uintptr // own address: GS:0
	StackTop uintptr // kernel stack of the current thread
	StackLow uintptr // its lowest address
	KernelG  uintptr // fake g of the current thread
	KernelFS uintptr // FS base while core code runs
	UserFS   uintptr // FS base to return with
	Scratch  uintptr // one register, for the first instructions of an entry
	Current  uintptr // *sched.Thread

	// This CPU alone.
	Resched   uint32 // 1: switch threads before leaving the core
	Retick    uint32 // 1: look before leaving the core whether this CPU must tick; beside Resched: see MustLook
	ThreadID  uint32 // of the current thread; 0 is the idle thread
	LockDepth uint8  // debug builds: locks held
	WokenBy   uint8  // vector of the last interrupt that came in the core
	NoFault   uint8  // 1: a page fault of a user access fails at once
	Depth     uint8  // interrupts nested in the core, in the idle loop and windows: a stack has no room for 100
	LockRanks [8]uint8
	TracePos  uint64 // bytes of trace records begun, see trace.Begin; an NMI may interleave; others read it
	Entered   uint64 // debug builds: counter value at entry to the core
	Longest   uint64 // debug builds: longest stretch in the core, ticks
	EnteredAt uint64 // debug builds: vector and system call of the entry
	LongestAt uint64 // debug builds: EnteredAt of the longest stretch

	// This CPU alone, seldom.
	Space       uintptr // *mem.Space of the program whose tables are loaded
	CallTicks   uint64  // counter ticks spent on calls of other CPUs in one period of the rate limit
	CallPeriod  uint64  // the counter when that period began
	WatchTick   uint64  // the watchdog's time when it last saw its neighbour alive
	Watched     uint64  // that neighbour's TickAt
	PanicTop    uintptr // stack for the panic report
	Urgent      uint32  // 1: an allocation for a program may use half of the kernel's reserve
	MachinePoll uint32  // when to look for corrected machine checks, in seconds of the clock
	Machine     uintptr // *cpu.MachineRecord

	// Read mostly: written before the CPU comes online.
	ID            uint32  // dense, 0 is the boot CPU; index arrays with it
	abi.Processor         // the CPU's ids in hardware and firmware
	Logical       uint32  // its logical destination: cluster in the upper half, one bit in the lower; 0 for none
	Memory        uintptr // *cpus.memory: all that is this CPU's
	Trace         uintptr // ring of trace records
	Sched         uintptr // *sched.runQueue
	Counts        uintptr // *[abi.Counters]uint64, interrupts by vector, and others
	IPI           uintptr // *ipi.Stats

	// Written by other CPUs.
	FlushRequests atom.Uint64 // TLB flushes requested
	Pending       atom.Uint32 // requests to this CPU: bits of package ipi
	NMIRequests   atom.Uint32 // the purpose of the next NMI: bits of package crash
	Go            atom.Uint32 // 1: may join; see handshake.go
	OutLeft       atom.Uint32 // CPUs that have not ended this CPU's call
	_             [4]byte
	Profile       atom.Uint64  // *profile.buffer, 0 before the first profile
	Devices       atom.Uintptr // *intr.vectors, 0 before a device's interrupt goes to this CPU
	_             [16]byte

	// Written by this CPU, read by others.
	Stage     atom.Uint32 // how far the CPU's start came
	State     atom.Uint32 // Offline to Gone
	FlushDone atom.Uint64 // TLB flushes done
	Ticks     atom.Uint64 // timer ticks
	TickAt    atom.Uint64 // counter value of the last tick; the heartbeat
	Switches  atom.Uint64 // thread switches
	StopFrame atom.Uintptr
	Code      atom.Uint32 // why it is not online: Code*
	Boot      bool        // IA32_APIC_BASE bit 8
	NMIsDue   uint8       // NMIs that may come although their requests have been taken
	_         [2]byte
	Step      atom.Uint32 // how far it has come on its way offline: Step*
	Lazy      atom.Uint32 // 1: Space is loaded, but the current thread does not need it
	OutFunc   atom.Uint64 // the call that it makes to other CPUs
	OutWord   atom.Uint64
	Called    atom.Uint64 // the sum of the words of CallCount
	Callers   Mask        // CPUs whose call waits for this CPU, which set their own bits
	magic     uint64      // marks a block that was not overwritten
	Program   uint64      // number of the address space of the program that ran last, 0 for none
	Random    uintptr     // *random.Generator

	// Written by this CPU while it starts: the counter at each stage.
	StageAt [abi.Stages]uint64

	// The clock's, where it is made of the CPUs' own counters (clock.held). Written by this CPU; before it joins,
	// by the one that starts it.
	ClockAdd   atom.Uint64  // what this CPU adds to its own time, in nanoseconds modulo 2^64
	ClockSkew  atom.Uint64  // an injected fault: what its counter is ahead, in nanoseconds modulo 2^64
	Locks      uintptr      // *lock.Stats; set before the CPU comes online
	TraceKinds uint32       // bits of the kinds of event that this CPU records, 0 before it has a ring
	Banks      uint32       // machine-check banks; set before the CPU comes online
	Reading    atom.Uintptr // *linux.File to which this CPU takes a reference, or *linux.timer or *linux.Task that it uses: see linux.fileTable.get, seenPlace.name
	Refused    uint64       // requests for memory that were refused on this CPU; this CPU alone
	_          [16]byte

	// What other CPUs' requests are about (mem/posted.go). They write these words when they are 0; this CPU makes them 0.
	FlushPages [FlushSlots]atom.Uint64 // translations to drop
	FlushAll   atom.Uint64             // 1: drop all of them
	FlushLate  atom.Uint64             // 1: drop all of them before Space is needed again

	// The area in which this CPU brought in a page last (mem/quick.go). This CPU alone.
	AreaSpace uint64 // number of the space
	AreaSeq   uint64 // its areas have not changed as long as this is its number of changes
	AreaStart uintptr
	AreaEnd   uintptr
	AreaBits  uint64 // of the entries of its pages
	AreaProt  uint8
	_         [7]byte
	// Written by this CPU, read by others.
	Charge atom.Uint64 // pages that Space has got on this CPU, less those that it has lost
	_      [8]byte
}

// FlushSlots is how many requests for single translations can wait; with one more, all are dropped.
const FlushSlots = 6

// Values of Code.
const (
	CodeNone     = iota
	CodeFeatures // it lacks what the boot CPU has and the kernel uses
)

// The groups begin on lines of their own.
var (
	_ [64]byte  = [unsafe.Offsetof(CPU{}.Resched)]byte{}
	_ [4]byte   = [unsafe.Offsetof(CPU{}.Retick) - unsafe.Offsetof(CPU{}.Resched)]byte{} // see MustLook
	_ [128]byte = [unsafe.Offsetof(CPU{}.Space)]byte{}
	_ [192]byte = [unsafe.Offsetof(CPU{}.ID)]byte{}
	_ [256]byte = [unsafe.Offsetof(CPU{}.FlushRequests)]byte{}
	_ [320]byte = [unsafe.Offsetof(CPU{}.Stage)]byte{}
	_ [448]byte = [unsafe.Offsetof(CPU{}.StageAt)]byte{}
	_ [576]byte = [unsafe.Offsetof(CPU{}.ClockAdd)]byte{}
	_ [640]byte = [unsafe.Offsetof(CPU{}.FlushPages)]byte{}
	_ [704]byte = [unsafe.Offsetof(CPU{}.AreaSpace)]byte{}
	_ [768]byte = [unsafe.Sizeof(CPU{})]byte{}
)

// SelfOffset is where a block holds its own address.
const SelfOffset = unsafe.Offsetof(CPU{}.self)

// Count adds one to a counter: that of a vector, or abi.CountUnclaimed and so on.
//
// Context: on c.
func (c *CPU) Count(counter uint64) {
	if c.Counts != 0 && counter < abi.Counters {
		(*[abi.Counters]uint64)(unsafe.Pointer(c.Counts))[counter]++
	}
}

// MustLook reports whether Resched or Retick is set.
//
// Context: on c.
func (c *CPU) MustLook() bool { return *(*uint64)(unsafe.Pointer(&c.Resched)) != 0 }

// BeLazy records that the current thread does not need the loaded space. A plain store would do:
// what the CPU has read and written before comes before it. Space.Enter is the way back.
//
// Context: on c.
func (c *CPU) BeLazy() {
	if c.Lazy.Load() == 0 {
		c.Lazy.Store(1)
	}
}

// This returns the block of the CPU that runs the call.
//
// Context: interrupts off until the last use of the result. Otherwise the thread
// may go on on another CPU, with the block of the first.
func This() *CPU

// Init makes c the valid block of CPU id. All other fields of c are zero.
func (c *CPU) Init(id uint32) {
	c.self = uintptr(unsafe.Pointer(c))
	c.magic = magic
	c.ID = id
}

const magic = 0x4d75737465724350 // "MusterCP"

// Valid reports whether c is the block of a registered CPU and was not overwritten.
// Debug builds check that at each entry to the core.
func Valid(c *CPU) bool {
	return c.magic == magic && c.self == uintptr(unsafe.Pointer(c)) && c.ID < Count() && Get(c.ID) == c
}

// Damage makes a block invalid, to test whether debug builds notice.
func Damage(c *CPU) { c.magic++ }

// Addr returns the block's address, the value for GS base.
func (c *CPU) Addr() uintptr { return c.self }

// table holds the blocks by CPU number: count of them valid, room for limit.
var table struct {
	base  atom.Uintptr // *[limit]*CPU
	count atom.Uint32
	limit uint32
}

var first [1]*CPU // until SetTable

// Register adds a block; its ID is the next number. It reports false when the
// table is full.
//
// Context: one CPU at a time; others may read meanwhile.
func Register(c *CPU) bool {
	n := table.count.Load()
	if table.base.Load() == 0 {
		table.base.Store(uintptr(unsafe.Pointer(&first)))
		table.limit = 1
	}
	if n == table.limit {
		return false
	}
	*slot(n) = c
	table.count.Store(n + 1) // publishes the block; pairs with the Load in Count
	return true
}

// SetTable moves the table to memory with room for n pointers at base.
//
// Context: before the second CPU is registered, so that no other CPU reads the old one.
func SetTable(base uintptr, n uint32) {
	have := table.count.Load()
	for i := uint32(0); i < have; i++ {
		*(**CPU)(unsafe.Pointer(base + uintptr(i)*8)) = *slot(i)
	}
	table.limit = n
	table.base.Store(base)
}

func slot(i uint32) **CPU {
	return (**CPU)(unsafe.Pointer(table.base.Load() + uintptr(i)*8))
}

// Count returns how many CPUs are registered; their numbers are below it.
func Count() uint32 { return table.count.Load() }

// Limit returns how many CPUs the table has room for.
func Limit() uint32 { return table.limit }

// Find returns the block of the CPU with a number, nil if no CPU has it.
func Find(number int) *CPU {
	if number < 0 || uint64(number) >= uint64(Count()) {
		return nil
	}
	return Get(uint32(number))
}

// Get returns the block of CPU i, which is below Count.
func Get(i uint32) *CPU { return *slot(i) }
