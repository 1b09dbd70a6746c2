package abi

// TestCalls is the table of the private system calls that are for tests and benchmarks of
// the kernel in itself, in the form of Calls. Package selftest answers them.
type TestCalls interface {
	// Crash breaks the core on purpose. It returns for a kind whose effect comes
	// later; EINVAL for an unknown kind.
	//muster:core breakCore
	Crash(kind int) error

	// TestIPI sends an IPI to a CPU, which may be this one, and waits for the
	// answer. ETIMEDOUT.
	//muster:core testIPI
	TestIPI() error

	// Measure does an operation of the core up to 100 times, and returns the
	// nanoseconds of all repetitions, without the code around them. EINVAL; ENODEV:
	// there is no local APIC.
	//muster:core measure
	//muster:inner
	Measure(kind, times int) (ns uint64, err error)

	// TestTimers arms or withdraws n of the TestTimers timers for tests, from first on, which
	// lie in one piece of 200. what is a constant such as TimersArm. EINVAL, ENOMEM.
	//muster:core testTimers
	TestTimers(what, first, n int, ns uint64) (count uint64, err error)

	// IPIFaults makes IPIs fail: one of every drop is lost, one of every dup is
	// sent twice, each is sent delayNS late; 0 for none.
	//muster:core ipiFaults
	//muster:inner
	IPIFaults(drop, dup uint64, delayNS int64)

	// AuditCount returns how often a class of privileged operations, a cpu.Class,
	// was executed. EINVAL: this is not a debug build, which alone counts them.
	//muster:core auditCount
	//muster:inner
	AuditCount(class int) (count uint64, err error)

	// Pin makes the calling thread run on one CPU alone, or anywhere again with AnyCPU. The
	// caller has locked its goroutine to the thread. ENODEV: the CPU is not online.
	//muster:core pin
	//muster:blocking
	Pin(cpu int) error

	// CrossCall runs a function of package cross on a CPU, or on all, and returns
	// the CPU that made the call. EINVAL; ENODEV: the CPU is not online; ETIMEDOUT:
	// a CPU did not answer, the log names it.
	//muster:core crossCall
	CrossCall(cpu int, function, word uint64) (from int, err error)

	// CrossCount returns the sum of the words of all calls of CallCount on a CPU. EINVAL.
	//muster:core crossCount
	//muster:inner
	CrossCount(cpu int) (sum uint64, err error)

	// HoldPages takes pages of memory one by one, as a program's page faults do, and keeps them. With 0 pages it gives all
	// back that it has kept. The caller has pinned its thread.
	//muster:core holdPages
	//muster:blocking
	HoldPages(pages int) (held *Held)

	// PrepareMitigations makes what CallMitigations and CallControls need. ENOMEM.
	//muster:core prepareMitigations
	//muster:blocking
	//muster:inner
	PrepareMitigations() error

	// ReadMitigations returns what CallMitigations and CallControls have found on a
	// CPU. EINVAL.
	//muster:core readMitigations
	//muster:inner
	ReadMitigations(cpu int) (found *Mitigations, err error)

	// BeginSequences makes room for the numbers of CallSequence, all 0. EBUSY: a
	// test is running; ENOMEM.
	//muster:core beginSequences
	//muster:blocking
	BeginSequences() error

	// LastSequence returns the last number that a CPU had from a caller. EINVAL.
	//muster:core lastSequence
	LastSequence(cpu, caller int) (number uint32, err error)

	// EndSequences frees the room, and returns how many calls came out of order.
	// EINVAL: no test is running.
	//muster:core endSequences
	//muster:blocking
	EndSequences() (disorder uint64, err error)
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
	CrashLock            // wrong lock order, which debug builds notice
	CrashHang            // a CPU that spins without end, which the watchdog notices
	CrashGuard           // a store below the kernel stack
	CrashText            // a store to text
	CrashExec            // a jump to data
	CrashNested          // a panic within the panic
	CrashDecoder         // a panic, and a page fault of the decoder of its report
	CrashBlock           // an overwritten per-CPU block, which debug builds notice
	CrashDeadlock        // a lock that is never released
	CrashFrame           // recursion with large frames
	CrashIST             // a store below the stack of NMIs
	CrashDeaf            // this CPU turns its interrupts off, which the watchdog notices when the CPU is idle
	CrashTimer           // this CPU's timer stops, which the watchdog notices

	// Interrupts are off for too long, which debug builds notice with stretch=.
	CrashStretch        // from a system call to its end
	CrashStretchWindow  // between two windows for interrupts
	CrashStretchSwitch  // with a switch of threads in it
	CrashStretchInside  // in an interrupt of a window
	CrashStretchOutside // in an interrupt of code outside the core

	// An object is used after it was freed, which debug builds notice.
	CrashFreedPointer // a pointer in it is followed
	CrashFreedLock    // a lock in it is taken
	CrashFreedStore   // something is stored to it
	CrashFreedTwice   // it is freed again

	// An exception or interrupt of the core.
	CrashUndefined  // UD2
	CrashProtection // a load from an address that is not canonical
	CrashBreakpoint // INT3
	CrashDouble     // a page fault without a gate, nor one for the fault that this is: a double fault
	CrashStep       // a single step, which does no harm
	CrashSpurious   // a spurious interrupt, which does no harm
	CrashAPIC       // an error of the local APIC, which is logged
	CrashUnclaimed  // an interrupt without an owner, which is ended
)

// Held is the result of HoldPages.
type Held struct {
	Node  uint32 // of the CPU
	Last  uint32 // node of the page that was taken last
	Taken uint64 // pages
	Own   uint64 // of them, pages of the CPU's node
}

// Kinds of Measure.
const (
	MeasureSend       = iota // request a reschedule
	MeasureHandle            // handle it, between entry and exit of the interrupt
	MeasureInterrupt         // handle it, with entry and exit
	MeasureEmpty             // entry and exit of an interrupt whose handler does nothing
	MeasureSendCall          // request a call, of one CPU
	MeasureHandleCall        // handle it, between entry and exit
	MeasureArm               // arm a timer
	MeasureCancel            // withdraw a timer
	MeasureSwitch            // two threads on one CPU, which both make the call, switch to each other: 2 switches for each time
	MeasureKinds
)

// TestTimers is how many timers there are for tests.
const TestTimers = 100_000

// What TestTimers does.
const (
	TimersArm      = iota // on this CPU, spread over a second, which begins ns from now
	TimersArmEqual        // on this CPU, all at the time ns
	TimersCancel          // returns how many had not expired
	TimersExpired         // returns how many have expired since the boot
	TimersMove            // gives this CPU timers of CPU first, of any purpose; returns 1 if there are more
)

// Functions of CrossCall. Those from CallFuncs on are the core's own.
const (
	CallNop         = iota // does nothing
	CallCount              // adds the word to the CPU's counter
	CallSequence           // checks that the calls of each CPU come in order, each once
	CallControls           // records the CPU's control registers
	CallMitigations        // tries the CPU's mitigations
	CallSpin               // keeps the CPU busy for the word's nanoseconds
	CallBlocks             // allocates and frees blocks of memory, whose sizes the word decides
	CallFuncs              // how many

	CallHolds    = CallFuncs     // package intr: whether the CPU still has an interrupt of a line that was moved
	CallKeep     = CallFuncs + 1 // package private: the timekeeper makes a check
	CallWarp     = CallFuncs + 2 // package private: two CPUs compare their time-stamp counters
	CallGiveBack = CallFuncs + 3 // package mem: the CPU gives the frames back that it has cached
	AllCallFuncs = CallFuncs + 4 // how many, those of the core too
)

// AllCPUs stands for all CPUs in CrossCall, AnyCPU for any CPU in Pin.
const (
	AllCPUs = -1
	AnyCPU  = -1
)

// Mitigations is what CallMitigations found when it tried a CPU's mitigations, and
// the control registers that CallControls read. The first six are error codes of
// page faults, with bit 63 set, or 0 for no page fault.
type Mitigations struct {
	FetchOff, FetchOn uint64 // a fetch from a user page, without SMEP and with
	LoadOff, LoadOn   uint64 // a load from a user page, without SMAP and with
	FetchData         uint64 // a fetch from the kernel's data: NX
	StoreText         uint64 // a store to the kernel's text: CR0.WP
	CR0, CR4, XCR0    uint64
	EFER, PAT, Star   uint64
	LStar, FMask      uint64
	DR7, LDTR         uint64
	SysenterCS        uint64
	Spec, APICBase    uint64 // IA32_SPEC_CTRL; IA32_APIC_BASE without the boot CPU's bit
	Hidden            uint64 // the bits of IA32_MISC_ENABLE with which firmware hides features
}
