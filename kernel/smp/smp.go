// Package smp starts the CPUs that the firmware lists.
//
// All of them get INIT together, one wait, then the start-up message; each finds
// itself by its APIC id and reports in, and all go on together. Every wait is
// bounded. A CPU that stays silent is named, with how far it came, and the rest
// go on; one that answers late is taken in then.
//
// Layer: service.
// Context: one goroutine at a time.
// Locks: none.
// Manual: Intel SDM vol. 3A, "Typical BSP Initialization Sequence".
// Chapter: docs/08-starting-cpus.md.
// Left out: the mailbox of MADT type 0x10.
package smp

import (
	"fmt"
	"slices"
	"time"

	"muster/kernel/fault"
	"muster/kernel/percpu"
	"muster/trampoline"
)

// Target is a CPU to start.
type Target struct {
	APICID uint32
	UID    uint32 // the firmware's name for it
	Pins   uint32 // its local interrupt pins, as abi.NMIPin has it
}

// State is what a CPU says of itself.
type State struct {
	State uint32 // percpu.Booting and so on
	Stage uint32
	Code  uint32 // percpu.CodeNone and so on
}

// Machine is what starting CPUs needs of the core, and of time.
type Machine interface {
	SetCPULimit(n int) error
	PrepareCPU(t Target) (cpu int, err error)
	UseTrampoline(page uint64, f fault.AP) error // 0 ends its use
	SendINIT(apicID uint32) error
	SendStartup(apicID uint32, page uint64) error
	State(cpu int) State
	Slot(page uint64, i int) trampoline.Report
	Proceed(cpu int) error
	Now() time.Time
	Sleep(time.Duration)
}

// Config says how to start.
type Config struct {
	Boot     uint32           // APIC id of the CPU that runs already
	Max      int              // CPUs in all, 0 for no limit
	Page     uint64           // of the trampoline
	INITWait time.Duration    // between INIT and the start-up message
	Timeout  time.Duration    // for a CPU to report in; Limit by default
	Serial   bool             // one after the other, for study and for odd firmware
	Faults   map[int]fault.AP // by CPU number
}

// Limit is how long a CPU may take to report in.
const Limit = time.Second

const (
	// batchSize leaves slots for CPUs that are reset on their way and take a second one.
	batchSize = trampoline.Slots * 2 / 3
	// startupGap is the wait before a silent CPU gets the start-up message again.
	startupGap = 200 * time.Microsecond
	// pollGap is the time between two looks at what the CPUs say.
	pollGap = 100 * time.Microsecond
	// manualWait is the wait between INIT and the start-up message that the manual
	// asks for; Config.INITWait may be shorter.
	manualWait = 10 * time.Millisecond
	// proceedGap is the wait before a CPU is told again to go on: the message may be lost.
	proceedGap = 10 * time.Millisecond
)

// Silent is a CPU that did not report in.
type Silent struct {
	CPU    int
	APICID uint32
	Stage  uint32
	Code   uint32
	After  time.Duration
}

func (s Silent) Error() string {
	text := fmt.Sprintf("smp: cpu %d (APIC ID %d): silent for %v, last stage %d (%s)",
		s.CPU, s.APICID, s.After, s.Stage, trampoline.StageName(s.Stage))
	if s.Code == percpu.CodeFeatures {
		text += ": it lacks features that the boot CPU has"
	}
	return text
}

// Event is a step in the start of a CPU.
type Event uint8

// Events.
const (
	SentINIT Event = iota
	SentStartup
	SawOnline
	SawRunning
)

// String names the event.
func (e Event) String() string { return [...]string{"INIT", "SIPI", "online", "running"}[e] }

// Mark says when a step was.
type Mark struct {
	CPU   int
	Event Event
	At    time.Time
}

// Result says what came of it.
type Result struct {
	Online   int           // CPUs that run, the boot CPU included
	Wanted   int           // of how many
	Took     time.Duration // from the first INIT until all that answered took part
	Problems []error
	Late     []Late // CPUs on their way that may still come
	Marks    []Mark // in the order of events
}

// Late is a CPU that was on its way when the time was up.
type Late struct {
	CPU    int
	APICID uint32
}

// starting is a CPU on its way.
type starting struct {
	Target
	cpu     int
	fault   fault.AP
	reached uint32 // the state that await has seen
}

// bringUp is one run of StartAll.
type bringUp struct {
	Machine
	Config
	Result
	began time.Time
	timed bool
}

// StartAll starts every target but the boot CPU, up to cfg.Max CPUs in all.
func StartAll(m Machine, targets []Target, cfg Config) Result {
	if cfg.Timeout == 0 {
		cfg.Timeout = Limit
	}
	b := &bringUp{Machine: m, Config: cfg}
	b.Online = 1
	list := b.choose(targets)
	if len(list) == 0 || !b.prepare(&list) {
		return b.Result
	}
	var online []*starting
	if cfg.Serial {
		for _, s := range list {
			online = append(online, b.start([]*starting{s})...)
		}
	} else {
		online = b.start(list)
	}
	b.barrier(online)
	b.Took = m.Now().Sub(b.began)
	return b.Result
}

func (b *bringUp) problem(format string, args ...any) {
	b.Problems = append(b.Problems, fmt.Errorf(format, args...))
}

func (b *bringUp) mark(s *starting, e Event) {
	b.Marks = append(b.Marks, Mark{s.cpu, e, b.Now()})
}

// choose returns who is to be started.
func (b *bringUp) choose(targets []Target) (list []*starting) {
	for _, t := range targets {
		if t.APICID != b.Boot {
			list = append(list, &starting{Target: t})
		}
	}
	if b.Max > 0 && len(list) > b.Max-1 {
		list = list[:b.Max-1]
	}
	if len(list) > percpu.Max-1 {
		b.problem("smp: %d CPUs listed, using the first %d", len(list)+1, percpu.Max)
		list = list[:percpu.Max-1]
	}
	b.Wanted = len(list) + 1
	return list
}

// prepare makes room for all, and leaves out those for which there is none.
func (b *bringUp) prepare(list *[]*starting) bool {
	if b.Page == 0 {
		b.problem("smp: no page below 1 MiB for the trampoline, running on one CPU")
		return false
	}
	if err := b.SetCPULimit(b.Wanted); err != nil {
		b.problem("smp: no room for %d CPUs: %w", b.Wanted, err)
		return false
	}
	*list = slices.DeleteFunc(*list, func(s *starting) bool {
		cpu, err := b.PrepareCPU(s.Target)
		if err != nil {
			b.problem("smp: APIC ID %d: no memory for a CPU: %w", s.APICID, err)
			return true
		}
		s.cpu, s.fault = cpu, b.Faults[cpu]
		return false
	})
	return len(*list) > 0
}

// start resets all CPUs of a list, waits once, and lets them come, as many at a
// time as the trampoline has slots. One that is to fail comes alone. It returns
// those that are online.
func (b *bringUp) start(list []*starting) (online []*starting) {
	var healthy []*starting
	var alone [][]*starting
	for _, s := range list {
		if s.fault == (fault.AP{}) {
			healthy = append(healthy, s)
		} else {
			alone = append(alone, []*starting{s})
		}
	}
	batches := append(slices.Collect(slices.Chunk(healthy, batchSize)), alone...)
	ready := b.use(batches[0]) // before the first INIT: nobody need wait for it
	if !b.timed {
		b.began, b.timed = b.Now(), true
	}
	for _, s := range list {
		b.init(s)
	}
	if b.INITWait > 0 {
		b.Sleep(b.INITWait)
	}
	for i, batch := range batches {
		if i > 0 {
			ready = b.use(batch)
		}
		if ready {
			b.batch(batch)
			b.UseTrampoline(0, fault.AP{})
		}
	}
	for _, s := range list {
		if s.reached >= percpu.Online {
			online = append(online, s)
		}
	}
	return online
}

// use builds the trampoline for a batch.
func (b *bringUp) use(batch []*starting) bool {
	if err := b.UseTrampoline(b.Page, batch[0].fault); err != nil {
		b.problem("smp: trampoline at %#x: %w", b.Page, err)
		return false
	}
	return true
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
	if err := b.SendStartup(s.APICID, b.Page); err != nil {
		b.problem("smp: cpu %d (APIC ID %d): start-up: %w", s.cpu, s.APICID, err)
	}
}

// batch sends the start-up message to CPUs that have been reset, again to those
// that no slot knows after 200 us, and after the limit INIT and all again to those
// that have not left the trampoline. What is silent then is reported.
func (b *bringUp) batch(list []*starting) {
	for attempt := range 2 {
		if attempt > 0 {
			missing := b.before(list, trampoline.StageFoundBlock)
			for _, s := range missing {
				b.init(s)
			}
			if len(missing) > 0 {
				b.Sleep(manualWait) // they are in trouble: no short cut
			}
			for _, s := range missing {
				b.startup(s)
			}
		} else {
			for _, s := range list {
				b.startup(s)
			}
		}
		if b.await(list, percpu.Online, startupGap, nil) {
			return
		}
		for _, s := range b.before(list, trampoline.StageRealMode16) { // one on its way waits for no message
			b.startup(s)
		}
		if b.await(list, percpu.Online, b.Timeout, nil) {
			return
		}
	}
	seen := b.slots()
	reset := false
	for _, s := range list {
		if s.reached < percpu.Online {
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
		if s.reached < percpu.Online && max(b.State(s.cpu).Stage, seen[s.APICID]) < stage {
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
	b.Problems = append(b.Problems, Silent{s.cpu, s.APICID, max(st.Stage, slot), st.Code, b.Now().Sub(b.began).Round(100 * time.Millisecond)})
	if st.Stage >= trampoline.StageFoundBlock && st.Code == percpu.CodeNone {
		b.Late = append(b.Late, Late{s.cpu, s.APICID})
		return false
	}
	b.SendINIT(s.APICID)
	return true
}

// barrier lets the CPUs that are online go on together, and waits until all run.
func (b *bringUp) barrier(list []*starting) {
	proceed := func() {
		for _, s := range list {
			if s.reached < percpu.Acknowledged {
				if err := b.Proceed(s.cpu); err != nil {
					b.problem("smp: cpu %d (APIC ID %d): %w", s.cpu, s.APICID, err)
				}
			}
		}
	}
	proceed()
	b.await(list, percpu.Acknowledged, b.Timeout, proceed)
	for _, s := range list {
		if s.reached < percpu.Acknowledged {
			st := b.State(s.cpu)
			b.SendINIT(s.APICID) // refused if it takes part after all
			if b.State(s.cpu).State != percpu.Acknowledged {
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
	next := began.Add(proceedGap)
	for {
		missing := false
		for _, s := range list {
			if s.reached < state {
				if s.reached = b.State(s.cpu).State; s.reached < state {
					missing = true
					continue
				}
				b.mark(s, map[uint32]Event{percpu.Online: SawOnline, percpu.Acknowledged: SawRunning}[state])
			}
		}
		if !missing {
			return true
		}
		now := b.Now()
		if now.Sub(began) > limit {
			return false
		}
		if again != nil && now.After(next) {
			again()
			next = now.Add(proceedGap)
		}
		b.Sleep(pollGap)
	}
}

// slots returns the stages that CPUs have reported in the trampoline's page.
func (b *bringUp) slots() map[uint32]uint32 {
	seen := map[uint32]uint32{}
	for i := range trampoline.Slots {
		r := b.Slot(b.Page, i)
		if r.Stage == trampoline.StageNone {
			break // they are taken in order
		}
		seen[r.APICID] = r.Stage // a CPU that was reset has taken another one
	}
	return seen
}

// StartAgain starts a single CPU that was prepared before and does not take part: one
// that was silent, or that halted on its way. cfg is as for StartAll.
func StartAgain(m Machine, cpu int, apicID uint32, cfg Config) Result {
	if cfg.Timeout == 0 {
		cfg.Timeout = Limit
	}
	b := &bringUp{Machine: m, Config: cfg}
	b.Wanted = 1
	b.barrier(b.start([]*starting{{Target: Target{APICID: apicID}, cpu: cpu}}))
	b.Took = m.Now().Sub(b.began)
	return b.Result
}

// Catch waits for a CPU that was late, and takes it in. After the limit it is
// reset; the error then says so.
func Catch(m Machine, l Late, limit time.Duration) (after time.Duration, err error) {
	b := &bringUp{Machine: m}
	s := []*starting{{Target: Target{APICID: l.APICID}, cpu: l.CPU}}
	began := m.Now()
	if !b.await(s, percpu.Online, limit, nil) { // it takes part only when it is told to
		st := m.State(l.CPU)
		m.SendINIT(l.APICID)
		return 0, Silent{l.CPU, l.APICID, st.Stage, st.Code, limit}
	}
	b.Timeout = limit
	b.barrier(s)
	if len(b.Problems) > 0 {
		return 0, b.Problems[0]
	}
	return m.Now().Sub(began), nil
}
