// Package profile samples what all CPUs execute: each CPU has a timer, and when it
// expires the next CPU gets an NMI, whose handler records the functions on the stack.
//
// An NMI also comes where interrupts are off, which is so in all of the core. A CPU's own
// timer would find the core at the end of each stretch only, so its neighbour's is used.
//
// Layer: core.
// Context: as each function says. The handler runs in an NMI, at any instruction: it takes
// no lock, allocates nothing, and does not fault.
// Locks: none; each CPU writes its own buffer, and one thread at a time reads it.
// Manual: Intel SDM vol. 3A, "Nonmaskable Interrupt (NMI)".
// Chapter: docs/15-debugging.md.
// Left out: performance counters, which could choose the moments by events; emulators have
// none.
package profile

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/upcall"
)

// room is the number of samples that a buffer holds: a reader that looks 50 times a second
// may be late by eleven turns at the highest rate.
const room = 256

// buffer has the samples of one CPU that no reader has taken. It is made at the first
// profile and stays.
type buffer struct {
	timer  sched.Timer // first: of the CPU that owns the buffer; it makes the next CPU record
	period atom.Uint64 // of the timer, 0 while there is no profile
	at     atom.Uint64 // when the timer expires
	sends  atom.Uint32 // 1: the timer's handler runs, and may send an NMI

	head  atom.Uint64 // samples recorded: this CPU
	tail  atom.Uint64 // samples taken: the reader
	lost  atom.Uint64 // this CPU
	busy  atom.Uint64 // the CPU whose timer it is
	late  atom.Uint64 // the CPU whose timer it is
	taken atom.Uint32 // 1: a thread reads
	in    uint32      // 1: this CPU records

	samples [room]abi.Sample
}

func of(c *percpu.CPU) *buffer { return (*buffer)(unsafe.Pointer(uintptr(c.Profile.Load()))) }

// Install makes this package handle the NMIs of samples.
//
// Context: boot CPU, before the second CPU starts.
func Install() {
	s := layout.Image()
	text.start, text.end = uint64(s.TextStart), uint64(s.TextEnd)
	symbols.Init(s.PclntabStart, s.PclntabEnd, s.TextStart)
	crash.HandleSample(record)
}

// Code is the result of Start.
type Code uint8

// Results.
const (
	OK Code = iota
	NoMemory
	Busy // another thread starts a profile
)

var starting atom.Uint32 // 1: a thread is in Start

// Start makes a CPU's timer expire rate times a second. A CPU other than the first begins
// a part of the period later, so that not all record at the same moment.
//
// Context: interrupts off, no lock held; to is online.
func Start(c, to *percpu.CPU, rate uint32) Code {
	if !starting.CompareAndSwap(0, 1) {
		return Busy
	}
	code := start(c, to, rate)
	starting.Store(0)
	return code
}

func start(c, to *percpu.CPU, rate uint32) Code {
	b := of(to)
	if b == nil {
		pages := (uint64(unsafe.Sizeof(*b)) + layout.PageSize - 1) / layout.PageSize
		if !mem.Spares(c, 2*pages) {
			return NoMemory
		}
		b = (*buffer)(unsafe.Pointer(mem.AllocMapped(c, unsafe.Sizeof(*b), 64)))
		to.Profile.Store(uint64(uintptr(unsafe.Pointer(b))))
	}
	crash.ForgetSample(to)
	b.tail.Store(b.head.Load())
	b.lost.Store(0)
	b.busy.Store(0)
	b.late.Store(0)
	period := clock.Second / clock.Time(rate)
	b.period.Store(uint64(period))
	part := period * clock.Time(to.ID) / clock.Time(percpu.Count())
	at := clock.Now() + period + part
	b.at.Store(uint64(at))
	b.timer.StartSampler(c, to, at)
	return OK
}

// Resume makes the timer of c expire again, whose profile goes on since before it went offline.
//
// Context: c, before it is online, after its timer was started; interrupts off, no lock held.
func Resume(c *percpu.CPU) {
	b := of(c)
	if b == nil {
		return
	}
	if period := clock.Time(b.period.Load()); period != 0 {
		at := clock.Now() + period
		b.at.Store(uint64(at))
		b.timer.StartSampler(c, c, at)
	}
}

// Stop makes all CPUs record no more. Their timers expire once more. It returns whether no
// NMI of the profile can come any more. A handler that began before is waited for first, and
// only then the NMIs are looked for: it may send one as its last act.
func Stop() (quiet bool) {
	quiet = true
	for i := range percpu.Count() {
		if b := of(percpu.Get(i)); b != nil {
			b.period.Store(0)
			quiet = quiet && b.sends.Load() == 0 // after the Store; pairs with the two in Sample
		}
	}
	for i := range percpu.Count() {
		c := percpu.Get(i)
		quiet = quiet && !(c.IsOnline() && crash.SampleDue(c))
	}
	return quiet
}

// Sample makes the next CPU record a sample, and arms the timer of c again. A CPU that is
// alone records what the timer interrupted. See upcall.Table.
func Sample(c *percpu.CPU, f *cpu.Frame, _ uintptr) {
	b := of(c)
	b.sends.Store(1) // before the Load of the period: Stop sees this, or this sees Stop
	if period := clock.Time(b.period.Load()); period != 0 {
		b.sample(c, f, period)
	}
	b.sends.Store(0)
}

func (b *buffer) sample(c *percpu.CPU, f *cpu.Frame, period clock.Time) {
	to := percpu.Get(neighbour(c))
	sampled := of(to)
	switch {
	case to == c:
		record(c, f)
	case sampled != nil && !crash.Sample(c, to):
		sampled.busy.Add(1)
	}
	next := clock.Time(b.at.Load()) + period
	if now := clock.Now(); next <= now {
		n := (now-next)/period + 1
		next += n * period
		if sampled != nil {
			sampled.late.Add(uint64(n))
		}
	}
	b.at.Store(uint64(next))
	b.timer.StartSampler(c, c, next)
}

// neighbour returns the number of the next CPU that is online, c's own if there is no
// other, or no way to send it an NMI.
func neighbour(c *percpu.CPU) (id uint32) {
	if apic.Legacy() {
		return c.ID
	}
	n := percpu.Count()
	for i := uint32(1); i < n; i++ {
		if id = (c.ID + i) % n; percpu.Get(id).IsOnline() {
			return id
		}
	}
	return c.ID
}

// record stores a sample of this CPU.
//
// Context: an NMI, or an interrupt.
func record(c *percpu.CPU, f *cpu.Frame) {
	b := of(c)
	if b == nil || b.period.Load() == 0 {
		return
	}
	n := b.head.Load()
	if b.in != 0 || n-b.tail.Load() >= room {
		b.lost.Add(1)
		return
	}
	b.in = 1
	s := &b.samples[n%room]
	s.Thread = c.ThreadID
	s.Name = [16]byte{}
	if c.Current != 0 {
		cpu.Move16(unsafe.Pointer(&s.Name), unsafe.Pointer(upcall.To.ThreadName(c.Current)))
	}
	s.N = uint32(walk(f, &s.PC))
	b.head.Store(n + 1) // publishes the sample; pairs with the Load in Next
	b.in = 0
}

// Counts returns what a CPU has not recorded.
func Counts(c *percpu.CPU) abi.SampleCounts {
	b := of(c)
	if b == nil {
		return abi.SampleCounts{}
	}
	return abi.SampleCounts{Lost: b.lost.Load(), Busy: b.busy.Load(), Late: b.late.Load()}
}

// Begin makes the caller the reader of a CPU's samples, up to End. It returns false if
// another thread is, or if there are no samples.
func Begin(c *percpu.CPU) bool {
	b := of(c)
	return b != nil && b.taken.CompareAndSwap(0, 1)
}

// Next returns the oldest sample, nil if there is none.
//
// Context: between Begin and End.
func Next(c *percpu.CPU) *abi.Sample {
	b := of(c)
	n := b.tail.Load()
	if n == b.head.Load() {
		return nil
	}
	return &b.samples[n%room]
}

// Drop takes the oldest sample away: its place may be used again.
//
// Context: after Next has returned one.
func Drop(c *percpu.CPU) {
	b := of(c)
	b.tail.Store(b.tail.Load() + 1) // gives the place back; pairs with the Load in record
}

// End ends what Begin began.
func End(c *percpu.CPU) { of(c).taken.Store(0) }
