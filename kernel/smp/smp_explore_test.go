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
	"muster/kernel/explore"
	"muster/kernel/inject"
	"muster/kernel/percpu"
	"muster/trampoline"
)

// The code of the boot CPU that ships, StartAll and Catch, and the handshake of
// package percpu, on both sides, go through the interleavings of two or three CPUs and a
// clock, up to the bounds of each test: time may pass at any moment, so every limit may
// expire at any moment.

// step is how far a CPU of the model is when it hangs.
type step int

const (
	never step = iota
	inPage
	leftPage
	beforeReady
	beforeJoin
)

// model is a machine of a boot CPU and others that run as the explorer likes. What its
// CPUs share and the kernel does not have as words are Vars.
type model struct {
	aps     []*modelAP
	table   []*percpu.CPU
	page    explore.Var // 1: the trampoline is in its page
	asked   explore.Var // for a moment to pass
	passed  explore.Var
	over    explore.Var // 1: StartAll and Catch have returned
	result  Result
	caught  int
	dismiss func(*percpu.CPU) bool // percpu's Reset, or a broken one
}

type modelAP struct {
	c      *percpu.CPU
	sipi   explore.Var // 1: a start-up message is there
	inits  explore.Var // INITs sent
	seen   explore.Var // INITs that have reached it
	slot   explore.Var // stage in its slot
	lose   int         // start-up messages that are lost; the boot CPU's alone
	hangs  step        // where it hangs, at the first try or at each
	always bool
	awake  explore.Var // 1: it runs, from the start-up message on to the next INIT
	inPage explore.Var // 1: it runs in the trampoline's page
	tries  int         // start-up messages that have reached it; its own
	joined bool        // its own, and the check's
}

func newModel(aps ...*modelAP) *model {
	percpu.Reset()
	m := &model{aps: aps, table: make([]*percpu.CPU, len(aps)+1), dismiss: (*percpu.CPU).Reset}
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
		for _, a := range m.aps {
			if a.inPage.Get() != 0 {
				panic(fmt.Sprintf("the page goes away with cpu %d in it", a.c.ID))
			}
		}
		m.page.Set(0)
		return nil
	}
	m.page.Set(1)
	for _, a := range m.aps {
		a.slot.Set(0)
	}
	return nil
}

func (m *model) SendINIT(id uint32) error {
	a := m.aps[id-1]
	if !m.dismiss(a.c) {
		return errors.New("takes part")
	}
	a.sipi.Set(0)
	a.inits.Add(1)
	return nil
}

func (m *model) SendStartup(id uint32, _ uint64) error {
	a := m.aps[id-1]
	if a.c.Expect() {
		if a.awake.Get() != 0 {
			panic(fmt.Sprintf("the memory of cpu %d is made anew while it runs", id))
		}
		a.c.Stage.Store(0)
	}
	if a.lose > 0 {
		a.lose--
		return nil
	}
	a.sipi.Set(1)
	return nil
}

func (m *model) State(cpu int) State {
	c := m.aps[cpu-1].c
	return State{c.State.Load(), c.Stage.Load(), percpu.CodeNone}
}

func (m *model) Slot(_ uint64, i int) trampoline.Report {
	for _, a := range m.aps {
		if s := a.slot.Get(); s != 0 {
			if i == 0 {
				return trampoline.Report{APICID: a.c.ID, Stage: uint32(s)}
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
	return time.Unix(0, 0).Add(time.Duration(m.passed.Get()) * 10 * time.Millisecond)
}

// Sleep lets a moment pass. The wait after INIT is long enough for it to arrive.
func (m *model) Sleep(d time.Duration) {
	m.asked.Add(1)
	until := m.asked.Get()
	explore.Until(func() bool { return m.passed.Get() >= until })
	for _, a := range m.aps {
		if d >= manualWait {
			explore.Until(func() bool { return a.seen.Get() == a.inits.Get() })
		}
	}
}

// clock lets a moment pass whenever somebody sleeps.
func (m *model) clock() {
	for {
		explore.Until(func() bool { return m.over.Get() != 0 || m.passed.Get() < m.asked.Get() })
		if m.over.Get() != 0 {
			return
		}
		m.passed.Add(1)
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
	m.over.Set(1)
}

// reset unwinds an AP's program to where an INIT sends it.
type reset struct{}

// alive is called before each step of an AP: an INIT that was sent takes effect.
func (m *model) alive(a *modelAP) {
	if n := a.inits.Get(); n != a.seen.Get() {
		if a.joined {
			panic(fmt.Sprintf("cpu %d takes part, and got INIT", a.c.ID))
		}
		a.seen.Set(n)
		a.awake.Set(0)
		a.inPage.Set(0)
		panic(reset{})
	}
}

// until has an AP wait for something, for an INIT, or for the end of all.
func (m *model) until(a *modelAP, cond func() bool) {
	explore.Until(func() bool { return cond() || m.over.Get() != 0 || a.inits.Get() != a.seen.Get() })
	m.alive(a)
	if m.over.Get() != 0 {
		panic(reset{})
	}
}

// halt stops an AP until an INIT comes, or all is over.
func (m *model) halt(a *modelAP) { m.until(a, func() bool { return false }) }

func (m *model) ap(a *modelAP) func() {
	return func() {
		for m.over.Get() == 0 {
			m.life(a)
		}
	}
}

// life is an AP from one INIT to the next.
func (m *model) life(a *modelAP) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(reset); !ok {
				panic(r)
			}
		}
	}()
	at := func(s step) {
		m.alive(a)
		if a.hangs == s && (a.tries == 1 || a.always) {
			m.halt(a)
		}
	}
	m.until(a, func() bool { return a.sipi.Get() != 0 })
	a.sipi.Set(0)
	a.awake.Set(1)
	a.inPage.Set(1)
	a.tries++
	for _, stage := range []uint32{trampoline.StageRealMode16, trampoline.StageLongMode64} {
		at(inPage)
		a.slot.Set(int(stage))
		if m.page.Get() == 0 && a.inits.Get() == a.seen.Get() {
			panic(fmt.Sprintf("cpu %d runs in a page that was put away", a.c.ID))
		}
	}
	a.c.Stage.Store(trampoline.StageFoundBlock)
	a.inPage.Set(0)
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

// search explores a machine.
func search(preemptions int, dismiss func(*percpu.CPU) bool, aps ...modelAP) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		var fresh []*modelAP
		for _, a := range aps {
			fresh = append(fresh, &a)
		}
		m := newModel(fresh...)
		m.dismiss = dismiss
		return m.programs(), m.check
	}})
}

func passes(t *testing.T, r explore.Result) {
	t.Helper()
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// A boot CPU, a clock, and one or two other CPUs that answer: at once, or so late that
// they are given up, or taken for lost and caught.
func TestHandshake(t *testing.T) {
	passes(t, search(explore.Bound(4, explore.Unbounded), (*percpu.CPU).Reset, modelAP{}))
	passes(t, search(explore.Bound(1, 2), (*percpu.CPU).Reset, modelAP{}, modelAP{}))
}

// One of the two hangs somewhere, the first time or always, or does not hear.
func TestHandshakeWithFaults(t *testing.T) {
	for s := inPage; s <= beforeJoin; s++ {
		for _, always := range []bool{false, true} {
			t.Run(fmt.Sprint(s, always), func(t *testing.T) {
				passes(t, search(explore.Bound(1, 2), (*percpu.CPU).Reset, modelAP{hangs: s, always: always}, modelAP{}))
			})
		}
	}
	for lose := 1; lose <= 4; lose++ {
		t.Run(fmt.Sprint("lost ", lose), func(t *testing.T) {
			passes(t, search(explore.Bound(1, 2), (*percpu.CPU).Reset, modelAP{lose: lose}, modelAP{}))
		})
	}
}

// Negative control: a boot CPU that looks whether a CPU takes part, and then sends
// INIT, hits one that has joined in between.
func TestLookThenResetIsFound(t *testing.T) {
	r := search(explore.Unbounded, func(c *percpu.CPU) bool {
		if c.IsOnline() {
			return false
		}
		c.State.Store(percpu.Offline)
		c.Go.Store(0)
		c.Code.Store(percpu.CodeNone)
		return true
	}, modelAP{})
	require.ErrorContains(t, r.Err, "takes part, and got INIT")
	t.Log(r)
}
