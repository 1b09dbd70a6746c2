// Package smp starts the CPUs that the firmware lists, and takes them offline again.
//
// All CPUs get INIT together, one wait, then the SIPI. Each finds its block by its
// APIC id and reports that it is ready, and all come online together. Every wait is
// bounded. A silent CPU is reported with the last stage that it reached, and the
// others come online without it. A CPU that answers late comes online then.
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

// State is a CPU's state, as its block has it.
type State struct {
	State uint32 // percpu.Booting and so on
	Stage uint32
	Code  uint32 // percpu.CodeNone and so on
	Step  uint32 // percpu.StepNone and so on
}

// Core is what the start of CPUs needs from the core, and from time.
type Core interface {
	SetCPULimit(n int) error
	PrepareCPU(t abi.Processor) (cpu int, err error)
	UseTrampoline(page uint64, f inject.AP, spoil bool) error // 0 ends its use
	SendINIT(apicID uint32) error
	SendStartup(apicID uint32, page uint64) error // ErrSpoilt if the page is not what was built
	State(cpu int) State
	Slot(page uint64, i int) trampoline.Report
	Proceed(cpus []int, again bool) error // again: the IPI may have been lost
	Now() time.Time
	Sleep(time.Duration)
}

// Config has the parameters of a start.
type Config struct {
	Boot     uint32            // APIC id of the boot CPU
	Max      int               // CPUs in all, 0 for no limit
	Page     uint64            // of the trampoline
	INITWait time.Duration     // between INIT and SIPI
	Timeout  time.Duration     // for a CPU to become ready; Limit times Scale by default
	Scale    int               // how much longer CPUs may take than on hardware; 1 by default
	Serial   bool              // one CPU after the other, for study and for unusual firmware
	Faults   map[int]inject.AP // by CPU number
	Spoil    int               // the number of times that a byte of the page is overwritten, for tests
}

// ErrSpoilt says that the trampoline has changed since it was built.
var ErrSpoilt = errors.New("the trampoline was overwritten")

// Limit is how long a CPU may take to become ready.
const Limit = time.Second

// Result is the outcome of a start.
type Result struct {
	Online   int           // CPUs that are online, the boot CPU included
	Wanted   int           // CPUs that were to be online
	Took     time.Duration // from the first INIT until all that answered were online
	Problems []error
	Late     []Late // CPUs that may still come
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
	spoilt bool            // a SIPI was refused because the page has changed
	ctx    context.Context // ends the wait for a late CPU; nil for none
}

// withDefaults returns cfg with defaults for the fields that are 0.
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

// choose returns the CPUs that are to be started now, and the number of CPUs, the boot
// CPU included, that may ever be started: all that are listed, as far as the kernel has
// numbers for them.
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

// prepare makes room for all CPUs, and leaves out those that get no memory. The tables
// have room for the CPUs beyond cfg.Max too, so that such a CPU can be started later.
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

// start resets all CPUs of a list, waits once, and sends SIPIs to as many at a time
// as the trampoline has slots. A CPU with an injected fault is started alone. It
// returns the CPUs that are online.
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
	ready := b.use(batches[0]) // before the first INIT, so that no CPU waits for it
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
