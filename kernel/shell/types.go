package shell

import "muster/kernel/abi"

// The rows of the listings. Times are nanoseconds, sizes bytes, addresses numbers.

// CPU is one CPU.
type CPU struct {
	CPU        int                     `json:"cpu"`
	APICID     uint32                  `json:"apic_id"`
	UID        uint32                  `json:"acpi_id"`
	BSP        bool                    `json:"bsp"`
	Core       string                  `json:"core,omitempty"` // kind of core, on machines with several kinds
	State      string                  `json:"state"`          // offline, booting, ready, online
	Stage      string                  `json:"stage"`          // how far the CPU's start came
	Ticks      uint64                  `json:"ticks"`
	Switches   uint64                  `json:"switches"`
	Interrupts uint64                  `json:"interrupts"` // those of the timer too
	IdleNS     uint64                  `json:"idle_ns"`
	RunNS      uint64                  `json:"run_ns"`               // since its first start
	Wakes      [abi.WakeReasons]uint64 `json:"wakes"`                // from its halt: tick, timer, thread, IPI, device
	Drained    bool                    `json:"drained,omitempty"`    // no line of a device goes to it, by irq drain
	Longest    uint64                  `json:"longest_ns,omitempty"` // debug builds: longest stretch with interrupts off
	LongestF   string                  `json:"longest_in,omitempty"` // debug builds: the entry at which it began
}

// ACPI is the firmware's tables.
type ACPI struct {
	RSDP   uint64      `json:"rsdp"` // physical address, 0 if the loader passed a copy
	From   string      `json:"from"` // XSDT or RSDT
	Tables []ACPITable `json:"tables"`
}

// ACPIDump is one table with its bytes.
type ACPIDump struct {
	Signature string `json:"signature"`
	Address   uint64 `json:"address"`
	Data      []byte `json:"data"`
}

// ACPITable is one table.
type ACPITable struct {
	Signature string `json:"signature"`
	Address   uint64 `json:"address"`
	Length    uint32 `json:"length"`
	Revision  uint8  `json:"revision"`
	OEMID     string `json:"oem_id"`
	TableID   string `json:"oem_table_id"`
	Checksum  string `json:"checksum"` // ok, or the error
}

// IRQ is one vector that has interrupted some CPU, or a line that a device's driver has
// claimed. The fields from Line on are a line's.
type IRQ struct {
	Vector   int      `json:"vector"` // of a line: on the CPU to which it goes; -1 for any
	Name     string   `json:"name"`
	Counts   []uint64 `json:"counts"`             // by CPU
	Line     string   `json:"line,omitempty"`     // the GSI, or msi0 and so on
	Trigger  string   `json:"trigger,omitempty"`  // edge, level, msi
	Polarity string   `json:"polarity,omitempty"` // high, low
	CPU      *int     `json:"cpu,omitempty"`      // to which it goes
	Allowed  []int    `json:"allowed,omitempty"`  // CPUs to which it may go; absent for all
	State    string   `json:"state,omitempty"`    // open, masked, moving, stuck
	Balanced uint64   `json:"balanced,omitempty"` // how often the balancer has moved it
	Strays   uint64   `json:"strays,omitempty"`   // interrupts that no device has claimed; of level-triggered lines
}

// SerialPort is a serial port from which the kernel receives.
type SerialPort struct {
	Address  uint64 `json:"address"` // of its first register: a port, or memory's
	Memory   bool   `json:"memory"`
	For      string `json:"for"` // console, stdio, control
	Received uint64 `json:"received"`
	Overruns uint64 `json:"overruns"` // times at which the UART said that bytes were lost
	Dropped  uint64 `json:"dropped"`  // bytes for which the kernel had no room
}

// IPI is one kind of IPI, and what has happened to IPIs of that kind.
type IPI struct {
	Kind     string    `json:"kind"`
	Counters []Counter `json:"counters"`
}

// Counter is how often something has happened on each CPU.
type Counter struct {
	Name   string   `json:"name"`
	Counts []uint64 `json:"counts"` // by CPU
}

// LockClass is the locks of one rank, and how long each CPU has waited for them.
type LockClass struct {
	Class string       `json:"class"`
	CPUs  []LockCounts `json:"cpus"`
}

// LockCounts is what one CPU has met at the locks of one class.
type LockCounts struct {
	Contended   uint64 `json:"contended"`   // times that the lock was not free
	OutOfTurn   uint64 `json:"out_of_turn"` // of them, those in which a CPU that did not run was passed
	Wait        uint64 `json:"wait_ns"`     // in all
	LongestWait uint64 `json:"longest_wait_ns"`
	LongestHold uint64 `json:"longest_hold_ns,omitempty"` // debug builds
}

// Audited is a class of privileged operations, and how often it was executed.
type Audited struct {
	Class string `json:"class"`
	Count uint64 `json:"count"`
}

// Thread is one thread.
type Thread struct {
	ID       uint32 `json:"id"`
	Process  uint32 `json:"process"`
	Name     string `json:"name"`
	Ring     uint32 `json:"ring"`
	CPU      uint32 `json:"cpu"`            // that runs it, or ran it last
	State    string `json:"state"`          // running, ready, parked, new, dead
	Class    string `json:"class"`          // kernel, FIFO, RR, fair, idle
	Priority int32  `json:"priority"`       // FIFO and RR: 1 to 99; fair: the nice value
	CPUs     []int  `json:"cpus,omitempty"` // on which it may run; absent for all
	RunNS    uint64 `json:"run_ns"`
	// Absent where the CPUs' counters differ too much: how long it was ready and no CPU ran it, and how long it slept.
	WaitNS   *uint64 `json:"wait_ns,omitempty"`
	SleepNS  *uint64 `json:"sleep_ns,omitempty"`
	Switches uint64  `json:"switches"`
}

// Process is the threads of one process.
type Process struct {
	Process  uint32  `json:"process"`
	Name     string  `json:"name"` // of its first thread
	Threads  int     `json:"threads"`
	Running  int     `json:"running"`
	Ready    int     `json:"ready"`
	RunNS    uint64  `json:"run_ns"` // the sums of the threads that it has now
	WaitNS   *uint64 `json:"wait_ns,omitempty"`
	Switches uint64  `json:"switches"`
}

// SchedCPU is the queue of a CPU.
type SchedCPU struct {
	CPU      int    `json:"cpu"`
	Thread   uint32 `json:"thread"` // that runs, 0 for none
	Class    string `json:"class"`  // of it, idle for none
	Waiting  uint32 `json:"waiting"`
	Switches uint64 `json:"switches"`
	// Where threads went for which this CPU chose: the CPU before, one of its core, die, package, node, another idle one, none
	// that was idle; then steals and preemptions.
	Counts [abi.SchedCounters]uint64 `json:"counts"`
	Runs   *SchedThread              `json:"runs,omitempty"` // the thread that runs, if it is of the fair class
	List   []SchedThread             `json:"list"`           // the first threads that wait
}

// SchedThread is how a thread stands in a queue.
type SchedThread struct {
	ID      uint32 `json:"id"`
	Class   string `json:"class"`
	Weight  uint64 `json:"weight"`   // fair class: 1024 at nice 0
	AheadNS int64  `json:"ahead_ns"` // virtual time, less the average of the queue
	DueNS   int64  `json:"due_ns"`   // virtual deadline, less the average
}

// Node is CPUs and memory that are near each other.
type Node struct {
	Node      int    `json:"node"`
	Domain    uint32 `json:"domain"` // the firmware's number
	CPUs      []int  `json:"cpus"`
	Bytes     uint64 `json:"bytes"`     // of memory, as the firmware says
	Free      uint64 `json:"free"`      // of it
	Distances []int  `json:"distances"` // to each node, 10 to itself; empty where the firmware says nothing
}

// Memory is the state of memory.
type Memory struct {
	Total      uint64 `json:"total"`
	Free       uint64 `json:"free"`
	Reserve    uint64 `json:"reserve"` // of the free memory, not for programs
	Kernel     uint64 `json:"kernel"`  // of the kernel's own Go runtime
	HeapAlloc  uint64 `json:"heap_alloc"`
	HeapSys    uint64 `json:"heap_sys"`
	GCs        uint32 `json:"gcs"`
	Faults     uint64 `json:"faults"`
	Stacks     uint64 `json:"kernel_stacks"`
	StackHigh  uint64 `json:"kernel_stack_high"` // deepest use seen
	StackSize  uint64 `json:"kernel_stack_size"`
	Goroutines int    `json:"goroutines"`
	Zeroed     Zeroed `json:"zeroed"`

	Nodes  []NodeMemory  `json:"nodes"` // one, if the firmware names none
	Caches []ObjectCache `json:"caches"`
}

// Zeroed is the free pages that idle CPUs have cleared ahead of time.
type Zeroed struct {
	Bytes   uint64 `json:"bytes"`   // of them, before all CPUs gave back what they had
	Most    uint64 `json:"most"`    // bytes, for all CPUs together; 0 by zeropool=off
	Cleared uint64 `json:"cleared"` // pages, since the boot
	Used    uint64 `json:"used"`    // of them, pages that were allocated
}

// NodeMemory is the memory of a node. Its free memory is without the pages that CPUs have of their own, as idle CPUs have
// soon after they gave back what they had.
type NodeMemory struct {
	Total  uint64             `json:"total"`
	Free   uint64             `json:"free"`
	Fresh  uint64             `json:"never_used"` // of the free memory
	Single uint64             `json:"in_lists"`   // of the free memory, pages that were given back and are in no block yet
	Blocks [abi.Orders]uint64 `json:"blocks"`     // free blocks of 4 KiB, 8 KiB and so on
}

// ObjectCache is the kernel's objects of one kind, or its stacks.
type ObjectCache struct {
	Name   string `json:"name"`
	Size   uint64 `json:"size"` // of an object
	InUse  uint64 `json:"in_use"`
	Free   uint64 `json:"free"`    // those of OfCPUs too
	OfCPUs uint64 `json:"of_cpus"` // of the free ones, those that CPUs had of their own
	Bytes  uint64 `json:"bytes"`   // of memory, in all
}

// LogLine is one line of the kernel log.
type LogLine struct {
	TimeNS int64  `json:"time_ns"`
	CPU    uint32 `json:"cpu"`
	Level  uint32 `json:"level"`
	Text   string `json:"text"`
}

// LastBoot is what the kernel before this one left in memory.
type LastBoot struct {
	Kept    bool      `json:"kept"`
	Why     string    `json:"why,omitempty"` // nothing is kept, or something is missing
	Log     []LogLine `json:"log"`           // from its start, or the last lines
	Report  []string  `json:"report"`        // of its panic, nil if there was none
	Address uint64    `json:"address"`       // of the memory, 0 if this machine has none for it
}

// Uptime is the time since the kernel's start.
type Uptime struct {
	UpNS int64  `json:"up_ns"`
	Date string `json:"date"` // RFC 3339
}

// Event is one record of a CPU's trace ring.
type Event struct {
	TimeNS int64  `json:"time_ns"`
	CPU    int    `json:"cpu"`
	Seq    uint64 `json:"seq"` // counted from 0 since the CPU's start
	Thread uint32 `json:"thread"`
	Event  string `json:"event"`
	A      uint64 `json:"a"`
	B      uint64 `json:"b"`
	Text   string `json:"text"` // what a and b mean
}
