package smp

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/percpu"
	"muster/trampoline"
)

// fakeCPU is a CPU of a machine made for a test.
type fakeCPU struct {
	apicID  uint32
	ignores int // start-up messages that it does not answer
	stopsAt uint32
	state   uint32
	stage   uint32
	slot    bool
	inits   int
	starts  int
}

// fake is a machine whose CPUs answer at once, or as they are told.
type fake struct {
	cpus  []*fakeCPU // by CPU number, from 1
	all   map[uint32]*fakeCPU
	now   time.Time
	limit int
	page  uint64
	full  bool
	log   []string
}

func newFake(cpus ...*fakeCPU) *fake {
	f := &fake{all: map[uint32]*fakeCPU{}}
	for _, c := range cpus {
		f.all[c.apicID] = c
	}
	return f
}

func (f *fake) SetCPULimit(n int) error { f.limit = n; return nil }

func (f *fake) PrepareCPU(t Target) (int, error) {
	if f.full {
		return 0, errors.New("full")
	}
	f.cpus = append(f.cpus, f.all[t.APICID])
	return len(f.cpus), nil
}

func (f *fake) UseTrampoline(page uint64) error {
	f.page = page
	for _, c := range f.cpus {
		c.slot = false
	}
	return nil
}

func (f *fake) SendINIT(apicID uint32) error { f.all[apicID].inits++; return nil }

func (f *fake) SendStartup(apicID uint32, page uint64) error {
	c := f.all[apicID]
	c.starts++
	if c.starts > c.ignores && c.inits > 0 && page == f.page {
		c.slot = true
		c.stage = trampoline.StageReady
		c.state = percpu.Online
		if c.stopsAt != 0 {
			c.stage, c.state = c.stopsAt, percpu.Booting
		}
	}
	return nil
}

func (f *fake) State(cpu int) (uint32, uint32) { return f.cpus[cpu-1].state, f.cpus[cpu-1].stage }

func (f *fake) Slot(page uint64, i int) (uint32, uint32) {
	var in []*fakeCPU
	for _, c := range f.cpus {
		if c.slot {
			in = append(in, c)
		}
	}
	if i < len(in) {
		return in[i].apicID, min(in[i].stage, trampoline.StageLongMode64)
	}
	return 0, 0
}

func (f *fake) Proceed(cpu int) error { f.cpus[cpu-1].state = percpu.Acknowledged; return nil }
func (f *fake) Now() time.Time        { return f.now }
func (f *fake) Sleep(d time.Duration) { f.now = f.now.Add(d) }

func targets(ids ...uint32) (list []Target) {
	for _, id := range ids {
		list = append(list, Target{APICID: id})
	}
	return list
}

var config = Config{Boot: 0, Page: 0x8000, INITWait: 10 * time.Millisecond}

func TestStartsAll(t *testing.T) {
	f := newFake(&fakeCPU{apicID: 4}, &fakeCPU{apicID: 300}, &fakeCPU{apicID: 2})
	r := StartAll(f, targets(2, 0, 300, 4), config)
	require.Empty(t, r.Problems)
	require.Equal(t, Result{Online: 4, Wanted: 4, Took: r.Took}, r)
	require.Less(t, r.Took, 12*time.Millisecond)
	require.Equal(t, 4, f.limit)
	require.Zero(t, f.page, "the trampoline is put away")
	require.Equal(t, []uint32{2, 300, 4}, []uint32{f.cpus[0].apicID, f.cpus[1].apicID, f.cpus[2].apicID}, "numbers in the table's order")
	for _, c := range f.cpus {
		require.Equal(t, 1, c.inits)
		require.Equal(t, 1, c.starts, "the second message is for silent ones")
	}
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
	f := newFake(&fakeCPU{apicID: 1}, &fakeCPU{apicID: 6, ignores: 9}, &fakeCPU{apicID: 7, stopsAt: trampoline.StageTables})
	r := StartAll(f, targets(0, 1, 6, 7), config)
	require.Equal(t, 2, r.Online)
	require.Equal(t, 4, r.Wanted)
	require.Len(t, r.Problems, 2)
	require.EqualError(t, r.Problems[0], "smp: cpu 2 (APIC ID 6): silent for 1s, last stage 0 (none)")
	require.EqualError(t, r.Problems[1], "smp: cpu 3 (APIC ID 7): silent for 1s, last stage 7 (Tables)")
	require.Equal(t, 2, f.all[6].inits, "put back to sleep")
	require.Equal(t, 1, f.all[7].starts, "one on its way is not restarted")
	require.Less(t, r.Took, 1100*time.Millisecond, "one wait for all")
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
	other := func(start, n uint64) abi.Region {
		return abi.Region{Start: start, Length: n, Type: abi.RegionReserved}
	}
	tests := map[string]struct {
		regions []abi.Region
		ebda    uint64
		want    uint64
	}{
		"usual PC":            {[]abi.Region{ram(0, 0x9fc00), other(0x9fc00, 0x400), ram(1<<20, 1<<30)}, 0x9fc00, 0x9e000},
		"low EBDA":            {[]abi.Region{ram(0, 0x9fc00)}, 0x80400, 0x7f000},
		"no EBDA":             {[]abi.Region{ram(0, 0xa0000)}, 0, 0x9e000},
		"page 0 alone":        {[]abi.Region{ram(0, 0x1000), ram(1<<20, 1<<30)}, 0, 0},
		"not page aligned":    {[]abi.Region{ram(0x10800, 0x1800)}, 0, 0x11000},
		"no whole page":       {[]abi.Region{ram(0x10800, 0x1000)}, 0, 0},
		"two regions":         {[]abi.Region{ram(0x20000, 0x3000), ram(0x1000, 0x8000)}, 0, 0x22000},
		"overlapped, reserve": {[]abi.Region{ram(0, 0x9f000), other(0x90000, 0xf000)}, 0, 0x8f000},
		"nothing":             {nil, 0, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, ChoosePage(slices.Clone(tc.regions), tc.ebda))
		})
	}
}
