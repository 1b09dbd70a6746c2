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

// The kernel's own code of the boot CPU, StartAll and Catch, and both sides of the
// handshake of package percpu run through the interleavings of two or three CPUs and a
// clock, up to the bounds of each test. Time may pass at any moment, so every limit may
// expire at any moment.

// step is where a CPU of the model hangs.
type step int

const (
	never step = iota
	inPage
	leftPage
	beforeReady
	beforeJoin
)

// model is a boot CPU and APs that run in the order that the explorer chooses. The
// memory that its CPUs share outside the kernel's words is Vars.
type model struct {
	aps     []*modelAP
	table   []*percpu.CPU
	page    explore.Var // 1: the trampoline is in its page
	awaited explore.Var // requests to the clock to let time pass
	passed  explore.Var
	over    explore.Var // 1: StartAll and Catch have returned
	result  Result
	caught  int
	dismiss func(*percpu.CPU) bool // percpu's Reset, or a faulty one
}

type modelAP struct {
	c      *percpu.CPU
	sipi   explore.Var // 1: a SIPI is pending
	inits  explore.Var // INITs sent
	seen   explore.Var // INITs that have reached it
	slot   explore.Var // stage in its slot
	lose   int         // SIPIs that are lost; used by the boot CPU alone
	hangs  step        // where it hangs, at the first try or at each
	always bool
	awake  explore.Var // 1: it runs, from the SIPI on to the next INIT
	inPage explore.Var // 1: it runs in the trampoline's page
	tries  int         // SIPIs that have reached it; used by this CPU alone
	joined bool        // used by this CPU alone, and by the check
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
		return errors.New("online")
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
	return State{State: c.State.Load(), Stage: c.Stage.Load()}
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

// Sleep lets a moment pass. The wait after INIT is long enough for the INIT to
// arrive.
func (m *model) Sleep(d time.Duration) {
	m.awaited.Add(1)
	until := m.awaited.Get()
	explore.Until(func() bool { return m.passed.Get() >= until })
	for _, a := range m.aps {
		if d >= manualWait {
			explore.Until(func() bool { return a.seen.Get() == a.inits.Get() })
		}
	}
}

// clock lets a moment pass whenever the boot CPU sleeps.
func (m *model) clock() {
	for {
		explore.Until(func() bool { return m.over.Get() != 0 || m.passed.Get() < m.awaited.Get() })
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

// reset unwinds an AP's program to the place where an INIT sends it.
type reset struct{}

// alive is called before each step of an AP: an INIT that was sent takes effect.
func (m *model) alive(a *modelAP) {
	if n := a.inits.Get(); n != a.seen.Get() {
		if a.joined {
			panic(fmt.Sprintf("cpu %d is online, and got INIT", a.c.ID))
		}
		a.seen.Set(n)
		a.awake.Set(0)
		a.inPage.Set(0)
		panic(reset{})
	}
}

// until makes an AP wait for something, for an INIT, or for the end of all.
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

// life is the way of an AP from one INIT to the next.
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
			panic(fmt.Sprintf("cpu %d runs in a page that is no longer the trampoline's", a.c.ID))
		}
	}
	a.c.Stage.Store(trampoline.StageFoundBlock)
	a.inPage.Set(0)
	at(leftPage)
	at(beforeReady)
	if !a.c.ReportReady() {
		m.halt(a)
	}
	m.until(a, a.c.MayJoin)
	at(beforeJoin)
	if !a.c.Join() {
		m.halt(a)
	}
	a.joined = true
	m.halt(a)
}

// check compares the result with the states of the CPUs.
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
		return fmt.Errorf("%d CPUs are online, %d are counted: %v", joined, counted, m.result.Problems)
	}
	if silent := len(m.result.Problems); silent-m.caught > len(m.aps)-joined || silent < len(m.aps)-m.result.Online+1 {
		return fmt.Errorf("%d of %d CPUs are online, problems %v", joined, len(m.aps), m.result.Problems)
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

// alone is the bound of the searches with one AP, of the control too.
var alone = explore.Bound(4, explore.Unbounded)

// A boot CPU, a clock, and one or two APs that answer: at once, or so late that
// they are given up, or reported as silent and caught.
func TestHandshake(t *testing.T) {
	passes(t, search(alone, (*percpu.CPU).Reset, modelAP{}))
	passes(t, search(explore.Bound(1, 2), (*percpu.CPU).Reset, modelAP{}, modelAP{}))
}

// One of the two hangs somewhere, the first time or always, or loses its SIPI.
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

// lookThenReset is Reset of a boot CPU that reads whether a CPU is online, and stores
// after that.
func lookThenReset(c *percpu.CPU) bool {
	if c.IsOnline() {
		return false
	}
	c.State.Store(percpu.Offline)
	c.Go.Store(0)
	c.Code.Store(percpu.CodeNone)
	return true
}

// Negative control: a boot CPU that resets a CPU which has come online in between, alone,
// and beside one that hangs or does not get its SIPI.
func TestLookThenResetIsFound(t *testing.T) {
	found := func(r explore.Result) {
		t.Helper()
		require.ErrorContains(t, r.Err, "is online, and got INIT")
		t.Log(r)
	}
	found(search(alone, lookThenReset, modelAP{}))
	for _, always := range []bool{false, true} {
		for s := inPage; s <= beforeJoin; s++ {
			found(search(explore.Bound(1, 2), lookThenReset, modelAP{hangs: s, always: always}, modelAP{}))
		}
	}
	for lose := 1; lose <= 4; lose++ {
		found(search(explore.Bound(1, 2), lookThenReset, modelAP{lose: lose}, modelAP{}))
	}
}
