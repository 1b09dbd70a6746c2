// Package abi is the private system-call interface between the core and the
// kernel's own Go code: the calls, and the structures that they fill in.
//
// Calls and TestCalls, in calls.go and testcalls.go, are the one home of the calls. The
// tool gencalls makes everything else from them: the numbers here, a Go function for
// each call in package kcall, the dispatch in packages private and selftest, and the list in
// docs/10-system-calls.md. A ring-3 program that uses one of the numbers gets ENOSYS.
//
// Layer: core.
// Context: constants and plain data.
// Locks: none.
// Chapter: docs/10-system-calls.md.
package abi

// Boot is the content of the boot information.
type Boot struct {
	Protocol      uint32  // 1 multiboot2, 2 PVH
	TSCSource     uint32  // clock.Source
	CommandLine   uintptr // text in the kernel's memory
	CommandLength uintptr
	RSDP          uint64  // physical address, 0 if the loader provided none
	RSDPCopy      uintptr // a copy in the kernel's memory that the loader provided instead, or 0
	RSDPLength    uintptr
	Regions       uintptr // *[RegionCount]Region in the kernel's memory: whole pages of RAM that nothing occupied at boot, sorted
	RegionCount   uintptr
	Modules       uintptr // *[ModuleCount]Module in the kernel's memory
	ModuleCount   uintptr
	Framebuffer   Framebuffer
	TSCHz         uint64
	TimerHz       uint64
	X2APIC        uint64  // X2Mode, X2Given; 0: xAPIC mode
	DirectMap     uintptr // virtual address of physical 0 in the direct map
	Aside         uint64  // physical address of the range that keeps the log over a reset, 0 if there is none
	Before        uintptr // a copy of what the boot before left there, for package persist
	BeforeLength  uintptr // 0 if there was no header
}

// Bits of Boot.X2APIC.
const (
	X2Mode  = 1 << iota // local APICs run in x2APIC mode
	X2Given             // the boot CPU's APIC was in that mode when the kernel began
)

// Reset is the status with which Finish starts the machine again.
const Reset = 1 << 8

// MaxSteps is the largest number of steps that Finish takes.
const MaxSteps = 16

// Step is one access to a register, in the sequence that powers off or resets. See
// package power.
type Step struct {
	Op     uint32
	Memory uint32 // 1: Addr is a virtual address, 0: a port
	Bytes  uint32 // 1, 2 or 4
	Mask   uint32
	Value  uint32
	_      uint32
	Addr   uintptr
	WaitNS uint64
}

// Ops of Step.
const (
	StepWrite = iota
	StepModify
	StepAwait
)

// Region is an entry of the memory map, with the types of the firmware's E820.
type Region struct {
	Start, Length uint64
	Type          uint32
	_             uint32
}

// Module is a file that the loader loaded: where it lies in physical memory, the
// virtual address at which the kernel reads it, and the text that the loader gives with it.
type Module struct {
	Start, End uint64
	Addr       uintptr
	Text       uintptr // in the kernel's memory
	TextLength uintptr
}

// Types of Region.
const (
	RegionRAM      = 1
	RegionReserved = 2
	RegionACPI     = 3 // tables, reclaimable
	RegionNVS      = 4
	RegionBad      = 5
)

// Framebuffer describes the loader's framebuffer; Address is 0 without one.
type Framebuffer struct {
	Address              uint64
	Pitch, Width, Height uint32
	BitsPerPixel, Kind   uint8 // Kind: 0 indexed, 1 RGB, 2 text
	RedPos, RedSize      uint8
	GreenPos, GreenSize  uint8
	BluePos, BlueSize    uint8
}

// LogEntry is the head of a log record.
type LogEntry struct {
	TimeNS int64
	Length uint32
	CPU    uint32
	Level  uint32
	_      uint32
}

// IRQ flags: how the line is wired, and how its interrupts are handled.
const (
	IRQLow   = 1 << 0 // active low
	IRQLevel = 1 << 1

	// NMIPin says that a local interrupt pin is an NMI. The flags of pin 0 are in
	// bits 0 to 7 of a word of pins, those of pin 1 in bits 8 to 15.
	NMIPin = 1 << 7

	ActionEvent   = 0 // level lines are masked; the eventfd counts
	ActionConsole = 1 // the console's port; the eventfd counts when there is input
	ActionStdio   = 2 // the port of PortStdio; the eventfd counts when PortsChanged has work
	ActionControl = 3 // the port of PortControl; the eventfd counts when there is input
	ActionNothing = 4 // nothing serves the device: for tests
)

// Counters of a CPU after those of its 256 vectors, for IRQCount.
const (
	CountErrors     = 256                // by bit of the local APIC's error status register, 8 of them
	CountUnclaimed  = CountErrors + 8    // interrupts with a vector that means nothing
	CountSpurious7  = CountUnclaimed + 1 // spurious interrupts of the first 8259
	CountSpurious15 = CountSpurious7 + 1 // and of the second
	Counters        = CountSpurious15 + 1
)

// Further flags of a line.
const (
	IRQMessage = 1 << 2 // the line is a device's MSI
	IRQNMI     = 1 << 6 // the line is an NMI source: it interrupts without a vector
	IRQMasked  = 1 << 3 // IRQLine: masked, by the handler or by the kernel
	IRQLeaving = 1 << 4 // IRQLine: a move is not settled
	IRQStuck   = 1 << 5 // IRQLine: masked, because it interrupts without a device that claims it
)

// MaxIRQAPICID is the highest APIC id that a device interrupt reaches: without interrupt remapping, a
// destination has 8 bits, in an entry of an I/O APIC and in an MSI, and 255 means all CPUs.
//
// Source: Intel 82093AA data sheet, "I/O Redirection Table Registers"; Intel SDM vol. 3A,
// "Message Address Register Format".
const MaxIRQAPICID = 254

// IRQName is the length of a line's name.
const IRQName = 24

// IRQRequest says what BindIRQ is to claim.
type IRQRequest struct {
	GSI, Flags uint32
	Action     uint32
	CPU        uint32 // to which it goes
	EventFD    int64
	Name       [IRQName]byte // of the device, padded with zeros
}

// IRQLine is the state of a line.
type IRQLine struct {
	GSI, Flags  uint32
	Action      uint32
	CPU, Vector uint32 // where it goes, and as what
	OldCPU      uint32 // with IRQLeaving: where it went before the move
	OldVector   uint32
	APICID      uint32        // of CPU
	Strays      uint64        // interrupts that no device has claimed; of level-triggered lines
	Name        [IRQName]byte // padded with zeros
}

// Ports says which serial ports have the console's output.
type Ports struct {
	Addr    uintptr // the console's first register: a port, or an address
	Memory  uint32  // 1: an address
	Mirrors uint32  // further ports, for output alone
}

// SerialPort is a serial port from which the kernel receives, and what came.
type SerialPort struct {
	Addr     uintptr // its first register: a port, or an address
	Memory   uint64  // 1: an address
	Received uint64  // bytes
	Overruns uint64  // times at which the UART said that bytes were lost
	Dropped  uint64  // bytes for which the kernel had no room
}

// Terminals: the two halves of the console. 0 is both.
const (
	TerminalSerial = 1
	TerminalScreen = 2
)

// Serial ports for programs.
const (
	PortStdio   = 0 // descriptors 0 and 1
	PortControl = 1 // words of the other end; descriptor 2, if UsePorts says so
	PortConsole = 2 // the console's, for SerialPort alone
)

// Processor is one CPU as the firmware lists it: the record goes from the MADT to the
// CPU's own block.
type Processor struct {
	APICID uint32 `json:"apic_id"` // the hardware's name for it; there may be gaps
	UID    uint32 `json:"acpi_id"` // the firmware's name for it, the ACPI Processor UID
	Pins   uint32 `json:"-"`       // its local interrupt pins that are NMIs, see NMIPin

	// CPUs whose APIC ids are equal without so many bits share a core, a die, a package.
	Shifts [3]uint8 `json:"-"`
	Home   uint8    `json:"-"` // 1 and the number of its node, 0 if nothing says which
}

// CPU is the result of CPUInfo.
type CPU struct {
	Processor
	State, Stage uint32
	Code         uint32 // why it is not online: percpu.Code*
	Step         uint32 // how far it has come on its way offline: percpu.Step*
	BSP          uint32
	ThreadID     uint32
	Ticks        uint64
	Switches     uint64
	Interrupts   uint64 // without exceptions
	IdleNS       uint64
	RanNS        uint64              // it ran threads, since its first start
	Wakes        [WakeReasons]uint64 // how often it has left its halt
	LongestNS    uint64              // debug builds: longest stretch with interrupts off
	LongestAt    uint64              // debug builds: the entry at which it began: vector<<32 | system call
	Features     [14]uint32          // for cpu.FromWords
	Adjust       int64               // its IA32_TSC_ADJUST when it started
	ApartNS      int64               // by how much its time-stamp counter was ahead when it started; negative: late
	Adjusted     uint32              // AdjustHas, AdjustWritten, AdjustRefused
	_            uint32
}

// Bits of CPU.Adjusted.
const (
	AdjustHas     = 1 << iota // it has IA32_TSC_ADJUST
	AdjustWritten             // it got the boot CPU's value
	AdjustRefused             // it was to get that, and did not take it
)

// WakeReasons is the number of reasons for which an idle CPU wakes up: its tick, a timer,
// a thread that another CPU has for it, another IPI, a device.
const WakeReasons = 5

// Stages is the number of stages of a CPU's start, plus one.
const Stages = 16

// StageTimes has the time at which a CPU reached each stage of its start, in
// nanoseconds since boot; 0 where it is not known.
type StageTimes [Stages]int64

// BacktraceDepth is the largest number of return addresses in a backtrace.
const BacktraceDepth = 24

// Backtrace is where a CPU was when the NMI of call Backtrace arrived.
type Backtrace struct {
	N    uint32                 // addresses in PC
	Ring uint32                 // 0 or 3
	PC   [BacktraceDepth]uint64 // of instructions, the innermost first
}

// SampleDepth is the largest number of addresses in a Sample, and SampleRate the largest
// number of samples a second.
const (
	SampleDepth = 40
	SampleRate  = 1000
)

// Sample is what a CPU executed at one moment, for a profile.
type Sample struct {
	Thread uint32
	N      uint32              // addresses in PC
	Name   [16]byte            // of the thread
	PC     [SampleDepth]uint64 // of an instruction, then the return addresses of its callers; in the lower half, a program's
}

// SampleCounts counts the moments at which a CPU was to record a sample, and did not.
type SampleCounts struct {
	Lost uint64 // its buffer was full
	Busy uint64 // it had not recorded the sample before
	Late uint64 // the CPU that makes it record was late
}

// Thread is the result of ThreadInfo for one thread.
type Thread struct {
	ID, Process uint32
	CPU         uint32
	Ring        uint32
	RanNS       uint64 // a CPU ran it
	WaitedNS    uint64 // it was ready, and no CPU ran it; Unknown where the CPUs' counters differ too much
	SleptNS     uint64 // neither; or Unknown
	Switches    uint64
	StackUsed   uint64 // deepest use of its kernel stack, in bytes
	Class       Class
	Priority    int32  // 1 to 99 in the real-time classes, the nice value in the fair class
	Bound       uint32 // 1: it may not run on all CPUs, see ThreadCPUs
	_           uint32
	State       [8]byte
	Name        [16]byte
}

// Unknown stands for a time that is not known.
const Unknown = 1<<64 - 1

// Class is by what rule a thread gets a CPU.
type Class uint32

// Classes, the first before the others.
const (
	ClassKernel     Class = iota // the kernel's own threads
	ClassFIFO                    // strict priorities
	ClassRoundRobin              // the same, and threads of one priority take turns
	ClassFair                    // shares by weight
	ClassIdle                    // what the others leave
	Classes
)

// ClassName returns what listings call a class.
func ClassName(c Class) string {
	return [Classes + 1]string{"kernel", "FIFO", "RR", "fair", "idle", "?"}[min(c, Classes)]
}

// SchedCounters is the number of counters of a CPU in SchedCPU, SchedListed that of the waiting threads.
const (
	SchedCounters = 10
	SchedListed   = 16
)

// SchedCPU is the result of SchedInfo: a CPU's queue.
type SchedCPU struct {
	Thread  uint32 // that runs, 0 for none
	Class   Class  // of the thread that runs or is about to, ClassIdle for none
	Waiting uint32 // threads
	_       uint32
	// How often a thread that became ready went, by a choice of this CPU, to the CPU that ran it last, to one that shares
	// a core, a die, a package or a node with that, to another idle one, or waited as none was idle; then how often
	// this CPU stole a thread, and how often one made room here for a better one although it could go on.
	Counts [SchedCounters]uint64
	Runs   SchedThread              // the thread of the fair class that runs, if one does
	List   [SchedListed]SchedThread // the first ones that wait, up to an ID of 0
}

// SchedThread is how a thread stands in a queue.
type SchedThread struct {
	ID      uint32
	Class   Class
	Weight  uint64
	AheadNS int64 // virtual time, less the average of the queue: what it has got above its share
	DueNS   int64 // virtual deadline, less the average
}

// Standing is what a program's first thread begins with, and hands down to those that it makes.
type Standing struct {
	Nice     int32
	Bound    uint32 // 1: it may run on no other CPUs than those of the field CPUs
	Policy   uint32 // PolicyFair to PolicyIdle
	Priority int32  // of PolicyFIFO and PolicyRoundRobin, 1 to 99, else 0
	CPUs     CPUSet
}

// Policies, with Linux's numbers.
//
// Source: sched(7), "Scheduling policies"; include/uapi/linux/sched.h.
const (
	PolicyFair       = 0 // SCHED_OTHER
	PolicyFIFO       = 1 // SCHED_FIFO
	PolicyRoundRobin = 2 // SCHED_RR
	PolicyIdle       = 5 // SCHED_IDLE
)

// CPUSet is a set of CPUs: CPU n is bit n%64 of word n/64.
type CPUSet [64]uint64

// Mem is the result of MemInfo.
type Mem struct {
	TotalPages, FreePages, ReservePages uint64
	KernelPages                         uint64 // of the kernel's Go runtime
	StacksMade                          uint64 // kernel stacks in existence
	StackHigh                           uint64 // deepest use of the kernel stacks that are free now, in bytes
	StackSize                           uint64
	Faults                              uint64 // of the kernel's Go runtime
	ZeroPages, ZeroMost                 uint64 // pages that idle CPUs have cleared ahead of time; how many all CPUs may have
	ZeroCleared, ZeroUsed               uint64 // pages cleared so since the boot; of them, those that were allocated
}

// NodeStart says that the memory from a frame on is of a NUMA node, up to the frame of the next NodeStart.
type NodeStart struct{ Frame, Node uint32 }

// NodeUnit is how many frames in a row are of one node, at least: each NodeStart begins with a multiple of it.
const NodeUnit = 1024

// Orders is how many sizes of blocks of memory there are: 2^n pages, from 4 KiB to 1 GiB.
const Orders = 19

// MemNode is the result of NodeInfo.
type MemNode struct {
	TotalPages, FreePages uint64
	SinglePages           uint64         // of the free ones, those given back that are in no block yet
	FreshPages            uint64         // of the free ones, those that were never used
	Blocks                [Orders]uint64 // free blocks of each size
}

// MemCache is the result of CacheInfo: objects of one size.
type MemCache struct {
	Name   [16]byte // padded with zeros
	Size   uint64   // of an object, in bytes
	InUse  uint64   // objects
	Free   uint64   // objects that any CPU can have
	OfCPUs uint64   // free objects that CPUs have of their own
	Bytes  uint64   // of memory that all of them have
}

// TraceRecord is one event of a CPU's ring.
type TraceRecord struct {
	TimeNS int64
	Seq    uint64 // counted from 0 since the CPU's start
	Kind   uint32
	Thread uint32
	A, B   uint64
}
