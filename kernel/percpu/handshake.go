package percpu

// The handshake by which a CPU comes to take part, on both sides. The boot CPU
// resets the other, lets it come, and tells it to go on; the other reports in,
// waits, and joins. Either may be late: the boot CPU gives up after a time, and
// the other may answer at that very moment. One word, CPU.State, decides: it goes
// from Ready to Online by the other's swap, or to Offline by the boot
// CPU's, and whose swap succeeds has it.
//
//	boot CPU                     the other
//	Reset: Offline; INIT
//	Expect: Booting; start-up
//	                             ReportReady: Ready
//	LetGo: Go = 1, a message     ToldToGo
//	                             Join: Ready -> Online
//	or Reset: Ready -> Offline  then Join fails, and it halts for the INIT that follows

// States of a CPU.
const (
	Offline = iota // not started, or reset
	Booting        // start-up message sent, or about to be
	Ready          // has initialised itself, and waits
	Online         // takes part in everything
)

// Reset takes c out of the handshake, wherever it is in it, so that it can be sent
// INIT. It reports false if c takes part: then it must not be.
//
// Context: the boot CPU's side, one caller at a time for each CPU.
func (c *CPU) Reset() bool {
	for {
		s := c.State.Load()
		if s == Online {
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

// Expect says that c is about to get its start-up message. It reports true when that
// is the first since c was reset: c runs nothing then, and its memory can be made anew.
//
// Context: the boot CPU's side, after INIT has reached c.
func (c *CPU) Expect() bool { return c.State.CompareAndSwap(Offline, Booting) }

// LetGo tells c that it may join. It reports false if c is not ready.
//
// Context: the boot CPU's side. A message should follow: c may halt meanwhile.
func (c *CPU) LetGo() bool {
	if c.State.Load() != Ready {
		return false
	}
	c.Go.Store(1) // pairs with the Load in ToldToGo
	return true
}

// ReportReady says that c has initialised itself. It reports false if c was reset
// on its way: then an INIT is coming, and c must halt.
//
// Context: on c.
func (c *CPU) ReportReady() bool { return c.State.CompareAndSwap(Booting, Ready) }

// ToldToGo reports whether c may join.
//
// Context: on c.
func (c *CPU) ToldToGo() bool { return c.Go.Load() != 0 }

// Join makes c take part. It reports false if the boot CPU has given c up: then
// an INIT is coming, and c must halt.
//
// Context: on c, after ToldToGo.
func (c *CPU) Join() bool { return c.State.CompareAndSwap(Ready, Online) }

// IsOnline reports whether c takes interrupts and runs threads.
func (c *CPU) IsOnline() bool { return c.State.Load() == Online }
