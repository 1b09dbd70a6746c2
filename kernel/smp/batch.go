package smp

// The INITs and SIPIs of one start, and the waits between them.

import (
	"errors"
	"time"

	"muster/kernel/abi"
	"muster/kernel/inject"
	"muster/kernel/percpu"
	"muster/trampoline"
)

const (
	// batchSize: a CPU takes one slot of a page. A second attempt has a page of its
	// own.
	batchSize = trampoline.Slots
	// startupGap is the wait before a silent CPU gets the SIPI again.
	startupGap = 200 * time.Microsecond
	// pollGap is the least time between two looks at the CPUs' states. A look at
	// many CPUs takes longer, and the pause is longer then, too: the host of an
	// emulator runs both sides.
	pollGap = 100 * time.Microsecond
	// manualWait is the wait between INIT and SIPI that the manual requires;
	// Config.INITWait may be shorter.
	manualWait = 10 * time.Millisecond
	// proceedGap is the wait before a CPU gets the request to proceed again: the
	// IPI may be lost.
	proceedGap = 10 * time.Millisecond
)

// starting is a CPU during its start.
type starting struct {
	abi.Processor
	cpu     int
	fault   inject.AP
	reached uint32 // the state that await has seen
}

func (b *bringUp) init(s *starting) {
	b.mark(s, SentINIT)
	if err := b.SendINIT(s.APICID); err != nil {
		b.problem("smp: cpu %d (APIC ID %d): INIT: %w", s.cpu, s.APICID, err)
	}
}

func (b *bringUp) startup(s *starting) {
	if s.fault.Silent {
		return
	}
	b.mark(s, SentStartup)
	err := b.SendStartup(s.APICID, b.Page)
	if err != nil && !(b.spoilt && errors.Is(err, ErrSpoilt)) { // once for all
		b.problem("smp: cpu %d (APIC ID %d): SIPI not sent: %w", s.cpu, s.APICID, err)
	}
	b.spoilt = b.spoilt || errors.Is(err, ErrSpoilt)
}

// batch sends a SIPI to CPUs that have been reset. After 200 us it sends the SIPI
// again to the CPUs that have no slot. After the limit it sends INIT and all again
// to the CPUs that have not left the trampoline, in a trampoline built anew. It
// reports the CPUs that are silent then. If something has overwritten the
// trampoline, no wait for the limit takes place.
func (b *bringUp) batch(list []*starting) {
	b.since = b.Now()
	for attempt := range 2 {
		if attempt > 0 {
			missing := b.before(list, trampoline.StageFoundBlock)
			for _, s := range missing {
				b.init(s)
			}
			if len(missing) > 0 {
				b.Sleep(manualWait) // these CPUs have failed once: no short wait
				b.putAway()
				if !b.use(missing) {
					break
				}
			}
			for _, s := range missing {
				b.startup(s)
			}
		} else {
			for _, s := range list {
				b.startup(s)
			}
		}
		if b.await(list, percpu.Ready, startupGap*time.Duration(b.Scale), nil) {
			return
		}
		for _, s := range b.before(list, trampoline.StageRealMode16) { // a CPU that has begun needs no second SIPI
			b.startup(s)
		}
		if b.spoilt {
			continue
		}
		if b.await(list, percpu.Ready, b.Timeout, nil) {
			return
		}
	}
	seen := b.slots()
	reset := false
	for _, s := range list {
		if s.reached < percpu.Ready {
			reset = b.giveUp(s, seen[s.APICID]) || reset
		}
	}
	if reset {
		b.Sleep(manualWait) // after this no CPU is in the page, which is removed next
	}
}

// before returns the CPUs that have not reached a stage.
func (b *bringUp) before(list []*starting, stage uint32) (missing []*starting) {
	seen := b.slots()
	for _, s := range list {
		if s.reached < percpu.Ready && max(b.State(s.cpu).Stage, seen[s.APICID]) < stage {
			missing = append(missing, s)
		}
	}
	return missing
}

// giveUp reports a silent CPU. A CPU that has left the trampoline may still come,
// and does no harm. Any other is reset, so that it does not enter a page that is
// used for something else. A CPU that has given up itself is reset too.
func (b *bringUp) giveUp(s *starting, slot uint32) (reset bool) {
	st := b.State(s.cpu)
	b.Problems = append(b.Problems, Silent{s.cpu, s.APICID, max(st.Stage, slot), st.Code, b.Now().Sub(b.since).Round(100 * time.Millisecond)})
	if st.Stage >= trampoline.StageFoundBlock && st.Code == percpu.CodeNone {
		b.Late = append(b.Late, Late{s.cpu, s.APICID})
		return false
	}
	b.SendINIT(s.APICID)
	return true
}

// barrier lets the CPUs that are ready come online together, and waits until all
// are.
func (b *bringUp) barrier(list []*starting) {
	proceed := func(again bool) {
		var missing []int
		for _, s := range list {
			if s.reached < percpu.Online {
				missing = append(missing, s.cpu)
			}
		}
		if err := b.Proceed(missing, again); err != nil {
			b.problem("smp: CPUs were not all released: %w", err)
		}
	}
	proceed(false)
	b.await(list, percpu.Online, b.Timeout, func() { proceed(true) })
	for _, s := range list {
		if s.reached < percpu.Online {
			st := b.State(s.cpu)
			err := b.SendINIT(s.APICID) // refused if it is online after all, or about to be shown as such
			if err == nil || b.State(s.cpu).State < percpu.Ready {
				b.Problems = append(b.Problems, Silent{s.cpu, s.APICID, st.Stage, st.Code, b.Timeout})
				continue
			}
		}
		b.Online++
	}
}

// await waits until all CPUs of a list have reached a state, or the time is up. It
// calls again, if that is not nil, at intervals.
func (b *bringUp) await(list []*starting, state uint32, limit time.Duration, again func()) bool {
	began := b.Now()
	gap := proceedGap * time.Duration(b.Scale)
	next := began.Add(gap)
	for {
		missing, looked := false, b.Now()
		for _, s := range list {
			if s.reached < state {
				if s.reached = b.State(s.cpu).State; s.reached < state {
					missing = true
					continue
				}
				b.mark(s, map[uint32]Event{percpu.Ready: SawReady, percpu.Online: SawOnline}[state])
			}
		}
		if !missing {
			return true
		}
		now := b.Now()
		if now.Sub(began) > limit || b.ctx != nil && b.ctx.Err() != nil {
			return false
		}
		if again != nil && now.After(next) {
			again()
			next = now.Add(gap)
		}
		b.Sleep(min(max(pollGap, 3*b.Now().Sub(looked)), gap))
	}
}

// slots returns the stages that CPUs have reported in the trampoline's page.
func (b *bringUp) slots() map[uint32]uint32 {
	seen := map[uint32]uint32{}
	if !b.inUse {
		return seen
	}
	for i := range trampoline.Slots {
		if r := b.Slot(b.Page, i); r.Stage != trampoline.StageNone { // taken, and its CPU has written nothing yet
			seen[r.APICID] = r.Stage
		}
	}
	return seen
}
