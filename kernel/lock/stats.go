package lock

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Counter is something that is counted for the locks of a rank, on each CPU.
type Counter uint8

// Counters. Times are in ticks of the time-stamp counter.
const (
	Contended   Counter = iota // times that the CPU has waited for a lock
	OutOfTurn                  // of them, those in which it took the lock out of turn
	Waited                     // for how long in all
	LongestWait                // and at most
	LongestHold                // debug builds: for how long the CPU has held a lock at most
	Counters
)

// IsTime reports whether the counter is a time.
func (n Counter) IsTime() bool { return n >= Waited }

// Stats is the counters of one CPU. Only that CPU writes them; other CPUs may read them
// meanwhile. A CPU that gets a lock at once writes none of them.
type Stats struct {
	counts  [Ranks][Counters]atom.Uint64
	takenAt [len(percpu.CPU{}.LockRanks)]uint64 // debug builds: when the CPU took the locks that it holds
}

// StatsBytes is the memory that a CPU's counters need.
const StatsBytes = unsafe.Sizeof(Stats{})

// Read returns a counter of a CPU.
func Read(c *percpu.CPU, r Rank, n Counter) uint64 {
	if c.Locks == 0 {
		return 0
	}
	return (*Stats)(unsafe.Pointer(c.Locks)).counts[r%Ranks][n%Counters].Load()
}

// hasWaited counts a wait of c for a lock. ahead is below 0 if c took it out of turn.
func hasWaited(c *percpu.CPU, r Rank, ticks uint64, ahead int32) {
	if c.Locks == 0 {
		return
	}
	s := (*Stats)(unsafe.Pointer(c.Locks))
	n := &s.counts[r%Ranks]
	n[Contended].Store(n[Contended].Load() + 1)
	if ahead < 0 {
		n[OutOfTurn].Store(n[OutOfTurn].Load() + 1)
	}
	n[Waited].Store(n[Waited].Load() + ticks)
	raise(&n[LongestWait], ticks)
}

// raise makes a counter at least v.
func raise(n *atom.Uint64, v uint64) {
	if v > n.Load() {
		n.Store(v)
	}
}

// holds notes that c has taken a lock, in debug builds. Its rank is not on the stack of c's ranks yet.
func holds(c *percpu.CPU) {
	if c.Locks != 0 {
		s := (*Stats)(unsafe.Pointer(c.Locks))
		s.takenAt[int(c.LockDepth)%len(s.takenAt)] = cpu.TSC()
	}
}

// hasHeld counts how long c has held the lock that it releases, in debug builds. Its rank is on the
// stack no more.
func hasHeld(c *percpu.CPU, r Rank) {
	if c.Locks != 0 {
		s := (*Stats)(unsafe.Pointer(c.Locks))
		raise(&s.counts[r%Ranks][LongestHold], cpu.TSC()-s.takenAt[int(c.LockDepth)%len(s.takenAt)])
	}
}
