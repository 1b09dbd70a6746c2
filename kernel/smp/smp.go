// Package smp starts the CPUs that the firmware lists.
//
// All of them get INIT together, then the start-up message; each finds itself by
// its APIC id and reports in. Every wait is bounded: a CPU that stays silent is
// named, with how far it came, and the rest go on.
//
// Layer: service.
// Context: one goroutine, once.
// Locks: none.
// Manual: Intel SDM vol. 3A, "Typical BSP Initialization Sequence".
// Chapter: docs/08-starting-cpus.md.
// Left out: starting a CPU again; the mailbox of MADT type 0x10.
package smp

import (
	"fmt"
	"time"

	"muster/kernel/percpu"
	"muster/trampoline"
)

// Target is a CPU to start.
type Target struct {
	APICID uint32
	UID    uint32 // the firmware's name for it
	Pins   uint32 // its local interrupt pins, as abi.NMIPin has it
}

// Machine is what starting CPUs needs of the core, and of time.
type Machine interface {
	SetCPULimit(n int) error
	PrepareCPU(t Target) (cpu int, err error)
	UseTrampoline(page uint64) error // 0 ends its use
	SendINIT(apicID uint32) error
	SendStartup(apicID uint32, page uint64) error
	State(cpu int) (state, stage uint32)
	Slot(page uint64, i int) (apicID, stage uint32)
	Proceed(cpu int) error
	Now() time.Time
	Sleep(time.Duration)
}

// Config says how to start.
type Config struct {
	Boot     uint32        // APIC id of the CPU that runs already
	Max      int           // CPUs in all, 0 for no limit
	Page     uint64        // of the trampoline
	INITWait time.Duration // between INIT and the start-up message
	Timeout  time.Duration // for a CPU to report in; Limit by default
}

// Limit is how long a CPU may take to report in.
const Limit = time.Second

// startupGap is the wait before a silent CPU gets the start-up message again.
const startupGap = 200 * time.Microsecond

// Silent is a CPU that did not report in.
type Silent struct {
	CPU    int
	APICID uint32
	Stage  uint32
	After  time.Duration
}

func (s Silent) Error() string {
	return fmt.Sprintf("smp: cpu %d (APIC ID %d): silent for %v, last stage %d (%s)",
		s.CPU, s.APICID, s.After, s.Stage, trampoline.StageName(s.Stage))
}

// Result says what came of it.
type Result struct {
	Online   int           // CPUs that run, the boot CPU included
	Wanted   int           // of how many
	Took     time.Duration // from the first INIT until all that answered took part
	Problems []error
}

// starting is a CPU on its way.
type starting struct {
	Target
	cpu    int
	online bool
}

// StartAll starts every target but the boot CPU, up to cfg.Max CPUs in all.
func StartAll(m Machine, targets []Target, cfg Config) Result {
	if cfg.Timeout == 0 {
		cfg.Timeout = Limit
	}
	var list []*starting
	for _, t := range targets {
		if t.APICID != cfg.Boot {
			list = append(list, &starting{Target: t})
		}
	}
	r := Result{Online: 1}
	if cfg.Max > 0 && len(list) > cfg.Max-1 {
		list = list[:cfg.Max-1]
	}
	if len(list) > percpu.Max-1 {
		r.problem(fmt.Errorf("smp: %d CPUs listed, using the first %d", len(list)+1, percpu.Max))
		list = list[:percpu.Max-1]
	}
	r.Wanted = len(list) + 1
	if len(list) == 0 {
		return r
	}
	if cfg.Page == 0 {
		r.problem(fmt.Errorf("smp: no page below 1 MiB for the trampoline, running on one CPU"))
		return r
	}
	if err := m.SetCPULimit(r.Wanted); err != nil {
		r.problem(fmt.Errorf("smp: no room for %d CPUs: %w", r.Wanted, err))
		return r
	}
	for len(list) > 0 { // as many at a time as the trampoline has slots
		n := min(len(list), trampoline.Slots)
		r.Took += startBatch(m, list[:n], cfg, &r)
		list = list[n:]
	}
	return r
}

func (r *Result) problem(err error) { r.Problems = append(r.Problems, err) }

// startBatch starts some CPUs and returns how long it took from the first INIT.
func startBatch(m Machine, list []*starting, cfg Config, r *Result) time.Duration {
	ready := list[:0:0]
	for _, s := range list {
		cpu, err := m.PrepareCPU(s.Target)
		if err != nil {
			r.problem(fmt.Errorf("smp: APIC ID %d: no memory for a CPU: %w", s.APICID, err))
			continue
		}
		s.cpu = cpu
		ready = append(ready, s)
	}
	if err := m.UseTrampoline(cfg.Page); err != nil {
		r.problem(fmt.Errorf("smp: trampoline at %#x: %w", cfg.Page, err))
		return 0
	}
	began := m.Now()
	send := func(what string, f func(*starting) error) {
		for _, s := range ready {
			if s.online {
				continue
			}
			if err := f(s); err != nil {
				r.problem(fmt.Errorf("smp: cpu %d (APIC ID %d): %s: %w", s.cpu, s.APICID, what, err))
			}
		}
	}
	startup := func(s *starting) error { return m.SendStartup(s.APICID, cfg.Page) }
	send("INIT", func(s *starting) error { return m.SendINIT(s.APICID) })
	if cfg.INITWait > 0 {
		m.Sleep(cfg.INITWait)
	}
	send("start-up", startup)
	if !await(m, ready, percpu.Online, startupGap) {
		// Only to those that no slot knows: one that is on its way does not wait
		// for a message any more.
		seen := slots(m, cfg.Page, len(ready))
		for _, s := range ready {
			if _, ok := seen[s.APICID]; !s.online && !ok {
				if err := startup(s); err != nil {
					r.problem(fmt.Errorf("smp: cpu %d (APIC ID %d): start-up: %w", s.cpu, s.APICID, err))
				}
			}
		}
		await(m, ready, percpu.Online, cfg.Timeout)
	}
	var running []*starting
	seen := slots(m, cfg.Page, len(ready))
	for _, s := range ready {
		if s.online {
			if err := m.Proceed(s.cpu); err != nil {
				r.problem(fmt.Errorf("smp: cpu %d (APIC ID %d): %w", s.cpu, s.APICID, err))
				continue
			}
			s.online = false // now: takes part
			running = append(running, s)
			continue
		}
		_, stage := m.State(s.cpu)
		r.problem(Silent{s.cpu, s.APICID, max(stage, seen[s.APICID]), cfg.Timeout})
		m.SendINIT(s.APICID) // it must not come late to a page that is used for something else
	}
	await(m, running, percpu.Acknowledged, cfg.Timeout)
	for _, s := range running {
		if s.online {
			r.Online++
		} else {
			_, stage := m.State(s.cpu)
			r.problem(Silent{s.cpu, s.APICID, stage, cfg.Timeout})
		}
	}
	took := m.Now().Sub(began)
	m.UseTrampoline(0)
	return took
}

// await waits until all CPUs of a list have reached a state, or the time is up.
func await(m Machine, list []*starting, state uint32, limit time.Duration) bool {
	end := m.Now().Add(limit)
	for {
		missing := 0
		for _, s := range list {
			if got, _ := m.State(s.cpu); !s.online && got >= state {
				s.online = true
			}
			if !s.online {
				missing++
			}
		}
		if missing == 0 {
			return true
		}
		if m.Now().After(end) {
			return false
		}
		m.Sleep(50 * time.Microsecond)
	}
}

// slots returns the stages that CPUs have reported in the trampoline's page.
func slots(m Machine, page uint64, n int) map[uint32]uint32 {
	seen := make(map[uint32]uint32, n)
	for i := range min(n, trampoline.Slots) {
		if id, stage := m.Slot(page, i); stage != trampoline.StageNone {
			seen[id] = stage
		}
	}
	return seen
}
