package percpu

// The handshake by which an AP comes online, on both sides. The boot CPU resets the
// AP, sends it a SIPI, and lets it join; the AP reports that it is ready, waits,
// and joins. Either may be late: the boot CPU gives up after a time, and the AP may
// answer at that very moment. One word, CPU.State, decides: the AP swaps Ready for
// Online, or the boot CPU swaps it for Offline, and only one of the two swaps
// succeeds.
//
//	boot CPU                     the AP
//	Reset: Offline; INIT
//	Expect: Booting; SIPI
//	                             ReportReady: Ready
//	LetGo: Go = 1, an IPI        MayJoin
//	                             Join: Ready -> Online
//	or Reset: Ready -> Offline   then Join fails, and it halts for the INIT that follows
//
// A CPU that is online goes offline by itself, when another CPU requests it:
//
//	another CPU                  the CPU
//	Dismiss: Online -> Leaving; an IPI
//	                             leaves its threads, its timers and the sets that it is in
//	                             EndCalls: Gone
//	                             Park: Offline, and it halts for the next INIT

// States of a CPU.
const (
	Offline = iota // not started, or reset
	Booting        // SIPI sent, or about to be sent
	Ready          // has initialised itself, and waits
	Online         // takes interrupts and runs threads
	Leaving        // takes interrupts, and gives its threads away
	Gone           // answers no further calls, and is about to halt
)

// Reset ends the handshake in any state, so that c can be sent INIT. It reports
// false if c is online, or on its way offline: then c must not be sent INIT.
//
// Context: the boot CPU's side, one caller at a time for each CPU.
func (c *CPU) Reset() bool {
	for {
		s := c.State.Load()
		if s >= Online {
			return false
		}
		if c.State.CompareAndSwap(s, Offline) {
			break
		}
	}
	c.Go.Store(0)
	c.Code.Store(CodeNone)
	return true
}

// Expect records that c is about to get its SIPI. It reports true for the first
// SIPI since c was reset: c runs nothing then, and its memory can be made anew.
//
// Context: the boot CPU's side, after INIT has reached c.
func (c *CPU) Expect() bool { return c.State.CompareAndSwap(Offline, Booting) }

// LetGo lets c join. It reports false if c is not ready.
//
// Context: the boot CPU's side. An IPI must follow, because c may have halted.
func (c *CPU) LetGo() bool {
	if c.State.Load() != Ready {
		return false
	}
	c.Go.Store(1) // pairs with the Load in MayJoin
	return true
}

// ReportReady records that c has initialised itself. It reports false if c was
// reset during its start: then an INIT is coming, and c must halt.
//
// Context: on c.
func (c *CPU) ReportReady() bool { return c.State.CompareAndSwap(Booting, Ready) }

// MayJoin reports whether c may join.
//
// Context: on c.
func (c *CPU) MayJoin() bool { return c.Go.Load() != 0 }

// Join makes c online. It reports false if the boot CPU has given c up: then an
// INIT is coming, and c must halt.
//
// Context: on c, after MayJoin.
func (c *CPU) Join() bool { return c.State.CompareAndSwap(Ready, Online) }

// Dismiss makes c leave, and reports whether it was online.
//
// Context: another CPU's side. An IPI must follow, because c may have halted.
func (c *CPU) Dismiss() bool { return c.State.CompareAndSwap(Online, Leaving) }

// IsLeaving reports whether c has to go offline.
func (c *CPU) IsLeaving() bool { return c.State.Load() == Leaving }

// Answers reports whether c answers a call whose caller has entered itself in c.Callers. If
// not, c does so no more: the caller takes itself out. The caller enters itself and looks
// then; c stores its state and looks for callers then. So one of the two sees the other.
func (c *CPU) Answers() bool {
	s := c.State.Load()
	return s == Online || s == Leaving
}

// EndCalls makes c answer no calls of callers that come from now on.
//
// Context: on c, interrupts off, while it leaves.
func (c *CPU) EndCalls() { c.State.Store(Gone) } // pairs with the Load in Answers

// Park makes c offline: it may be sent INIT at any time from now on.
//
// Context: on c, interrupts off. Nothing follows but HLT.
func (c *CPU) Park() { c.State.Store(Offline) }

// Steps of a CPU that leaves, in CPU.Step.
const (
	StepNone    = iota
	StepThreads // they go to other CPUs
	StepTimers  // they go to the boot CPU
	StepCalls   // the last calls of other CPUs are answered
	StepTLB     // it leaves the sets of CPUs that flush
	StepAPIC    // it takes no interrupt any more
	StepParked
)

var stepNames = [...]string{"not begun", "threads", "timers", "calls", "TLB", "local APIC", "parked"}

// StepName returns the name of a step.
func StepName(step uint32) string {
	if step < uint32(len(stepNames)) {
		return stepNames[step]
	}
	return "unknown"
}

// IsOnline reports whether c takes interrupts and runs threads.
func (c *CPU) IsOnline() bool { return c.State.Load() == Online }
