package smp

// CPUs that go offline.

import (
	"fmt"
	"time"

	"muster/kernel/percpu"
)

// LeaveLimit is how long a CPU may take to go offline. What it runs reaches the end of the
// core's longest stretch within a millisecond, but an emulator's host may stop a virtual CPU.
const LeaveLimit = 10 * time.Second

// leaveGap is the wait before a CPU gets the request again: the IPI may be lost.
const leaveGap = 10 * time.Millisecond

// Leaver is what TakeOffline needs from the core, and from time.
type Leaver interface {
	Leave(cpu int) error // may be repeated
	State(cpu int) State
	Now() time.Time
	Sleep(time.Duration)
}

// Stuck is a CPU that has not gone offline within the limit. It may still do so.
type Stuck struct {
	CPU   int
	Step  uint32 // percpu.Step*
	After time.Duration
}

func (s Stuck) Error() string {
	return fmt.Sprintf("smp: cpu %d: not offline after %v, it is at step %d (%s)", s.CPU, s.After, s.Step, percpu.StepName(s.Step))
}

// TakeOffline makes a CPU go offline and returns when it is, and how long that took. The
// caller has led device interrupts away from it.
func TakeOffline(m Leaver, cpu int, limit time.Duration) (took time.Duration, err error) {
	began := m.Now()
	if err := m.Leave(cpu); err != nil {
		return 0, fmt.Errorf("smp: cpu %d: %w", cpu, err)
	}
	for again := began.Add(leaveGap); ; {
		s := m.State(cpu)
		now := m.Now()
		switch {
		case s.State == percpu.Offline:
			return now.Sub(began), nil
		case now.Sub(began) > limit:
			return 0, Stuck{cpu, s.Step, limit}
		case now.After(again):
			if err := m.Leave(cpu); err != nil && m.State(cpu).State != percpu.Offline {
				return 0, fmt.Errorf("smp: cpu %d: %w", cpu, err)
			}
			again = now.Add(leaveGap)
		}
		m.Sleep(pollGap)
	}
}
