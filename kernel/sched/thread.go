// Package sched has threads, the run queue of each CPU, timers, and the two
// operations on which every blocking operation is built: Park and Unpark.
//
// Layer: core.
// Context: interrupts off. A function that may switch threads returns the CPU on
// which the caller goes on.
// Locks: runQueue.mu guards a CPU's queue, timerQueue.mu its timers, Mutex.mu the
// waiters of a mutex, binding.mu the CPUs of a thread. They are never held across a switch. What code may change
// each part of a thread: affinity.go.
// Manual: Intel SDM vol. 3A, "Task Management in 64-bit Mode".
// Chapter: docs/09-scheduler.md.
package sched

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/fakeg"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/trap"
)

// Class is what a thread is at first: one of the kernel's own, or one of a program. The kernel's own
// Go threads come first, or a busy program could delay the kernel's stop-the-world.
type Class uint8

// Classes.
const (
	ClassKernel Class = iota
	ClassUser
)

// StackSize is the size of a kernel stack. The deepest use in the stress tests is
// in docs/measurements.md, "kernel stack high-water mark".
const StackSize = 16 << 10

// Thread is one thread: a kernel stack, and registers that are saved there while
// it does not run. Packages above embed it as their first field.
type Thread struct {
	vectors [trap.StateBytes]byte // vector state of a ring-3 thread that does not run: an XSAVE area, 64-byte aligned
	Work    atom.Uint32           // what to do before leaving the core: bits of package linux

	sp         uintptr // saved stack pointer, while it does not run
	StackLow   uintptr
	StackTop   uintptr
	g          fakeg.G
	UserFS     uintptr // FS base outside the core; the running thread's is in the CPU block
	UserGS     uintptr // GS base in ring 3
	FirstState uintptr // vector state to begin with: trap.LeaveFrame, or the address of an XSAVE area
	Space      *mem.Space
	ID         uint32
	Name       [16]byte

	state atom.Uint32 // stRunning to stNew
	token atom.Uint32 // 1: an Unpark that no Park has taken yet

	cpu      atom.Uint32 // CPU that ran it last, or is to
	in       atom.Uint32 // one more than the number of the CPU in whose queue it is, 0 for none; stored under that queue's lock
	binding  binding
	share    share // in the fair class
	standing standing
	policy   policy
	queued   list.Node // in a list of a run queue, guarded by its lock
	level    level
	turns    bool      // takes turns with others of its level
	Wait     list.Node // in a list of waiters, guarded by the list's lock
	granted  bool      // a mutex was handed over, guarded by its lock
	timer    Timer
	woken    *Thread     // the next one of a Woken, while this one is ready and in no queue
	Used     Usage       // stored by the CPU that runs it
	spans    spans       // stored by the CPU that changes its state
	Group    *Usage      // of all threads of the group, nil for none; changed by the thread alone
	Switches atom.Uint64 // times switched to
}

var (
	_ [0]byte               = [unsafe.Offsetof(Thread{}.vectors)]byte{}
	_ [trap.WorkOffset]byte = [unsafe.Offsetof(Thread{}.Work)]byte{}
)

// States of a thread.
const (
	stRunning = iota // on a CPU
	stParked         // waits for Unpark
	stReady          // in a run queue
	stDead
	stNew // waits for Start
)

var stateNames = [...]string{"running", "parked", "ready", "dead", "new"}

// StateName returns what t is doing, for listings.
func (t *Thread) StateName() string { return stateNames[t.state.Load()] }

// Class returns by what rule t gets a CPU, and its priority or nice value by that rule.
//
// Context: t cannot be freed; any state. A policy that is being set may show in part.
func (t *Thread) Class() (class abi.Class, priority int32) {
	l, turns := t.level, t.turns
	if word := t.policy.word.Load(); word != 0 {
		l, turns = levelOf(word)
	}
	switch {
	case l == levelKernel:
		return abi.ClassKernel, 0
	case l < levelFair && turns:
		return abi.ClassRoundRobin, int32(levelFair - l)
	case l < levelFair:
		return abi.ClassFIFO, int32(levelFair - l)
	case t.IsIdle():
		return abi.ClassIdle, t.Nice()
	}
	return abi.ClassFair, t.Nice()
}

// CPU returns the number of the CPU that runs t or ran it last.
func (t *Thread) CPU() uint32 { return t.cpu.Load() }

// Current returns the thread that runs on c.
func Current(c *percpu.CPU) *Thread { return (*Thread)(unsafe.Pointer(c.Current)) }

// Init gives a zeroed thread its kernel stack. Its first switch enters the core's
// exit path with the Frame at the top of the stack. It does not run before Start.
func (t *Thread) Init(stackLow, stackTop uintptr, id uint32, class Class, s *mem.Space) {
	t.StackLow, t.StackTop = stackLow, stackTop
	t.g.SetStack(stackLow, stackTop)
	t.ID, t.Space = id, s
	t.level, t.turns = levelKernel, true
	if class == ClassUser {
		t.level, t.turns = levelFair, false
	}
	t.share.init()
	t.binding.mu.Rank = lock.RankThread
	t.Used.Init()
	t.state.Store(stNew)
	t.FirstState = trap.LeaveFrame
	trap.SetReset(uintptr(unsafe.Pointer(&t.vectors)))
	sp := (*[2]uintptr)(unsafe.Pointer(stackTop - cpu.FrameSize - 16))
	sp[0], sp[1] = 0, trap.ThreadStartPC() // what exchange pops: BP and its return address
	t.sp = uintptr(unsafe.Pointer(sp))
}

// Frame returns the frame of a thread that has not run yet, or is outside the core.
func (t *Thread) Frame() *cpu.Frame {
	return (*cpu.Frame)(unsafe.Pointer(t.StackTop - cpu.FrameSize))
}

// FSBase returns the FS base with which t's core code runs.
func (t *Thread) FSBase() uintptr { return t.g.FSBase() }

// GAddr returns the fake g with which t's core code runs.
func (t *Thread) GAddr() uintptr { return t.g.Addr() }

// Waiter returns the thread that a node in a list of waiters belongs to.
func Waiter(n *list.Node) *Thread {
	return (*Thread)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Thread{}.Wait))))
}

// SetName sets a thread's name.
func (t *Thread) SetName(name *[16]byte) { cpu.Move16(unsafe.Pointer(&t.Name), unsafe.Pointer(name)) }

// NameOf returns where a thread's name is.
func NameOf(thread uintptr) *[16]byte { return &(*Thread)(unsafe.Pointer(thread)).Name }
