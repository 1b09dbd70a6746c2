package sched

import (
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// The watchdog: at its tick each CPU checks whether the next CPU has ticked since.
// A CPU that has not ticked gets a timer IPI, which makes it do the work of its
// timer. A busy CPU may have a reason not to answer, a long stretch with interrupts
// off, and gets more time than an idle one, which has no such reason.
//
// The watching CPU counts the time between its own ticks, as it was planned: when a host
// stops the whole machine for a while, no CPU is taken for dead. Neither CPU needs to tick
// for it more than once a second. A CPU that suspects its neighbour ticks at the usual rate.
//
// A host can also stop one virtual CPU alone, for as long as it chooses. Such a CPU looks
// like a dead one, except that a dead one that executes anything answers an NMI. So a
// CPU that is late gets an NMI first. If it answers and still does not tick, it
// hangs. If it does not answer, a real machine has lost it; a virtual machine cannot
// tell, and the watcher says so and waits.
const (
	pokeAfter = 2 * clock.Second  // without a tick, until the first timer IPI: an idle CPU ticks once a second
	idleEnd   = 3 * clock.Second  // until an idle CPU gets an NMI: it had 1 s to answer
	busyEnd   = 10 * clock.Second // until a busy one is
	grace     = clock.Second      // between two timer IPIs, and for the NMI's answer
)

// Errors of the watchdog, for the reader of a panic.
const (
	saysIdle = "watchdog: an idle CPU does not answer an IPI within 1 s; CPU, ticks before"
	saysBusy = "watchdog: no tick for 10 s; CPU, ticks before"
)

// watch checks the next CPU.
//
// Context: this CPU's tick. It takes no lock: its neighbour may hold any.
func watch(c *percpu.CPU, q *runQueue) {
	v := neighbour(c)
	if v == nil {
		return
	}
	now, seen := uint64(q.lived), v.TickAt.Load()
	if seen != c.Watched {
		if q.late.told {
			tell(c, v, " ticks again after ", now-c.WatchTick)
		}
		c.Watched, c.WatchTick = seen, now
		q.late, q.suspects = late{}, false
		return
	}
	quiet := now - c.WatchTick
	q.suspects = quiet >= patience(pokeAfter)
	end, says := patience(idleEnd), saysIdle
	if local(v).running.Load() != levelIdle {
		end, says = patience(busyEnd), saysBusy
	}
	if quiet >= end {
		switch judge(&q.late, now, crash.Answered(v), crash.Emulated) {
		case probe:
			crash.Probe(c, v)
		case wait:
			tell(c, v, " has not ticked and answers no NMI: its host may have stopped it, waiting; so far ", quiet)
		case dead:
			stalled := crash.Stalled(c) // v may wait for a third CPU
			if v.TickAt.Load() != seen {
				break
			}
			if !stalled {
				upcall.Panic(c, says, uint64(v.ID), v.Ticks.Load())
			}
			q.late, c.WatchTick = late{}, now // v has its time again
		}
	}
	if q.suspects && now >= q.late.poke {
		q.late.poke = now + patience(grace)
		ipi.Repeat(c, v, ipi.Timer)
	}
}

// verdict is what the watcher does about a CPU that is late.
type verdict uint8

const (
	patient verdict = iota // nothing yet
	probe                  // an NMI: does it execute anything?
	wait                   // and say so
	dead                   // panic
)

// late is what a watcher has done about its neighbour since that was late. Times are
// the watcher's, in nanoseconds.
type late struct {
	probed uint64 // when the NMI was sent, 0 for not yet
	heard  uint64 // when its answer was seen, 0 for not yet
	poke   uint64 // when the next timer IPI is sent
	told   bool   // the log says that the watcher waits
}

// judge decides about a CPU that is late at time now of the watcher. answered says
// that it has taken the NMI, virtual whether this is a virtual machine.
func judge(w *late, now uint64, answered bool, virtual func() bool) verdict {
	switch grace := patience(grace); {
	case w.probed == 0:
		w.probed = now
		return probe
	case answered && w.heard == 0:
		w.heard = now // what kept it may be over: its timer's interrupt comes next
	case answered && now-w.heard >= grace:
		return dead
	case answered || now-w.probed < grace || w.told:
	case !virtual():
		return dead
	default:
		w.told = true
		return wait
	}
	return patient
}

// tell logs what the watcher sees of v, and the time.
func tell(c, v *percpu.CPU, what string, ns uint64) {
	var l console.Line
	console.Warn(c, l.Str("watchdog: cpu").Dec(uint64(v.ID)).Str(what).Dec(ns/uint64(clock.Millisecond)).Str(" ms"))
}

// neighbour returns the next CPU that is online, nil if there is no other.
//
//cpucheck:other the CPU to watch
func neighbour(c *percpu.CPU) *percpu.CPU {
	n := percpu.Count()
	for i := uint32(1); i < n; i++ {
		if v := percpu.Get((c.ID + i) % n); v.IsOnline() {
			return v
		}
	}
	return nil
}

// patience returns a time of the watchdog, times the scale of all deadlines.
func patience(d clock.Time) uint64 { return uint64(d) * clock.Scale() }

// onTimerIPI handles a timer IPI: it does the work that is due, and makes sure that
// the timer goes on.
func onTimerIPI(c *percpu.CPU, f *cpu.Frame) {
	late := clock.Now() - local(c).armed
	if late >= 0 {
		apic.StartTimer()
	}
	due(c, f)
	if late > clock.Second/2 {
		var l console.Line
		console.Warn(c, l.Str("sched: the timer of cpu").Dec(uint64(c.ID)).Str(" gave no interrupt; started again after ").
			Dec(uint64(late/clock.Millisecond)).Str(" ms"))
	}
}
