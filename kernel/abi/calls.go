package abi

// Calls is the table of the private system calls, in the order of their numbers. It is
// the input of the tool gencalls, and nothing implements it.
//
// The arguments of a call go in the registers of a system call, DI, SI, DX, R10, in
// order: a number or a bool in one, a slice or a string in two, as address and
// length. A result that is a pointer is memory that the caller provides and the
// core fills in: its address is the last argument. An error is one of Linux's
// numbers. The line "muster:core" names the core function that answers the call.
// The line "muster:blocking" says that the call may wait, so that its stub notifies
// the Go runtime. The line "muster:inner" says that package kcall has a function of
// its own around the generated one.
type Calls interface {
	// Log writes one line to the kernel log.
	//muster:core writeLog
	Log(level int, text string)

	// ReadLog reads the log line at a position of the log: its head, and its text. The
	// result is the next position; EAGAIN at the end of the log.
	//muster:core readLog
	//muster:inner
	ReadLog(position uint64, text []byte) (head *LogEntry, next uint64, err error)

	// Finish ends the machine. With status Reset the machine starts again,
	// otherwise it powers off, and an emulator's caller gets the low 8 bits. The
	// core stops the other CPUs and takes the steps; if they have no effect the
	// core tries other ways. Finish returns only when an argument is wrong: EINVAL,
	// EFAULT.
	//muster:core finish
	Finish(status int, steps []Step) error

	// BootInfo returns the boot information.
	//muster:core bootInfo
	BootInfo() (info *Boot)

	// MapPhys maps physical memory, read-only or as a device's registers, and never
	// unmaps it. The result is its address. EINVAL: more than 64 MiB, or beyond the
	// physical address space.
	//muster:core mapPhys
	//muster:inner
	MapPhys(addr, bytes uint64, device bool) (virtual uintptr, err error)

	// AllocPage takes a page of zeros out of memory for a device to read and write, and
	// returns its physical address. It is never freed. ENOMEM.
	//muster:core allocPage
	AllocPage() (physical int, err error)

	// AddIOAPIC takes an I/O APIC into use, masks all its inputs, and returns their
	// number. ENODEV: there is no local APIC; EIO: nothing answers at the address.
	//muster:core intr.AddIOAPIC
	AddIOAPIC(id uint8, addr uint64, gsiBase uint32) (inputs int, err error)

	// BindIRQ claims an interrupt line, or makes one for a device's MSI, and routes it to
	// a CPU. The result is the line's number. EBADF: not an eventfd; ENODEV: no I/O APIC
	// has the GSI, or the CPU is not online; ERANGE: the CPU's APIC id does not fit the 8
	// bits of a destination; EBUSY: the line is claimed, or is the firmware's; ENOSPC: no
	// vector of the CPU is free, or there are too many lines.
	//muster:core intr.Bind
	BindIRQ(request *IRQRequest) (line int, err error)

	// MoveIRQ leads a line to another CPU. An interrupt that is on its way to the old CPU
	// is still taken there. For a line of the I/O APICs the entry has been written; for an MSI the caller then programs the
	// device. SettleIRQ must follow. ENODEV, ERANGE,
	// ENOSPC as for BindIRQ; EINVAL: no such line or CPU; EAGAIN: an interrupt of the line
	// is in service, or an earlier move is not settled. force ends that interrupt.
	//muster:core intr.Move
	MoveIRQ(line, cpu int, force bool) error

	// SettleIRQ ends a move: it makes up for an edge or an MSI that came during the move, and
	// gives the old vector back once the old CPU has taken its last interrupt.
	// EINVAL: no such line; EAGAIN: the old CPU has not; ETIMEDOUT: it does not answer.
	//muster:core intr.Settle
	SettleIRQ(line int) error

	// IRQInfo returns the state of a line. EINVAL: there is no such line.
	//muster:core intr.Info
	IRQInfo(line int) (info *IRQLine, err error)

	// IRQLineCount returns how often a line has interrupted a CPU. EINVAL.
	//muster:core intr.Count
	IRQLineCount(line, cpu int) (count uint64, err error)

	// UnmaskIRQ unmasks a level-triggered line after its device was served. claimed says
	// that the last interrupt was that device's. EINVAL: there is no such line.
	//muster:core intr.Unmask
	UnmaskIRQ(line int, claimed bool) error

	// WatchStorms gives the core the eventfd of the goroutine that polls for stuck lines:
	// it counts when a line becomes stuck. EBADF: not an eventfd; EBUSY: there is one.
	//muster:core intr.WatchStorms
	WatchStorms(eventfd int) error

	// PollIRQ does for a stuck line what its interrupt does. EINVAL: it is not stuck.
	//muster:core intr.Poll
	PollIRQ(line int) error

	// ResumeIRQ lets a stuck line interrupt again. EINVAL: it is not stuck.
	//muster:core intr.Resume
	ResumeIRQ(line int) error

	// LeaveCPU makes a CPU go offline. CPUInfo shows when it is, and how far it has come. A
	// repeated call sends the request again. EINVAL: no such CPU; EPERM: it is the boot CPU; ENODEV: it
	// is not online.
	//muster:core cpus.Leave
	LeaveCPU(cpu int) error

	// SetBootCPU gives the boot CPU its record, and programs those of its local interrupt
	// pins that are NMIs. EINVAL: the record is another CPU's.
	//muster:core cpus.SetBoot
	SetBootCPU(p *Processor) error

	// SetNodes divides memory into the zones of NUMA nodes: the number of a node, and a row of all nodes, the
	// nearest first, for each node. EINVAL: starts does not begin with frame 0, is not in ascending order, or
	// divides a page of the frame table; or order is not such rows; EPERM: there are zones already, or other CPUs; ENOMEM, EFAULT.
	//muster:core setNodes
	SetNodes(starts []NodeStart, order []uint8) error

	// ConsoleRead takes the bytes that the serial port received, and returns their
	// number.
	//muster:core consoleRead
	ConsoleRead(p []byte) (n int)

	// OpenTerminal opens a descriptor that writes to one terminal, for a shell's session. EINVAL; ENODEV:
	// the terminal is not there; EMFILE, ENOMEM.
	//muster:core linux.OpenTerminal
	OpenTerminal(terminal int) (fd int, err error)

	// UseDrawer gives the core the eventfd of the goroutine that draws on the screen: it
	// counts when DrawScreen has work. ENODEV: there is no screen; EBADF: not an eventfd.
	//muster:core linux.UseDrawer
	UseDrawer(eventfd int) error

	// DrawScreen draws a part of what is to be drawn. The result is 1 if there may be more, else 0.
	//muster:core linux.DrawScreen
	DrawScreen() (more int)

	// PollConsole does what no interrupt of the console's ports does. It does not wait.
	//muster:core pollConsole
	PollConsole()

	// AddConsolePort gives the log to a serial port: the first register's port, or with a stride
	// of 1 or 4 its address. set says that its speed is to be set: 115200 baud. The result is 1
	// if the port is the console's from now on. EINVAL; EEXIST: the log goes there already; ENODEV: no UART answers;
	// EBUSY: there are too many.
	//muster:core addConsolePort
	AddConsolePort(addr uintptr, stride int, set bool) (first int, err error)

	// ConsolePorts returns where the console is. ENODEV: no port answers.
	//muster:core consolePorts
	ConsolePorts() (info *Ports, err error)

	// SerialPort returns the state of a port from which the kernel receives. EINVAL: no such port;
	// ENODEV: it is not in use.
	//muster:core serialPort
	SerialPort(port int) (info *SerialPort, err error)

	// OpenPort finds the UART of a port for programs, PortStdio or PortControl, at a base
	// address. EINVAL: no such port or address; ENODEV: no UART answers.
	//muster:core openPort
	OpenPort(port int, base uint64) error

	// UsePorts gives the ports to the programs that are made from now on, after their
	// interrupts were bound. errors says that descriptor 2 has the control port, and is
	// not the console.
	//muster:core linux.UsePorts
	UsePorts(errors bool)

	// ControlRead takes the bytes that the control port received, and returns their
	// number.
	//muster:core controlRead
	ControlRead(p []byte) (n int)

	// PortsChanged notifies the epolls that watch the files of the ports.
	//muster:core linux.PortsChanged
	PortsChanged()

	// EndInput says how many bytes the input of programs has in all.
	//muster:core linux.EndInput
	EndInput(bytes uint64)

	// CloseOutput says that nothing reads what programs write to descriptor 1.
	//muster:core linux.CloseOutput
	CloseOutput()

	// Unsent returns the number of bytes of programs that have not left the machine.
	//muster:core linux.Unsent
	Unsent() (bytes int)

	// SignalForeground sends each program that runs a signal. ESRCH: it
	// has been waited for; EINVAL.
	//muster:core linux.SignalForeground
	SignalForeground(signal int) error

	// SignalProgram sends one program a signal. ESRCH: it has been waited for; EINVAL.
	//muster:core linux.SignalProgram
	SignalProgram(process, signal int) error

	// SetCPULimit makes room for n CPUs, once. EINVAL: n is out of range; EBUSY:
	// the room was made before.
	//muster:core cpus.SetLimit
	SetCPULimit(n uint32) error

	// PrepareCPU makes what a CPU needs before it starts, and returns its number. EBUSY:
	// there is no room, or the APIC id is taken; ENOMEM.
	//muster:core cpus.Prepare
	PrepareCPU(p *Processor) (cpu int, err error)

	// UseTrampoline builds the trampoline in a page below 1 MiB. Page 0 ends its
	// use, and the old page gets its former content back. The other arguments are
	// injected faults: starting CPUs halt at stage stopAt, if that is not 0, and
	// are delayed by lateNS; spoil overwrites a byte of the page after it was
	// built. EINVAL, EBUSY.
	//muster:core cpus.UseTrampoline
	UseTrampoline(page uint64, stopAt uint32, lateNS int64, spoil bool) error

	// SendINIT resets the CPU with an APIC id. EBUSY: the CPU is online; ETIMEDOUT:
	// the ICR stays busy; EINVAL: the id does not fit.
	//muster:core cpus.SendINIT
	SendINIT(apicID uint32) error

	// SendStartup sends the SIPI to a CPU that was reset: it starts at a page below
	// 1 MiB. EIO: the page is not what was built; EINVAL, ETIMEDOUT.
	//muster:core cpus.SendStartup
	SendStartup(apicID uint32, page uint64) error

	// Proceed lets CPUs that are ready come online. again says that the request is
	// a repetition, because the IPI may have been lost. The result is the number of
	// CPUs that are neither ready nor online.
	//muster:core cpus.Proceed
	Proceed(cpus []uint32, again bool) (missing int, err error)

	// CPUInfo returns the state of one CPU. EINVAL: there is no such CPU.
	//muster:core cpuInfo
	CPUInfo(cpu int) (info *CPU, err error)

	// StageTimes returns when a CPU reached each stage of its start. EINVAL: there
	// is no such CPU.
	//muster:core cpus.StageTimes
	StageTimes(cpu int) (at *StageTimes, err error)

	// IPIRules chooses physical destinations for IPIs to many CPUs, and the share
	// of a CPU's time, in percent, that calls of other CPUs may take. EINVAL: more
	// than one CPU is online, or the percentage is out of range.
	//muster:core ipiRules
	IPIRules(physical bool, percent int) error

	// IPICount returns a counter of a CPU, by ipi.Kind and ipi.Counter. EINVAL.
	//muster:core ipiCount
	//muster:inner
	IPICount(cpu int, kind, counter uint32) (count uint64, err error)

	// LockCount returns a counter of a CPU, by lock.Rank and lock.Counter; a time is in nanoseconds. EINVAL.
	//muster:core lockCount
	//muster:inner
	LockCount(cpu int, rank, counter uint32) (count uint64, err error)

	// Backtrace interrupts another CPU by NMI and returns where it was. ENODEV: the
	// CPU is the calling one, is not online, or there is no local APIC; ETIMEDOUT.
	//muster:core backtrace
	Backtrace(cpu int) (trace *Backtrace, err error)

	// ThreadInfo returns the thread with the lowest id from id on. ESRCH at the
	// end.
	//muster:core linux.ThreadInfo
	//muster:inner
	ThreadInfo(id uint32) (info *Thread, err error)

	// ThreadCPUs returns the CPUs on which a thread may run. ESRCH.
	//muster:core linux.ThreadCPUs
	ThreadCPUs(id uint32) (set *CPUSet, err error)

	// SetThreadCPUs sets the CPUs on which a thread of a program may run. EINVAL: none of them is online; EPERM: the
	// thread is the kernel's own; ESRCH, ENOMEM.
	//muster:core linux.SetThreadCPUs
	SetThreadCPUs(id uint32, set *CPUSet) error

	// SetThreadNice sets the nice value of a thread of a program. EPERM: the thread is the kernel's own; ESRCH.
	//muster:core linux.SetThreadNice
	SetThreadNice(id uint32, nice int) error

	// SetThreadPolicy sets the policy of a thread of a program, as sched_setscheduler. EINVAL: no such policy, or not a
	// priority of it; EPERM: the thread is the kernel's own; ESRCH.
	//muster:core linux.SetThreadPolicy
	SetThreadPolicy(id, policy uint32, priority int) error

	// SchedInfo returns a CPU's queue. EINVAL: there is no such CPU.
	//muster:core schedInfo
	SchedInfo(cpu int) (info *SchedCPU, err error)

	// IRQCount returns how often a vector has interrupted a CPU, or another counter from
	// CountErrors on. EINVAL.
	//muster:core irqCount
	//muster:inner
	IRQCount(cpu, vector int) (count uint64, err error)

	// MemInfo returns the state of memory.
	//muster:core memInfo
	MemInfo() (info *Mem)

	// NodeInfo returns the state of a NUMA node's memory, without what CPUs have cached: MemInfo makes them give that
	// back. EINVAL: there is no such node.
	//muster:core nodeInfo
	NodeInfo(node int) (info *MemNode, err error)

	// CacheInfo returns the state of a cache of kernel objects, or of the kernel stacks, which come last. EINVAL: there
	// is no such cache.
	//muster:core cacheInfo
	CacheInfo(number int) (info *MemCache, err error)

	// TraceRead reads up to 128 events of a CPU, newest first: event number seq, or the
	// newest if seq is -1, and those before it. An event that the CPU is writing is left
	// out; n is 0 when there are no more events.
	//muster:core traceRead
	//muster:inner
	TraceRead(cpu int, seq int64, records []TraceRecord) (n int, err error)

	// TraceKinds sets which kinds of event all CPUs record, as bits of trace.Kind, and
	// returns those they recorded before.
	//muster:core traceKinds
	TraceKinds(kinds uint32) (old uint32)

	// StartProfile makes a CPU record a sample rate times a second, from 1 to SampleRate.
	// EINVAL: the rate is out of range, or there is no such CPU; ENODEV: the CPU is not
	// online; EBUSY: another thread makes this call; ENOMEM.
	//muster:core startProfile
	StartProfile(cpu int, rate uint32) error

	// StopProfile makes all CPUs record no more samples. EAGAIN: an NMI of the profile may still
	// come, and a further call tells when none can.
	//muster:core stopProfile
	StopProfile() error

	// ReadProfile takes up to 16 samples of a CPU, oldest first. EINVAL: there is no such
	// CPU; EBUSY: another thread takes them.
	//muster:core readProfile
	ReadProfile(cpu int, samples []Sample) (n int, err error)

	// ProfileCounts returns how many samples a CPU has not recorded since StartProfile.
	// EINVAL: there is no such CPU.
	//muster:core profileCounts
	ProfileCounts(cpu int) (counts *SampleCounts, err error)

	// NewProcess makes an empty process, whose standard files are a terminal or with 0 the whole
	// console, and returns a handle. EINVAL, ENOMEM.
	//muster:core linux.MakeProcess
	//muster:inner
	NewProcess(name string, terminal int) (process uintptr, err error)

	// MapProcess makes an area with rights syscall.PROT_*. EINVAL, ENOMEM.
	//muster:core linux.MapProcess
	//muster:inner
	MapProcess(process uintptr, addr, bytes uint64, rights int) error

	// KeepTime returns what the timekeeper knows, and with check makes a check before, on the
	// timekeeper.
	//muster:core keepTime
	KeepTime(check bool) (info *Timekeeping)

	// CompareTSC compares this CPU's time-stamp counter with another CPU's, which reads aheadNS more
	// than it has. It returns by how much they differ, in nanoseconds, or 0; if they differ, HPET or
	// ACPI PM timer is the clock from then on. EINVAL: no such CPU, or it is not online; EBUSY: another
	// comparison runs; ETIMEDOUT: the other CPU did not answer soon enough to tell.
	//muster:core compareTSC
	CompareTSC(cpu int, aheadNS int64) (differNS int, err error)

	// SkewTSC injects a fault: the time-stamp counters of CPUs that start from now on are ahead by ns
	// until they are online, or late if it is negative.
	//muster:core cpus.SkewTSC
	SkewTSC(ns int64)

	// MoveTimekeeper makes another CPU the timekeeper. EINVAL: no such CPU, or it is not online.
	//muster:core moveTimekeeper
	MoveTimekeeper(cpu int) error

	// SetVDSO gives the core the ELF image with the functions that read the clock, one page at
	// most, for MapVDSO. EINVAL: its length; EEXIST: there is one.
	//muster:core linux.SetVDSO
	SetVDSO(image []byte) error

	// MapVDSO lends a process the page of time data at addr, and the image in the page after it. EINVAL:
	// the addresses are not free; ENOENT: there is no image; ENOMEM.
	//muster:core linux.MapVDSO
	//muster:inner
	MapVDSO(process uintptr, addr uint64) error

	// WriteProcess copies data to an address, with or without the right to write
	// there, up to the end of its page, and returns the number of bytes. EFAULT.
	//muster:core linux.WriteProcess
	//muster:inner
	WriteProcess(process uintptr, addr uint64, data []byte) (n int, err error)

	// StartProcess starts the first thread with a standing and returns the process's id. EINVAL: an address, or none
	// of the CPUs is online; ENOMEM.
	//muster:core linux.StartProcess
	//muster:inner
	StartProcess(process uintptr, ip, sp uint64, standing *Standing) (id int, err error)

	// WaitProcess waits for the end, frees the process and returns its status. EINTR.
	//muster:core linux.WaitProcess
	//muster:blocking
	//muster:inner
	WaitProcess(process uintptr) (status int, err error)

	// DropProcess frees a process that was not started. EBUSY.
	//muster:core linux.DropProcess
	//muster:blocking
	//muster:inner
	DropProcess(process uintptr) error
}
