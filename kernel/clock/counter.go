package clock

import "muster/kernel/atom"

// Kind names a counter of time.
type Kind uint8

// Counters outside the CPU, the best reference first.
const (
	HPET Kind = iota
	PMTimer
	PIT
	Kinds // how many there are

	// Held is no counter, but the clock where the time-stamp counters differ and none of the others counts.
	Held Kind = Kinds + 1
)

// String returns the counter's name for log and listings.
func (k Kind) String() string {
	switch k {
	case HPET:
		return "HPET"
	case PMTimer:
		return "ACPI PM timer"
	case PIT:
		return "PIT"
	case Held:
		return "corrected time-stamp counter of each CPU"
	}
	return "no counter"
}

// Counter is a counter outside the CPU whose frequency is known: Num/Den counts per second.
// It counts up, and wraps after Mask. All fields are written on the boot CPU before others
// start, and died is atomic, so any CPU may read the counter without a lock. The PIT is an exception: only the
// boot CPU reads it, between StartPIT and StopPIT.
type Counter struct {
	Kind     Kind
	Mask     uint64 // the bits that Read returns
	Num, Den uint64
	Bits     uint8  // the counter's own width; Read may return fewer
	Problem  string // why it is not used; "" if it counts, or if it is absent

	found  bool
	memory bool        // at is an address, not a port
	at     uintptr     // registers
	frozen bool        // an injected fault: it stands still
	died   atom.Uint32 // 1: it has stopped since the boot
}

// counters are the machine's, by Kind.
var counters [Kinds]Counter

// CounterOf returns the counter of a kind; Usable says whether the machine has it.
func CounterOf(k Kind) *Counter { return &counters[k] }

// Found reports whether the machine has the counter, whether or not it counts.
func (r *Counter) Found() bool { return r.found }

// Usable reports whether the machine has the counter and it counted when it was last looked at.
func (r *Counter) Usable() bool { return r.found && r.Problem == "" && !r.Died() }

// Died reports whether the counter has stopped since the boot.
func (r *Counter) Died() bool { return r.died.Load() != 0 }

// Read returns the count. It costs about a microsecond on most machines.
//
// Context: any, on every CPU; see Counter for the PIT.
func (r *Counter) Read() uint64 {
	switch {
	case r.frozen:
		return 0
	case r.Kind == HPET:
		return readHPET(r.at)
	case r.Kind == PMTimer:
		return readPM(r.at, r.memory) & r.Mask
	}
	return readPIT()
}

// Since returns how many counts it is from one reading to a later one, if the counter wrapped
// at most once in between.
func (r *Counter) Since(from, to uint64) uint64 { return (to - from) & r.Mask }

// Hz returns the frequency, rounded down.
func (r *Counter) Hz() uint64 { return r.Num / r.Den }

// Freeze injects a fault: from now on the counter stands still.
//
// Context: boot CPU, before other CPUs start.
func (r *Counter) Freeze() { r.frozen = true }

// stillReads is how many readings in a row may be equal before a counter is said to stand
// still. The slowest one here, the PIT, counts at 1.2 MHz, and a reading of it takes more
// than a microsecond. Other readings take 50 ns at least, so a CPU makes 6 between two
// counts of the PM timer, and hundreds if an emulator stops the counter's clock for a moment.
const stillReads = 20000

// Probe reads the counter until it counts, at most stillReads times, and notes that it stands
// still if it does not. It returns Usable.
//
// Context: boot CPU, before others start; the PIT's channel must have been started.
func (r *Counter) Probe() bool {
	if !r.Usable() {
		return false
	}
	first := r.Read()
	for range stillReads {
		if r.Since(first, r.Read()) != 0 {
			return true
		}
	}
	r.Problem = StandsStill
	return false
}

// StandsStill is the problem of a counter that does not count.
const StandsStill = "it stands still"
