package smp

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/inject"
	"muster/kernel/percpu"
	"muster/trampoline"
)

// fakeCPU is a CPU of a test.
type fakeCPU struct {
	apicID  uint32
	ignores int           // SIPIs that it does not answer
	stopsAt uint32        // halts at this stage
	late    time.Duration // the time that it takes from the stage Control on
	deaf    int           // requests to proceed that do not reach it
	code    uint32

	state   uint32
	stage   uint32
	slot    bool
	started time.Time
	inits   int
	starts  int
	told    int
}

// fake is a machine whose CPUs answer at once, or as their fields say.
type fake struct {
	cpus   []*fakeCPU // by CPU number, from 1
	all    map[uint32]*fakeCPU
	now    time.Time
	limit  int
	page   uint64
	full   bool
	spoilt bool
	log    []string
}

func newFake(cpus ...*fakeCPU) *fake {
	f := &fake{all: map[uint32]*fakeCPU{}}
	for _, c := range cpus {
		f.all[c.apicID] = c
	}
	return f
}

func (f *fake) SetCPULimit(n int) error { f.limit = n; return nil }

func (f *fake) PrepareCPU(t abi.Processor) (int, error) {
	if f.full {
		return 0, errors.New("full")
	}
	f.cpus = append(f.cpus, f.all[t.APICID])
	return len(f.cpus), nil
}

func (f *fake) UseTrampoline(page uint64, _ inject.AP, spoil bool) error {
	f.page, f.spoilt = page, spoil
	for _, c := range f.cpus {
		c.slot = false
	}
	return nil
}

func (f *fake) SendINIT(apicID uint32) error {
	c := f.all[apicID]
	c.inits++
	c.stage, c.state = 0, percpu.Booting
	return nil
}

func (f *fake) SendStartup(apicID uint32, page uint64) error {
	c := f.all[apicID]
	if f.spoilt {
		return ErrSpoilt
	}
	c.starts++
	if c.starts > c.ignores && c.inits > 0 && page == f.page && c.stage == 0 {
		c.slot, c.started = true, f.now
		c.stage = trampoline.StageControl
		if c.stopsAt != 0 {
			c.stage = c.stopsAt
		}
	}
	return nil
}

func (f *fake) State(cpu int) State {
	c := f.cpus[cpu-1]
	if c.stage == trampoline.StageControl && c.stopsAt == 0 && f.now.Sub(c.started) >= c.late {
		c.stage, c.state = trampoline.StageReady, percpu.Ready
	}
	stage := c.stage
	if stage < trampoline.StageFoundBlock {
		stage = 0 // only the slot has the stage
	}
	return State{State: c.state, Stage: stage, Code: c.code}
}

func (f *fake) Slot(page uint64, i int) trampoline.Report {
	var in []*fakeCPU
	for _, c := range f.cpus {
		if c.slot {
			in = append(in, c)
		}
	}
	if i < len(in) {
		return trampoline.Report{APICID: in[i].apicID, Stage: min(in[i].stage, trampoline.StageLongMode64)}
	}
	return trampoline.Report{}
}

func (f *fake) Proceed(cpus []int, _ bool) error {
	for _, cpu := range cpus {
		c := f.cpus[cpu-1]
		if c.told++; c.told > c.deaf {
			c.state = percpu.Online
		}
	}
	return nil
}

func (f *fake) Now() time.Time        { return f.now }
func (f *fake) Sleep(d time.Duration) { f.now = f.now.Add(d) }

func targets(ids ...uint32) (list []abi.Processor) {
	for _, id := range ids {
		list = append(list, abi.Processor{APICID: id})
	}
	return list
}

var config = Config{Boot: 0, Page: 0x8000, INITWait: 10 * time.Millisecond}

func TestStartsAll(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 4}, &fakeCPU{apicID: 300}, &fakeCPU{apicID: 2})
	r := StartAll(f, targets(2, 0, 300, 4), config)
	require.Empty(t, r.Problems)
	require.Equal(t, []int{4, 4}, []int{r.Online, r.Wanted})
	var events []Event
	for _, m := range r.Marks {
		events = append(events, m.Event)
	}
	require.Equal(t, []Event{SentINIT, SentINIT, SentINIT, SentStartup, SentStartup, SentStartup,
		SawReady, SawReady, SawReady, SawOnline, SawOnline, SawOnline}, events, "together")
	require.Less(t, r.Took, 12*time.Millisecond)
	require.Equal(t, 4, f.limit)
	require.Zero(t, f.page, "the trampoline is removed")
	require.Equal(t, []uint32{2, 300, 4}, []uint32{f.cpus[0].apicID, f.cpus[1].apicID, f.cpus[2].apicID}, "numbers in the table's order")
	for _, c := range f.cpus {
		require.Equal(t, 1, c.inits)
		require.Equal(t, 1, c.starts, "the second SIPI is for silent CPUs")
	}
}

// The tables have room for the CPUs that a limit leaves out, so that they can come later.
func TestRoomBeyondMax(t *testing.T) {
	for limit, online := range map[int]int{1: 1, 2: 2, 9: 4} {
		f := newFake(&fakeCPU{apicID: 4}, &fakeCPU{apicID: 300}, &fakeCPU{apicID: 2})
		cfg := config
		cfg.Max = limit
		r := StartAll(f, targets(2, 0, 300, 4), cfg)
		require.Empty(t, r.Problems)
		require.Equal(t, []int{online, online}, []int{r.Online, r.Wanted})
		require.Equal(t, 4, f.limit)
		require.Len(t, f.cpus, online-1, "only those have memory")
	}
	f := newFake()
	StartAll(f, targets(0), config)
	require.Zero(t, f.limit, "one CPU has room from the start")
}

func TestSecondStartup(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1, ignores: 1}, &fakeCPU{apicID: 2})
	r := StartAll(f, targets(0, 1, 2), config)
	require.Empty(t, r.Problems)
	require.Equal(t, 3, r.Online)
	require.Equal(t, 2, f.all[1].starts)
	require.Equal(t, 1, f.all[2].starts)
}

func TestSilent(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 6, ignores: 9}, &fakeCPU{apicID: 7, stopsAt: trampoline.StageLongMode64},
		&fakeCPU{apicID: 8, stopsAt: trampoline.StageTables}, &fakeCPU{apicID: 9, stopsAt: trampoline.StageLocalAPIC, code: percpu.CodeFeatures})
	r := StartAll(f, targets(0, 1, 6, 7, 8, 9), config)
	require.Equal(t, []int{2, 6}, []int{r.Online, r.Wanted})
	var texts []string
	for _, p := range r.Problems {
		texts = append(texts, p.Error())
	}
	require.Equal(t, []string{
		"smp: cpu 2 (APIC ID 6): silent for 2s, last stage 0 (none)",
		"smp: cpu 3 (APIC ID 7): silent for 2s, last stage 3 (LongMode64)",
		"smp: cpu 4 (APIC ID 8): silent for 2s, last stage 7 (Tables)",
		"smp: cpu 5 (APIC ID 9): silent for 2s, last stage 8 (LocalAPIC): it lacks features that the boot CPU has",
	}, texts)
	require.Equal(t, []Late{{4, 8}}, r.Late, "it has left the trampoline and may still come")
	require.Equal(t, []int{1, 3, 3, 1, 2}, []int{f.all[1].inits, f.all[6].inits, f.all[7].inits, f.all[8].inits, f.all[9].inits},
		"a second try, and an INIT at the end")
	require.Equal(t, 1, f.all[8].starts, "a CPU that has begun is not restarted")
	require.Less(t, r.Took, 2200*time.Millisecond, "one wait for all")
}

// A CPU whose first INIT had no effect, as in SMM, comes with the second.
func TestSecondINIT(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1, ignores: 2})
	r := StartAll(f, targets(0, 1), config)
	require.Empty(t, r.Problems)
	require.Equal(t, 2, r.Online)
	require.Equal(t, 2, f.all[1].inits)
}

// The request to proceed may be lost.
func TestProceedAgain(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1, deaf: 3}, &fakeCPU{apicID: 2})
	r := StartAll(f, targets(0, 1, 2), config)
	require.Empty(t, r.Problems)
	require.Equal(t, 3, r.Online)
	require.Equal(t, 1, f.all[2].told)
	require.Less(t, r.Took, 60*time.Millisecond)
}

// A page that was overwritten starts no CPU; it is built again, once.
func TestSpoiltPage(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 2})
	cfg := config
	cfg.Spoil = 1
	r := StartAll(f, targets(0, 1, 2), cfg)
	require.Equal(t, 3, r.Online)
	require.Len(t, r.Problems, 1)
	require.EqualError(t, r.Problems[0], "smp: cpu 1 (APIC ID 1): SIPI not sent: the trampoline was overwritten")
	require.Less(t, r.Took, 100*time.Millisecond, "no wait for the limit")
	require.Zero(t, f.page)

	f = newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 2})
	cfg.Spoil = 2
	r = StartAll(f, targets(0, 1, 2), cfg)
	require.Equal(t, 1, r.Online)
	require.Len(t, r.Problems, 4, "one for each page, one for each CPU")
	require.Zero(t, f.all[1].starts+f.all[2].starts)
	require.Zero(t, f.page)

	// The next batch begins with a page of its own.
	f = newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 2, late: 300 * time.Millisecond})
	cfg.Serial = true
	r = StartAll(f, targets(0, 1, 2), cfg)
	require.Equal(t, 2, r.Online)
	require.Len(t, r.Problems, 3)
	require.Equal(t, 1, f.all[2].inits, "StartAll waited for it")
}

func TestCatch(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 5, late: 3500 * time.Millisecond})
	r := StartAll(f, targets(0, 1, 5), config)
	require.Equal(t, 2, r.Online)
	require.EqualError(t, r.Problems[0], "smp: cpu 2 (APIC ID 5): silent for 2s, last stage 6 (Control)")
	require.Equal(t, []Late{{2, 5}}, r.Late)
	after, err := Catch(context.Background(), f, r.Late[0], config, 10*time.Second)
	require.NoError(t, err)
	require.InDelta(t, 1.5, after.Seconds(), 0.1)
	require.Equal(t, uint32(percpu.Online), f.all[5].state)

	f = newFake(&fakeCPU{apicID: 5, stopsAt: trampoline.StageTables})
	r = StartAll(f, targets(0, 5), config)
	_, err = Catch(context.Background(), f, r.Late[0], config, 10*time.Second)
	require.EqualError(t, err, "smp: cpu 1 (APIC ID 5): silent for 10s, last stage 7 (Tables)")
	require.Equal(t, 2, f.all[5].inits, "an INIT at the end")
}

// With Serial, the next CPU gets INIT only when the last one is ready.
func TestSerial(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 2})
	cfg := config
	cfg.Serial = true
	r := StartAll(f, targets(0, 1, 2), cfg)
	require.Equal(t, 3, r.Online)
	var order []string
	for _, m := range r.Marks {
		order = append(order, fmt.Sprint(m.CPU, m.Event))
	}
	require.Equal(t, []string{"1 INIT", "1 SIPI", "1 ready", "2 INIT", "2 SIPI", "2 ready", "1 online", "2 online"}, order)
	require.GreaterOrEqual(t, r.Took, 20*time.Millisecond, "two waits")
}

// An injected fault hits its own CPU, and no other in its batch.
func TestSilentByRequest(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 2}, &fakeCPU{apicID: 3})
	cfg := config
	cfg.Faults = map[int]inject.AP{2: {Silent: true}}
	r := StartAll(f, targets(0, 1, 2, 3), cfg)
	require.Equal(t, 3, r.Online)
	require.Zero(t, f.all[2].starts)
	require.EqualError(t, r.Problems[0], "smp: cpu 2 (APIC ID 2): silent for 2s, last stage 0 (none)")
}

func TestLimits(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 2}, &fakeCPU{apicID: 3})
	cfg := config
	cfg.Max = 2
	r := StartAll(f, targets(0, 1, 2, 3), cfg)
	require.Equal(t, 2, r.Online)
	require.Len(t, f.cpus, 1)

	cfg.Max = 1
	require.Equal(t, Result{Online: 1, Wanted: 1}, StartAll(newFake(), targets(0, 1), cfg))

	cfg = config
	cfg.Page = 0
	r = StartAll(newFake(&fakeCPU{apicID: 1}), targets(0, 1), cfg)
	require.EqualError(t, r.Problems[0], "smp: no page below 1 MiB for the trampoline, running on one CPU")

	f = newFake(&fakeCPU{apicID: 1})
	f.full = true
	r = StartAll(f, targets(0, 1), config)
	require.EqualError(t, r.Problems[0], "smp: APIC ID 1: no memory for a CPU: full")
	require.Equal(t, 1, r.Online)
}

func TestManyInBatches(t *testing.T) {
	f := newFake()
	var ids []uint32
	for id := range uint32(300) {
		ids = append(ids, id)
		f.all[id] = &fakeCPU{apicID: id}
	}
	r := StartAll(f, targets(ids...), config)
	require.Empty(t, r.Problems)
	require.Equal(t, 300, r.Online)
}

func TestChoosePage(t *testing.T) {
	ram := func(start, n uint64) abi.Region { return abi.Region{Start: start, Length: n, Type: abi.RegionRAM} }
	tests := map[string]struct {
		regions []abi.Region
		ebda    uint64
		want    uint64
	}{
		"usual PC":     {[]abi.Region{ram(0, 0x9f000), ram(1<<20, 1<<30)}, 0x9fc00, 0x9e000},
		"low EBDA":     {[]abi.Region{ram(0, 0x9f000)}, 0x80400, 0x7f000},
		"no EBDA":      {[]abi.Region{ram(0, 0xa0000)}, 0, 0x9e000},
		"page 0 alone": {[]abi.Region{ram(0, 0x1000), ram(1<<20, 1<<30)}, 0, 0},
		"two regions":  {[]abi.Region{ram(0x1000, 0x8000), ram(0x20000, 0x3000)}, 0, 0x22000},
		"nothing":      {nil, 0, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, ChoosePage(tc.regions, tc.ebda))
		})
	}
}
