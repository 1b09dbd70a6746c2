package irq

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/percpu"
)

// machine is a core with some CPUs and lines.
type machine struct {
	cpus    []abi.CPU
	lines   []abi.IRQLine
	counts  [][]uint64
	busy    map[int]int // line: how often Move or Settle says EAGAIN
	refuses map[int]syscall.Errno
	forced  []int
	moves   int
	log     []string
}

func (m *machine) Move(line, cpu int, force bool) error {
	if m.busy[line] > 0 && !force {
		m.busy[line]--
		return syscall.EAGAIN
	}
	if e := m.refuses[cpu]; e != 0 {
		return e
	}
	if force {
		m.forced = append(m.forced, line)
	}
	l := &m.lines[line]
	l.OldCPU, l.CPU, l.APICID = l.CPU, uint32(cpu), m.cpus[cpu].APICID
	l.Flags |= abi.IRQLeaving
	l.Vector++
	m.moves++
	return nil
}

func (m *machine) Settle(line int) error {
	if m.busy[line] > 0 {
		m.busy[line]--
		return syscall.EAGAIN
	}
	m.lines[line].Flags &^= abi.IRQLeaving
	return nil
}

func (m *machine) Info(line int) (*abi.IRQLine, error) {
	if line >= len(m.lines) {
		return nil, syscall.EINVAL
	}
	i := m.lines[line]
	return &i, nil
}

func (m *machine) Count(line, cpu int) (uint64, error) {
	if cpu >= len(m.cpus) {
		return 0, syscall.EINVAL
	}
	if m.counts == nil {
		return 0, nil
	}
	return m.counts[line][cpu], nil
}

func (m *machine) CPU(cpu int) (*abi.CPU, error) {
	if cpu < 0 || cpu >= len(m.cpus) {
		return nil, syscall.EINVAL
	}
	c := m.cpus[cpu]
	return &c, nil
}

// newTable makes a machine with CPUs online and lines on cpu0.
func newTable(cpus, n int) (*table, *machine) {
	m := &machine{busy: map[int]int{}, refuses: map[int]syscall.Errno{}}
	for i := range cpus {
		m.cpus = append(m.cpus, abi.CPU{Processor: abi.Processor{APICID: uint32(2 * i)}, State: percpu.Online})
	}
	t := &table{core: m, leaving: map[int]bool{}, log: func(f string, a ...any) { m.log = append(m.log, fmt.Sprintf(f, a...)) }}
	for i := range n {
		m.lines = append(m.lines, abi.IRQLine{GSI: uint32(i), Vector: 0x30})
		t.add(&line{id: i, label: fmt.Sprint(i), name: "device"})
	}
	return t, m
}

func TestSetAffinity(t *testing.T) {
	x, m := newTable(4, 2)
	require.NoError(t, x.setAffinity("1", []int{3, 2, 3}))
	require.Contains(t, []uint32{2, 3}, m.lines[1].CPU)
	require.Equal(t, []int{2, 3}, x.list[1].allowed)
	require.Zero(t, m.lines[1].Flags&abi.IRQLeaving)
	moves := m.moves
	require.NoError(t, x.setAffinity("1", []int{1, int(m.lines[1].CPU)}))
	require.Equal(t, moves, m.moves, "it goes to one of them already")
	require.NoError(t, x.setAffinity("1", nil))
	require.Nil(t, x.list[1].allowed)
}

func TestAffinityErrors(t *testing.T) {
	x, m := newTable(4, 2)
	m.cpus[1].State = percpu.Offline
	m.cpus[2].APICID = 300
	m.refuses[3] = syscall.ENOSPC
	for _, tc := range []struct {
		label string
		cpu   int
		want  string
	}{
		{"7", 0, `no line "7"; irq lists them`},
		{"1", 1, "cpu1 is not online; cpu online 1 starts it"},
		{"1", 2, "cpu2 has APIC id 300: without interrupt remapping a device interrupt reaches ids up to 254"},
		{"1", 3, "not moved to cpu3: none of its vectors is free"},
		{"1", 4, "there is no cpu4"},
	} {
		require.EqualError(t, x.setAffinity(tc.label, []int{tc.cpu}), tc.want)
	}
	require.Zero(t, m.moves)
	require.Nil(t, x.list[1].allowed)
}

// A move waits for an interrupt in service, and at last ends it.
func TestMoveWaits(t *testing.T) {
	x, m := newTable(2, 1)
	m.busy[0] = 5
	require.NoError(t, x.setAffinity("0", []int{1}))
	require.Zero(t, m.busy[0])
	require.Empty(t, m.forced)

	x, m = newTable(2, 1)
	stuck := &inService{machine: m}
	x.core = stuck
	require.NoError(t, x.setAffinity("0", []int{1}))
	require.Equal(t, []int{0}, m.forced)

	x, m = newTable(2, 1)
	m.busy[0] = 1 << 20
	require.ErrorIs(t, x.setAffinity("0", []int{1}), syscall.EAGAIN, "and it ends")
}

// inService is a machine whose lines have an interrupt in service that does not end.
type inService struct{ *machine }

func (s *inService) Move(line, cpu int, force bool) error {
	if !force {
		return syscall.EAGAIN
	}
	return s.machine.Move(line, cpu, force)
}

// The device of an MSI is programmed before the old vector is given back.
func TestMoveOfMSI(t *testing.T) {
	x, m := newTable(3, 0)
	m.lines = append(m.lines, abi.IRQLine{Flags: abi.IRQMessage, Vector: 0x40})
	var address uint64
	var data uint32
	leaving := false
	x.add(&line{program: func(a uint64, d uint32) error {
		address, data, leaving = a, d, m.lines[0].Flags&abi.IRQLeaving != 0
		return nil
	}})
	require.NoError(t, x.setAffinity("msi0", []int{2}))
	require.Equal(t, uint64(0xfee04000), address, "APIC id 4")
	require.Equal(t, uint32(0x41), data)
	require.True(t, leaving)
	x.list[0].program = func(uint64, uint32) error { return syscall.EIO }
	require.ErrorIs(t, x.setAffinity("msi0", []int{1}), syscall.EIO)
	require.NotZero(t, m.lines[0].Flags&abi.IRQLeaving, "the device may still send the old one")
}

func TestDrain(t *testing.T) {
	x, m := newTable(4, 4)
	m.cpus[3].APICID = 255
	require.NoError(t, x.setAffinity("1", []int{1}))
	require.NoError(t, x.setAffinity("2", []int{1, 2}))
	require.NoError(t, x.setAffinity("2", []int{1, 2}))
	m.lines[2].CPU = 1
	require.NoError(t, x.drain(1))
	require.EqualValues(t, 2, m.lines[2].CPU, "its other CPU")
	require.Contains(t, []uint32{0, 2}, m.lines[1].CPU, "any other")
	require.Contains(t, fmt.Sprint(m.log), "irq: line 1 (device): none of its CPUs [1] is left, it goes to any")
	require.EqualError(t, x.setAffinity("0", []int{1}), "cpu1 was drained: it gets no lines; irq admit 1 ends that")
	m.cpus[1].State = percpu.Offline
	require.NoError(t, x.drain(0))
	for i := range m.lines {
		require.EqualValues(t, 2, m.lines[i].CPU)
	}
	require.EqualError(t, x.drain(2), "cpu2 keeps lines: line 0 (device), line 1 (device), line 2 (device), line 3 (device): no other CPU takes device interrupts, cpu0 was drained; irq admit 0 ends that")
	require.NoError(t, x.usable(2), "it stays")

	m.cpus[1].State = percpu.Online
	require.NoError(t, x.admit(1))
	require.EqualError(t, x.admit(4), "there is no cpu4")
	require.EqualError(t, x.drain(4), "there is no cpu4")
	require.EqualValues(t, 1, m.lines[1].CPU, "back, since it was for this CPU alone")
	require.EqualValues(t, 2, m.lines[2].CPU, "it is on one of its CPUs")
	require.EqualValues(t, 2, m.lines[0].CPU)
}

// A CPU that still has an interrupt pending is not drained.
func TestDrainWaits(t *testing.T) {
	x, m := newTable(2, 1)
	m.lines[0].CPU, m.lines[0].OldCPU, m.lines[0].Flags = 1, 0, abi.IRQLeaving
	m.busy[0] = 3
	require.NoError(t, x.drain(0))
	require.Zero(t, m.lines[0].Flags&abi.IRQLeaving)
	m.lines[0].Flags, m.busy[0] = abi.IRQLeaving, 1<<20
	require.ErrorContains(t, x.drain(0), "an interrupt of its old vector pends")
}

func TestState(t *testing.T) {
	x, m := newTable(2, 2)
	m.lines[0] = abi.IRQLine{GSI: 9, Flags: abi.IRQLevel | abi.IRQLow | abi.IRQMasked, CPU: 1, Vector: 0x31}
	m.lines[1] = abi.IRQLine{Flags: abi.IRQMessage | abi.IRQLeaving, Vector: 0x32}
	m.counts = [][]uint64{{1, 2}, {3, 4}}
	require.Equal(t, []Line{
		{Label: "0", Name: "device", Trigger: "level", Polarity: "low", CPU: 1, Vector: 0x31, State: "masked", Counts: []uint64{1, 2}},
		{Label: "1", Name: "device", Trigger: "msi", CPU: 0, Vector: 0x32, State: "moving", Counts: []uint64{3, 4}},
	}, x.state())
}
