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
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/kernel/abi"
	"muster/kernel/inject"
	"muster/kernel/percpu"
	"muster/trampoline"
)

// State is what a CPU says of itself.
type State struct {
	State uint32 // percpu.Booting and so on
	Stage uint32
	Code  uint32 // percpu.CodeNone and so on
}

// Core is what starting CPUs needs of the core, and of time.
type Core interface {
	SetCPULimit(n int) error
	PrepareCPU(t abi.Processor) (cpu int, err error)
	UseTrampoline(page uint64, f inject.AP, spoil bool) error // 0 ends its use
	SendINIT(apicID uint32) error
	SendStartup(apicID uint32, page uint64) error // ErrSpoilt if the page is not what was built
	State(cpu int) State
	Slot(page uint64, i int) trampoline.Report
	Proceed(cpus []int, again bool) error // again: the message may have been lost
	Now() time.Time
	Sleep(time.Duration)
}

// Config says how to start.
type Config struct {
	Boot     uint32            // APIC id of the CPU that runs already
	Max      int               // CPUs in all, 0 for no limit
	Page     uint64            // of the trampoline
	INITWait time.Duration     // between INIT and the start-up message
	Timeout  time.Duration     // for a CPU to report in; Limit times Scale by default
	Scale    int               // how much longer CPUs may take than hardware does; 1 by default
	Serial   bool              // one after the other, for study and for odd firmware
	Faults   map[int]inject.AP // by CPU number
	Spoil    int               // so often the page is written over, for tests
}

// ErrSpoilt says that something has written to the trampoline since it was built.
var ErrSpoilt = errors.New("the trampoline was written over")

// Limit is how long a CPU may take to report in.
const Limit = time.Second

// Result says what came of it.
type Result struct {
	Online   int           // CPUs that run, the boot CPU included
	Wanted   int           // of how many
	Took     time.Duration // from the first INIT until all that answered took part
	Problems []error
	Late     []Late // CPUs on their way that may still come
	Marks    []Mark // in the order of events
}

// bringUp is one run of StartAll.
type bringUp struct {
	Core
	Config
	Result
	began  time.Time
	timed  bool
	since  time.Time       // the present batch began
	inUse  bool            // the trampoline is in its page
	spoilt bool            // a start-up message was refused for what is in the page
	ctx    context.Context // ends the wait for a late CPU; nil for none
}

// withDefaults fills in what was left out.
func (cfg Config) withDefaults() Config {
	cfg.Scale = max(cfg.Scale, 1)
	if cfg.Timeout == 0 {
		cfg.Timeout = Limit * time.Duration(cfg.Scale)
	}
	return cfg
}

// StartAll starts every target but the boot CPU, up to cfg.Max CPUs in all.
func StartAll(m Core, targets []abi.Processor, cfg Config) Result {
	b := &bringUp{Core: m, Config: cfg.withDefaults()}
	b.Online = 1
	list, room := b.choose(targets)
	if room == 1 || !b.prepare(&list, room) {
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

// putAway ends the use of the trampoline.
func (b *bringUp) putAway() {
	b.UseTrampoline(0, inject.AP{}, false)
	b.inUse = false
}

func (b *bringUp) problem(format string, args ...any) {
	b.Problems = append(b.Problems, fmt.Errorf(format, args...))
}

// choose returns the CPUs that are to be started, and the number of CPUs, the boot CPU
// included, that may be started later or never: all that are listed, as far as the
// kernel has numbers for them.
func (b *bringUp) choose(targets []abi.Processor) (list []*starting, room int) {
	for _, t := range targets {
		if t.APICID != b.Boot {
			list = append(list, &starting{Processor: t})
		}
	}
	if len(list) > percpu.Max-1 {
		b.problem("smp: %d CPUs listed, using the first %d", len(list)+1, percpu.Max)
		list = list[:percpu.Max-1]
	}
	room = len(list) + 1
	if b.Max > 0 && len(list) > b.Max-1 {
		list = list[:b.Max-1]
	}
	b.Wanted = len(list) + 1
	return list, room
}

// prepare makes room for all, and leaves out those for which there is none. The tables
// have room for the CPUs beyond cfg.Max too, so that one can be started later.
func (b *bringUp) prepare(list *[]*starting, room int) bool {
	if b.Page == 0 {
		b.problem("smp: no page below 1 MiB for the trampoline, running on one CPU")
		return false
	}
	if err := b.SetCPULimit(room); err != nil {
		b.problem("smp: no room for %d CPUs: %w", room, err)
		return false
	}
	*list = slices.DeleteFunc(*list, func(s *starting) bool {
		cpu, err := b.PrepareCPU(s.Processor)
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
		if s.fault == (inject.AP{}) {
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
			b.putAway()
		}
	}
	for _, s := range list {
		if s.reached >= percpu.Ready {
			online = append(online, s)
		}
	}
	return online
}

// use builds the trampoline for a batch.
func (b *bringUp) use(batch []*starting) bool {
	spoil := b.Spoil > 0
	if spoil {
		b.Spoil--
	}
	if err := b.UseTrampoline(b.Page, batch[0].fault, spoil); err != nil {
		b.problem("smp: trampoline at %#x: %w", b.Page, err)
		return false
	}
	b.inUse, b.spoilt = true, false
	return true
}
