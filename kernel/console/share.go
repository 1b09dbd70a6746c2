package console

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// The interrupts of all ports together have half of a CPU's time at most. A UART that an emulator makes
// sends a byte at once, so that its next interrupt comes right after the last one for as long as other
// CPUs write. The thread that it interrupts would make no progress, and threads that wait for it would not either.
// Once the handlers have had half of a window, the ports have no interrupts until the CPU that took the last one has
// its next tick, or has no thread to run. A real UART takes 1.4 ms for a FIFO full of bytes, whose handling takes
// some tens of microseconds, so it stays below the bound.
//
// A port beside the one that has used up the share may be on a real line, which does not wait: its FIFO
// is full after 1.4 ms, and the next tick may be 10 ms away. So a port that waits still receives as many bytes as
// a line brings. Taking them costs a small part of the time. From a UART that brings more, which an
// emulator makes, the kernel takes no more bytes until Resume: an emulator holds them back.

// window is the time of which the interrupts may take half: a tick.
var window = 10 * clock.Millisecond

// SetWindow sets the time between two ticks of a CPU.
//
// Context: boot CPU, before UseInterrupts.
func SetWindow(tick clock.Time) { window = tick }

// intake is how many bytes a port has received in the window that began at since; guarded by the port's lock.
type intake struct {
	since clock.Time
	bytes int
}

// lineByte is the time of a byte at 115,200 baud: start bit, 8 bits, stop bit.
const lineByte = 10 * clock.Second / 115_200

// lines is how many lines' bytes a port may receive in a window in spite of the share: two, so that a line stays
// below whatever the phase of the windows is. Tests set it to 0.
var lines = clock.Time(2)

// note counts received bytes.
func (r *intake) note(n int) {
	if t := now(); t-r.since >= window {
		r.since, r.bytes = t, 0
	}
	r.bytes += n
}

// allowed reports whether no more has come in the window than a line may bring.
func (r *intake) allowed() bool {
	return lines > 0 && (now()-r.since >= window || r.bytes < fifoDepth+int(lines*window/lineByte))
}

// spent is what the handlers have had of the window that began at since. No lock guards it: at first all ports
// have their interrupts on CPU 0, and if some were led to another CPU, two handlers at once make the
// share a little larger or smaller.
var spent struct{ since, used clock.Time }

// paused is 0 if no port waits for Resume. Otherwise it is one more than the number of the CPU that resumes all ports:
// the last one whose handler made a port wait.
var paused atom.Uint32

// now is clock.Now, but in tests.
var now = clock.Now

// overrun reports whether a handler that began at a time has used up the window's share.
//
// Context: interrupt handler.
func overrun(began clock.Time) bool {
	used := now() - began
	if began-spent.since < window {
		used += spent.used
	}
	return used > window/2
}

// charge notes a call of a handler that began at a time and ends now. It reports whether the port must
// wait for Resume.
//
// Context: interrupt handler.
func charge(c *percpu.CPU, began clock.Time) (over bool) {
	if over = overrun(began); over {
		paused.Store(c.ID + 1)
	}
	if began-spent.since >= window {
		spent.since, spent.used = began, 0
	}
	spent.used += now() - began
	return over
}

// Resume turns the interrupts on again of the ports that have used up their share, if this CPU is to do so.
//
// Context: each CPU, at its tick, before it is idle, and when it goes offline; no lock held.
func Resume(c *percpu.CPU) {
	if paused.Load() != c.ID+1 || !paused.CompareAndSwap(c.ID+1, 0) {
		return
	}
	spent.since, spent.used = now(), 0
	mu.Lock(c)
	if waits {
		waits = false
		enableInterrupts()
	}
	mu.Unlock(c)
	Stdio.resume(c)
	Control.resume(c)
}

// resume is Resume for a port, which may not be open.
func (p *Port) resume(c *percpu.CPU) {
	if !p.IsOpen() {
		return
	}
	p.mu.Lock(c)
	if p.waits {
		p.waits = false
		p.enable()
	}
	p.mu.Unlock(c)
}
