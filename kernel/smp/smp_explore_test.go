//go:build explore

package smp

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/inject"
	"muster/kernel/percpu"
	"muster/trampoline"
)

// The code of the boot CPU that ships, StartAll and Catch, and the handshake of
// package percpu, on both sides, go through all interleavings of three CPUs and a
// clock: time may pass at any moment, so every limit may expire at any moment.

// step is how far a CPU of the model is when it hangs.
type step int

const (
	never step = iota
	inPage
	leftPage
	beforeReady
	beforeJoin
)

// model is a machine of a boot CPU and others that run as the explorer likes.
type model struct {
	t       *testing.T
	aps     []*modelAP
	table   []*percpu.CPU
	page    atom.Uint32 // 1: the trampoline is in its page
	asked   int         // for a moment to pass
	passed  int
	over    bool
	result  Result
	caught  int
	dismiss func(*percpu.CPU) bool // percpu's Reset, or a broken one
}

type modelAP struct {
	c      *percpu.CPU
	sipi   atom.Uint32 // 1: a start-up message is there
	inits  int         // INITs sent
	seen   int         // INITs that have reached it
	slot   uint32      // stage in its slot
	lose   int         // start-up messages that are lost
	hangs  step        // where it hangs, at the first try or at each
	always bool
	joined bool
}

func newModel(t *testing.T, aps ...*modelAP) *model {
	percpu.Reset()
	m := &model{t: t, aps: aps, table: make([]*percpu.CPU, len(aps)+1), dismiss: (*percpu.CPU).Reset}
	boot := &percpu.CPU{}
	boot.Init(0)
	percpu.Register(boot)
	percpu.SetTable(uintptr(unsafe.Pointer(&m.table[0])), uint32(len(m.table)))
	for i, a := range aps {
		a.c = &percpu.CPU{}
		a.c.Init(uint32(i + 1))
		percpu.Register(a.c)
	}
	return m
}

func (m *model) SetCPULimit(int) error { return nil }

func (m *model) PrepareCPU(t abi.Processor) (int, error) { return int(t.APICID), nil }

func (m *model) UseTrampoline(page uint64, _ inject.AP, _ bool) error {
	if page == 0 {
		m.page.Store(0)
		return nil
	}
	m.page.Store(1)
	for _, a := range m.aps {
		a.slot = 0
	}
	return nil
}

func (m *model) SendINIT(id uint32) error {
	a := m.aps[id-1]
	if !m.dismiss(a.c) {
		return errors.New("takes part")
	}
	a.sipi.Store(0)
	a.inits++
	return nil
}

func (m *model) SendStartup(id uint32, _ uint64) error {
	a := m.aps[id-1]
	if a.c.Expect() {
		a.c.Stage.Store(0)
	}
	if a.lose > 0 {
		a.lose--
		return nil
	}
	a.sipi.Store(1)
	return nil
}

func (m *model) State(cpu int) State {
	c := m.aps[cpu-1].c
	return State{c.State.Load(), c.Stage.Load(), percpu.CodeNone}
}

func (m *model) Slot(_ uint64, i int) trampoline.Report {
	for _, a := range m.aps {
		if s := a.slot; s != 0 {
			if i == 0 {
				return trampoline.Report{APICID: a.c.ID, Stage: s}
			}
			i--
		}
	}
	return trampoline.Report{}
}

func (m *model) Proceed(cpus []int, _ bool) error {
	for _, cpu := range cpus {
		if c := m.aps[cpu-1].c; !c.IsOnline() {
			c.LetGo()
		}
	}
	return nil
}

func (m *model) Now() time.Time {
	return time.Unix(0, 0).Add(time.Duration(m.passed) * 10 * time.Millisecond)
}

// Sleep lets a moment pass. The wait after INIT is long enough for it to arrive.
func (m *model) Sleep(d time.Duration) {
	m.asked++
	until := m.asked
	explore.Until(func() bool { return m.passed >= until })
	for _, a := range m.aps {
		if d >= manualWait {
			explore.Until(func() bool { return a.seen == a.inits })
		}
	}
}

// clock lets a moment pass whenever somebody sleeps.
func (m *model) clock() {
	for {
		explore.Until(func() bool { return m.over || m.passed < m.asked })
		if m.over {
			return
		}
		m.passed++
	}
}

// boot is the boot CPU. Each limit is shorter than a moment.
func (m *model) boot() {
	var list []abi.Processor
	for _, a := range m.aps {
		list = append(list, abi.Processor{APICID: a.c.ID})
	}
	m.result = StartAll(m, list, Config{Page: 0x8000, Timeout: time.Millisecond})
	for _, l := range m.result.Late {
		if _, err := Catch(context.Background(), m, l, Config{Timeout: time.Millisecond}, time.Millisecond); err == nil {
			m.caught++
		}
	}
	m.over = true
}

// reset unwinds an AP's program to where an INIT sends it.
type reset struct{}

// alive is called before each step of an AP: an INIT that was sent takes effect.
func (m *model) alive(a *modelAP) {
	if n := a.inits; n != a.seen {
		if a.joined {
			panic(fmt.Sprintf("cpu %d takes part, and got INIT", a.c.ID))
		}
		a.seen = n
		panic(reset{})
	}
}

// until has an AP wait for something, for an INIT, or for the end of all.
func (m *model) until(a *modelAP, cond func() bool) {
	explore.Until(func() bool { return cond() || m.over || a.inits != a.seen })
	m.alive(a)
	if m.over {
		panic(reset{})
	}
}

// halt stops an AP until an INIT comes, or all is over.
func (m *model) halt(a *modelAP) { m.until(a, func() bool { return false }) }

func (m *model) ap(a *modelAP) func() {
	return func() {
		for first := true; !m.over; first = false {
			m.life(a, first)
		}
	}
}

// life is an AP from one INIT to the next.
func (m *model) life(a *modelAP, first bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(reset); !ok {
				panic(r)
			}
		}
	}()
	at := func(s step) {
		m.alive(a)
		if a.hangs == s && (first || a.always) {
			m.halt(a)
		}
	}
	m.until(a, func() bool { return a.sipi.Load() != 0 })
	a.sipi.Store(0)
	for _, stage := range []uint32{trampoline.StageRealMode16, trampoline.StageLongMode64} {
		at(inPage)
		a.slot = stage
		if m.page.Load() == 0 && a.inits == a.seen {
			panic(fmt.Sprintf("cpu %d runs in a page that was put away", a.c.ID))
		}
	}
	a.c.Stage.Store(trampoline.StageFoundBlock)
	at(leftPage)
	at(beforeReady)
	if !a.c.ReportReady() {
		m.halt(a)
	}
	m.until(a, a.c.ToldToGo)
	at(beforeJoin)
	if !a.c.Join() {
		m.halt(a)
	}
	a.joined = true
	m.halt(a)
}

// check holds the result against what the CPUs are.
func (m *model) check() error {
	joined := 0
	for _, a := range m.aps {
		if a.joined != a.c.IsOnline() {
			return fmt.Errorf("cpu %d: joined %v, state %d", a.c.ID, a.joined, a.c.State.Load())
		}
		if a.joined {
			joined++
		}
	}
	if counted := m.result.Online - 1 + m.caught; counted != joined {
		return fmt.Errorf("%d CPUs take part, %d are counted: %v", joined, counted, m.result.Problems)
	}
	if silent := len(m.result.Problems); silent-m.caught > len(m.aps)-joined || silent < len(m.aps)-m.result.Online+1 {
		return fmt.Errorf("%d of %d take part, problems %v", joined, len(m.aps), m.result.Problems)
	}
	return nil
}

func (m *model) programs() []func() {
	list := []func(){m.boot, m.clock}
	for _, a := range m.aps {
		list = append(list, m.ap(a))
	}
	return list
}

// search explores a machine and requires that no interleaving fails.
func search(t *testing.T, preemptions, runs int, setup func() *model) {
	r := explore.Run(explore.Model{Preemptions: preemptions, MaxRuns: runs, Setup: func() ([]func(), func() error) {
		m := setup()
		return m.programs(), m.check
	}})
	t.Log(r)
	require.NoError(t, r.Err)
	require.Equal(t, runs == 0, r.Complete)
}

// Three CPUs, all interleavings in which each goes on as long as it can, and two with a
// preemption anywhere: CPUs that answer, at once or so late that they are given up, or taken for lost
// and caught.
func TestHandshake(t *testing.T) {
	search(t, 0, 0, func() *model { return newModel(t, &modelAP{}, &modelAP{}) })
	search(t, 1, 0, func() *model { return newModel(t, &modelAP{}) })
}

// One of the two hangs somewhere, the first time or always, or does not hear.
func TestHandshakeWithFaults(t *testing.T) {
	for s := inPage; s <= beforeJoin; s++ {
		for _, always := range []bool{false, true} {
			t.Run(fmt.Sprint(s, always), func(t *testing.T) {
				search(t, 1, 5_000, func() *model { return newModel(t, &modelAP{hangs: s, always: always}, &modelAP{}) })
			})
		}
	}
	for lose := 1; lose <= 4; lose++ {
		t.Run(fmt.Sprint("lost ", lose), func(t *testing.T) {
			search(t, 1, 5_000, func() *model { return newModel(t, &modelAP{lose: lose}, &modelAP{}) })
		})
	}
}

// Negative control: a boot CPU that looks whether a CPU takes part, and then sends
// INIT, hits one that has joined in between.
func TestLookThenResetIsFound(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 2, Setup: func() ([]func(), func() error) {
		m := newModel(t, &modelAP{})
		m.dismiss = func(c *percpu.CPU) bool {
			if c.IsOnline() {
				return false
			}
			c.State.Store(percpu.Offline)
			return true
		}
		return m.programs(), m.check
	}})
	require.Error(t, r.Err)
	t.Log(r)
}
