package selftest

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// switching has the two threads whose switches are measured. They are on one CPU, so each
// yield of one is a switch to the other.
var switching switchPair

type switchPair struct {
	arrived atom.Uint32 // how many of the two are here
	done    atom.Uint32 // 1: the one that measures has ended
}

// mostYields bounds the wait of one thread for the other, which is ready on the same CPU.
const mostYields = 1000

// switches yields times times, and returns the nanoseconds of the 2*times switches to the other thread and
// back. The thread that comes second yields until the first has ended, and returns 0. The
// call fails with EAGAIN if the other one does not come, or if there were other switches.
//
// Context: interrupts off, no lock held; two threads that are pinned to one CPU call it at a time.
func switches(c *percpu.CPU, times int) (*percpu.CPU, uint64) {
	s := &switching
	if s.arrived.Add(1) == 2 {
		for range mostYields {
			if s.done.Load() != 0 {
				s.done.Store(0)
				return c, 0
			}
			c = sched.Yield(c)
		}
		return c, linux.Fail(linux.EAGAIN)
	}
	for range mostYields {
		if s.arrived.Load() == 2 {
			return s.measure(c, times)
		}
		c = sched.Yield(c)
	}
	s.arrived.Store(0)
	return c, linux.Fail(linux.EAGAIN)
}

func (s *switchPair) measure(c *percpu.CPU, times int) (*percpu.CPU, uint64) {
	before, began := c.Switches.Load(), cpu.TSC()
	for range times {
		c = sched.Yield(c)
	}
	took, made := cpu.TSC()-began, c.Switches.Load()-before
	s.arrived.Store(0)
	s.done.Store(1)
	if made != 2*uint64(times) {
		return c, linux.Fail(linux.EAGAIN)
	}
	return c, uint64(clock.Span(took))
}
