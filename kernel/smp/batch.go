package smp

// The messages of one start, and the waits between them.

import (
	"errors"
	"time"

	"muster/kernel/abi"
	"muster/kernel/inject"
	"muster/kernel/percpu"
	"muster/trampoline"
)

const (
	// batchSize: a CPU takes one slot of a page, as a second attempt has a page of its own.
	batchSize = trampoline.Slots
	// startupGap is the wait before a silent CPU gets the start-up message again.
	startupGap = 200 * time.Microsecond
	// pollGap is the least time between two looks at what the CPUs say. A look at many
	// takes longer, and so does the pause then: the host of an emulator runs both sides.
	pollGap = 100 * time.Microsecond
	// manualWait is the wait between INIT and the start-up message that the manual
	// asks for; Config.INITWait may be shorter.
	manualWait = 10 * time.Millisecond
	// proceedGap is the wait before a CPU is told again to go on: the message may be lost.
	proceedGap = 10 * time.Millisecond
)

// starting is a CPU on its way.
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
		b.problem("smp: cpu %d (APIC ID %d): start-up: %w", s.cpu, s.APICID, err)
	}
	b.spoilt = b.spoilt || errors.Is(err, ErrSpoilt)
}

// batch sends the start-up message to CPUs that have been reset, again to those
// that no slot knows after 200 us, and after the limit INIT and all again to those
// that have not left the trampoline, in a trampoline built anew. What is silent then
// is reported. When something has written to the trampoline nobody waits for the limit.
func (b *bringUp) batch(list []*starting) {
	b.since = b.Now()
	for attempt := range 2 {
		if attempt > 0 {
			missing := b.before(list, trampoline.StageFoundBlock)
			for _, s := range missing {
				b.init(s)
			}
			if len(missing) > 0 {
				b.Sleep(manualWait) // they are in trouble: no short cut
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
		for _, s := range b.before(list, trampoline.StageRealMode16) { // one on its way waits for no message
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
		b.Sleep(manualWait) // the page goes away next: by then nobody is in it
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

// giveUp reports a silent CPU. One that has left the trampoline may still come,
// and does no harm; any other is reset, lest it come to a page that is used for
// something else. So is one that has given up itself.
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

// barrier lets the CPUs that are online go on together, and waits until all run.
func (b *bringUp) barrier(list []*starting) {
	proceed := func(again bool) {
		var missing []int
		for _, s := range list {
			if s.reached < percpu.Online {
				missing = append(missing, s.cpu)
			}
		}
		if err := b.Proceed(missing, again); err != nil {
			b.problem("smp: letting CPUs go on: %w", err)
		}
	}
	proceed(false)
	b.await(list, percpu.Online, b.Timeout, func() { proceed(true) })
	for _, s := range list {
		if s.reached < percpu.Online {
			st := b.State(s.cpu)
			b.SendINIT(s.APICID) // refused if it takes part after all
			if b.State(s.cpu).State != percpu.Online {
				b.Problems = append(b.Problems, Silent{s.cpu, s.APICID, st.Stage, st.Code, b.Timeout})
				continue
			}
		}
		b.Online++
	}
}

// await waits until all CPUs of a list have reached a state, or the time is up.
// again, if there is one, is called now and then.
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
		if r := b.Slot(b.Page, i); r.Stage != trampoline.StageNone { // taken, and nothing in it yet
			seen[r.APICID] = r.Stage
		}
	}
	return seen
}
