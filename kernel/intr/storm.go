package intr

import (
	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/linux"
	"muster/kernel/percpu"
)

// A level-triggered line interrupts as long as it is active. If no driver makes the device
// release it, because the device is broken, or is another one at the same line that has no
// driver, the CPU does nothing else any more. So interrupts that no device claims are
// counted, as a run: a claim or a pause ends it. When a run has lasted for a time,
// the line is masked and reported, and its driver is called by a poll from then on.
//
// The limit is a time, because that is what the machine loses. It counts some interrupts
// nevertheless: a virtual CPU may stand still for longer than the time. And it ends after
// very many, in case the clock stands still.
const (
	stormTime  = 100 * clock.Millisecond
	stormLeast = 100
	stormMost  = 1_000_000
	stormPause = 20 * clock.Millisecond
)

// strays is the run of interrupts that no device has claimed. The handler of the line counts;
// two CPUs may do that at once while the line moves, which costs a count.
type strays struct {
	run   uint32
	since clock.Time // when it began
	end   clock.Time // when it ends without another interrupt
	all   uint64     // ever
}

// stray counts an interrupt that no device has claimed so far. It reports whether the line
// storms.
func (s *strays) stray(now clock.Time) bool {
	if s.run == 0 || now > s.end {
		s.run, s.since = 0, now
	}
	s.end = now + stormPause*clock.Time(clock.Scale())
	s.run++
	s.all++
	return s.run >= stormLeast && now-s.since >= stormTime || s.run >= stormMost
}

// claimed takes the last interrupt back: it was a device's.
func (s *strays) claimed() {
	if s.run > 0 {
		s.run = 0
		s.all--
	}
}

// watcher counts the storms, for the goroutine that polls.
var watcher *linux.File

// stop leaves a line masked because it storms, and reports it.
func (l *line) stop(c *percpu.CPU) {
	if !l.stuck.CompareAndSwap(0, 1) {
		return
	}
	if !apic.Simulated { // on the host there is no console
		l.report(c)
	}
	l.run = 0
	if watcher != nil {
		watcher.Signal(c)
	}
}

// report logs that the line is masked.
func (l *line) report(c *percpu.CPU) {
	var out console.Line
	out.Str("irq: GSI ").Dec(uint64(l.gsi)).Str(" (")
	for _, b := range l.name {
		if b == 0 {
			break
		}
		out.Byte(b)
	}
	out.Str(") masked: ").Dec(uint64(l.run)).Str(" interrupts in ").Dec(uint64((clock.Now() - l.since) / clock.Millisecond))
	console.Warn(c, out.Str(" ms that no device claims; its driver polls"))
}

// WatchStorms gives the core the eventfd of the goroutine that polls for stuck lines.
func WatchStorms(c *percpu.CPU, t *linux.Task, eventfd int) (*percpu.CPU, uint64) {
	c, event := linux.EventOf(c, t, uint64(eventfd))
	if event == nil {
		return c, linux.Fail(linux.EBADF)
	}
	if watcher != nil {
		return event.Release(c), linux.Fail(linux.EBUSY)
	}
	watcher = event
	return c, 0
}

// Poll does for a stuck line what its interrupt does.
func Poll(c *percpu.CPU, _ *linux.Task, n int) (*percpu.CPU, uint64) {
	l := find(n)
	if l == nil || l.stuck.Load() == 0 {
		return c, linux.Fail(linux.EINVAL)
	}
	l.serve(c)
	return c, 0
}

// Resume lets a stuck line interrupt again.
func Resume(c *percpu.CPU, _ *linux.Task, n int) (*percpu.CPU, uint64) {
	l := find(n)
	if l == nil || !l.stuck.CompareAndSwap(1, 0) {
		return c, linux.Fail(linux.EINVAL)
	}
	l.run = 0
	l.io.Mask(c, l.gsi, false)
	return c, 0
}

// Unmask unmasks a level-triggered line after its device was served. claimed says that the
// last interrupt was the device's.
func Unmask(c *percpu.CPU, _ *linux.Task, n int, claimed bool) (*percpu.CPU, uint64) {
	l := find(n)
	if l == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	if !l.level {
		return c, 0
	}
	if claimed {
		l.claimed()
	}
	if l.action == abi.ActionEvent && l.stuck.Load() == 0 {
		l.io.Mask(c, l.gsi, false)
	}
	return c, 0
}
