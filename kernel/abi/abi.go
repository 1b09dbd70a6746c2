// Package abi is the private system-call interface between the core and the
// kernel's own Go code: numbers, and the structures that calls fill in.
//
// The numbers lie above Linux's. A ring-3 program that uses one gets ENOSYS.
//
// Layer: core.
// Context: constants and plain data.
// Locks: none.
// Chapter: docs/10-system-calls.md.
package abi

// First is the lowest private number.
const First = 0x1000

// Private system calls. Arguments are in the order of the registers; pointers
// are to the types below. Errors are Linux's.
const (
	Log          = First + iota // level, text, length
	ReadLog                     // position, *LogEntry, text, length -> next position; EAGAIN at the end
	SetLogLevel                 // level
	Finish                      // status or Reset, *Step, number of steps: ends the machine
	BootInfo                    // *Boot
	MapPhys                     // address, length, 0 read-only or 1 device -> virtual address
	AddIOAPIC                   // id, address, first GSI -> inputs
	BindIRQ                     // GSI, flags, action, eventfd -> vector
	UnmaskIRQ                   // GSI
	SetNMI                      // pins: of the calling CPU, two bytes of NMI flags
	ConsoleRead                 // buffer, length -> bytes
	SetCPULimit                 // number of CPUs: makes room, once
	PrepareCPU                  // APIC id, ACPI id, pins -> CPU number
	Trampoline                  // page address, stage to halt at, ns to be late, 1 to spoil it; 0 ends its use
	SendINIT                    // APIC id
	SendStartup                 // APIC id, page address
	Proceed                     // *uint32, n, 1 if again: lets CPUs that are online take part -> how many are not
	CPUInfo                     // CPU, *CPU
	StageTimes                  // CPU, *[16]int64: ns since boot at each stage of its start, 0 unknown
	IPIFaults                   // drop and dup each so-many-th message, delay in ns
	IPIRules                    // 1 for physical destinations, percent of time for calls
	AuditRead                   // cpu.Class -> count; EINVAL without a debug build
	IPICount                    // CPU, ipi.Kind, ipi.Counter -> count
	Pin                         // CPU or ^0 for any: of the calling thread
	Backtrace                   // CPU, *crash.Trace; ETIMEDOUT
	Protections                 // CPU, *[16]uint64: what cross.Guards and cross.Controls found
	Sequences                   // SequenceBegin, SequenceEnd -> disorder; or SequenceLast, CPU, caller -> number
	CrossCall                   // CPU or ^0 for all, function, word -> the calling CPU; ETIMEDOUT
	CrossCount                  // CPU -> what cross.Count has added there
	ThreadInfo                  // lowest id, *Thread -> id; ESRCH at the end
	IRQInfo                     // CPU, vector -> count
	MemInfo                     // *Mem
	TraceRead                   // CPU, number back from the newest, *TraceRecord; EAGAIN when there is none
	NewProcess                  // name, length -> process, a handle for the calls below
	MapProcess                  // process, address, length, rights
	WriteProcess                // process, address, data, length
	StartProcess                // process, instruction pointer, stack pointer
	WaitProcess                 // process -> status
	KillProcess                 // process, signal
	DropProcess                 // process, not started
	Crash                       // kind: breaks the core on purpose, for tests
	SelfTest                    // kind: runs a test inside the core -> result
	Measure                     // kind, times up to 100: an operation of the core -> ns in all
	end
)

// Count is the number of private system calls.
const Count = end - First

// Boot is what the boot information said.
type Boot struct {
	Protocol      uint32  // 1 multiboot2, 2 PVH
	TSCSource     uint32  // clock.Source
	CommandLine   uintptr // text in the kernel's memory
	CommandLength uintptr
	RSDP          uint64  // physical address, 0 if the loader gave none
	RSDPCopy      uintptr // a copy in the kernel's memory that the loader gave instead, or 0
	RSDPLength    uintptr
	Regions       uintptr // *[RegionCount]Region in the kernel's memory
	RegionCount   uintptr
	Modules       uintptr // *[ModuleCount]Module in the kernel's memory
	ModuleCount   uintptr
	Framebuffer   Framebuffer
	TSCHz         uint64
	TimerHz       uint64
	X2APIC        uint64  // X2Mode, X2Given; 0: xAPIC mode
	DirectMap     uintptr // virtual address of physical 0 in the direct map
}

// Bits of Boot.X2APIC.
const (
	X2Mode  = 1 << iota // local APICs run in x2APIC mode
	X2Given             // the boot CPU's did when the kernel began
)

// Reset, as the status of Finish, says that the machine is to start again.
const Reset = 1 << 8

// MaxSteps is how many steps Finish takes.
const MaxSteps = 16

// Step is one access to a register, on the way to power off or reset. See package power.
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

// Module is a file that the loader brought, in physical memory.
type Module struct{ Start, End uint64 }

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

// IRQ flags: how the line is wired, and who handles it.
const (
	IRQLow   = 1 << 0 // active low
	IRQLevel = 1 << 1

	// NMIPin says that a local interrupt pin is an NMI. The flags of pin 0 are in
	// bits 0 to 7 of a word of pins, those of pin 1 in bits 8 to 15.
	NMIPin = 1 << 7

	ActionEvent   = 0 // level lines are masked; the eventfd counts
	ActionConsole = 1 // COM1; the eventfd counts when there is input
)

// CPU is what CPUInfo tells of one CPU.
type CPU struct {
	APICID, ACPIID uint32
	State, Stage   uint32
	Code           uint32 // why it does not take part: percpu.Code*
	_              uint32
	BSP            uint32
	ThreadID       uint32
	Ticks          uint64
	Switches       uint64
	IdleNS         uint64
	LongestNS      uint64     // debug builds: longest stretch with interrupts off
	LongestAt      uint64     // debug builds: what began it: vector<<32 | system call
	Features       [13]uint32 // for cpu.FromWords
}

// Thread is what ThreadInfo tells of one thread.
type Thread struct {
	ID, Process uint32
	CPU         uint32
	Ring        uint32
	RanNS       uint64
	Switches    uint64
	StackUsed   uint64 // deepest use of its kernel stack, in bytes
	State       [8]byte
	Name        [16]byte
}

// Mem is what MemInfo tells.
type Mem struct {
	TotalPages, FreePages, ReservePages uint64
	KernelPages                         uint64 // of the kernel's Go runtime
	StacksMade                          uint64 // kernel stacks in existence
	StackHigh                           uint64 // deepest use of those that are free now, in bytes
	StackSize                           uint64
	Faults                              uint64 // of the kernel's Go runtime
}

// TraceRecord is one event of a CPU's ring.
type TraceRecord struct {
	TimeNS int64
	Kind   uint32
	Thread uint32
	A, B   uint64
}

// Kinds of Crash.
const (
	CrashPanic    = iota // a panic by call
	CrashBounds          // an index out of range
	CrashNil             // a nil dereference
	CrashDivide          // a division by zero
	CrashOverflow        // endless recursion
	CrashSyscall         // SYSCALL on a core stack
	CrashHeap            // an allocation
	CrashLock            // wrong lock order, debug builds
	CrashHang            // a CPU that spins for ever: the watchdog's case
	CrashGuard           // a store below the kernel stack
	CrashText            // a store to text
	CrashExec            // a jump to data
	CrashNested          // a panic within the panic
	CrashBlock           // an overwritten per-CPU block, which debug builds notice
	CrashDeadlock        // a lock that is never released
	CrashFrame           // recursion with large frames
	CrashIST             // a store below the stack of NMIs
	CrashDeaf            // this CPU takes no interrupts any more: the watchdog's case, when it is idle
	CrashTimer           // this CPU's timer stops: the watchdog's other case
)

// Operations of Sequences.
const (
	SequenceBegin = iota // makes room for each CPU's last numbers, all 0
	SequenceLast         // the last number that a CPU had from a caller
	SequenceEnd          // frees the room -> calls that came out of order
)

// Kinds of Measure.
const (
	MeasureSend       = iota // ask for a reschedule
	MeasureHandle            // answer it, between entry and exit of the interrupt
	MeasureInterrupt         // answer it, with entry and exit
	MeasureSendCall          // ask for a call, of one CPU
	MeasureHandleCall        // answer it, between entry and exit
	MeasureKinds
)

// Kinds of SelfTest.
const (
	TestYield = iota // a yield, and no more
	TestIPI          // an IPI to another CPU, or to this one, answered
)
