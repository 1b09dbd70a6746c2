package console

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// storm is CPU 0 with a port whose UART sends at once, as an emulator's does, and to which other CPUs
// write as fast as it sends.
type storm struct {
	*uart
	write     func(c *percpu.CPU) (ok bool)
	interrupt func(c *percpu.CPU)
	wrote     int
}

// machine is CPU 0's time and its ports. Each access to a UART takes two microseconds.
type machine struct {
	time  clock.Time
	ports []*storm
}

func newMachine(t *testing.T) *machine {
	m := &machine{}
	oldNow, oldWindow := now, window
	now = func() clock.Time { return m.time }
	t.Cleanup(func() {
		now, window = oldNow, oldWindow
		spent.since, spent.used = 0, 0
		paused.Store(0)
	})
	return m
}

func (m *machine) add() *storm {
	s := &storm{uart: &uart{}}
	m.ports = append(m.ports, s)
	return s
}

func (m *machine) in(s *storm, port uint16) uint8 {
	m.time += 2 * clock.Microsecond
	return s.in(port)
}

func (m *machine) out(s *storm, port uint16, v uint8) {
	m.time += 2 * clock.Microsecond
	s.out(port, v)
}

// serve calls the handlers of the ports that have raised their lines, and reports whether there was one.
func (m *machine) serve(c *percpu.CPU) (any bool) {
	for _, s := range m.ports {
		if s.edge {
			s.edge, any = false, true
			s.interrupt(c)
		}
	}
	return any
}

// run lets three ticks pass, 300 ms at least, and returns how much of the time the interrupted thread had, in percent.
func (m *machine) run(c *percpu.CPU) (thread int) {
	const step = 10 * clock.Microsecond
	began, tick := m.time, m.time+window
	end := began + max(3*window, 300*clock.Millisecond)
	var had clock.Time
	for m.time < end {
		before := m.time
		for _, s := range m.ports {
			for s.write(c) { // by other CPUs
			}
		}
		m.time = before
		switch {
		case m.time >= tick:
			Resume(c)
			tick += window
		case m.serve(c):
		default:
			m.time += step
			had += step
		}
	}
	return int(had * 100 / (m.time - began))
}

// drain lets time pass without writers, until the ports are silent.
func (m *machine) drain(c *percpu.CPU) {
	for range 1000 {
		for m.serve(c) {
		}
		m.time += window
		Resume(c)
	}
}

// portStorm adds a storm at a port of programs.
func portStorm(t *testing.T, m *machine, c *percpu.CPU, p *Port) {
	s := m.add()
	*p = Port{in: func(port uint16) uint8 { return m.in(s, port) }, out: func(port uint16, v uint8) { m.out(s, port, v) }}
	t.Cleanup(func() { *p = Port{} })
	require.True(t, p.Open(0x3e8))
	p.UseInterrupts(c)
	piece := make([]byte, 1000)
	s.interrupt = func(c *percpu.CPU) { p.Interrupt(c) }
	s.write = func(c *percpu.CPU) bool { return s.count(p.Write(c, piece), piece) }
}

// consoleStorm adds a storm at the console's port.
func consoleStorm(t *testing.T, m *machine, c *percpu.CPU) {
	s := m.add()
	oldIn, oldOut := in8, out8
	in8 = func(reg uint16) uint8 { return m.in(s, 0x3e8+reg) }
	out8 = func(reg uint16, v uint8) { m.out(s, 0x3e8+reg, v) }
	present, tx.buf, rx.buf = true, txBytes[:], rxBytes[:]
	tx.clear()
	t.Cleanup(func() { in8, out8, present, irqs, wanted, waits = oldIn, oldOut, false, false, false, false })
	UseInterrupts(c)
	piece := make([]byte, 1000)
	s.interrupt = func(c *percpu.CPU) { Interrupt(c) }
	s.write = func(c *percpu.CPU) bool { return s.count(Write(c, piece, false), piece) }
}

func (s *storm) count(ok bool, piece []byte) bool {
	if ok {
		s.wrote += len(piece)
	}
	return ok
}

// storms are the ports to which other CPUs write.
var storms = map[string]func(*testing.T, *machine, *percpu.CPU){
	"port":    func(t *testing.T, m *machine, c *percpu.CPU) { portStorm(t, m, c, &Stdio) },
	"console": consoleStorm,
	"all": func(t *testing.T, m *machine, c *percpu.CPU) {
		portStorm(t, m, c, &Stdio)
		portStorm(t, m, c, &Control)
		consoleStorm(t, m, c)
	},
}

// While other CPUs write without pause, the thread on the CPU that has the ports' interrupts has nearly half of the
// time, whatever the tick is, and all bytes leave.
func TestInterruptsLeaveTime(t *testing.T) {
	for name, start := range storms {
		for _, tick := range []clock.Time{1, 10, 1000} {
			t.Run(fmt.Sprint(name, " tick=", tick), func(t *testing.T) {
				c, m := &percpu.CPU{}, newMachine(t)
				SetWindow(tick * clock.Millisecond)
				start(t, m, c)
				thread := m.run(c)
				sent := 0
				for _, s := range m.ports {
					sent += len(s.sent)
				}
				t.Logf("the thread had %d%% of the time, and %d bytes were sent", thread, sent)
				require.GreaterOrEqual(t, thread, 35)
				require.Greater(t, sent, 100_000)
				m.drain(c)
				for _, s := range m.ports {
					require.Equal(t, s.wrote, len(s.sent))
				}
			})
		}
	}
}

// The same with a clock that shows the handlers no time: they take all of it.
func TestInterruptsWithoutShare(t *testing.T) {
	for name, start := range storms {
		t.Run(name, func(t *testing.T) {
			c, m := &percpu.CPU{}, newMachine(t)
			start(t, m, c)
			now = func() clock.Time { return 0 }
			require.Less(t, m.run(c), 5)
		})
	}
}

// The same with a UART that brings input as fast as the kernel takes it, and a program that reads all of it.
func TestInputLeavesTime(t *testing.T) {
	c, m := &percpu.CPU{}, newMachine(t)
	portStorm(t, m, c, &Stdio)
	s, buf, got := m.ports[0], make([]byte, len(Stdio.rxBytes)), 0
	s.write = func(c *percpu.CPU) bool {
		s.wire = append(s.wire, make([]byte, 1<<16-len(s.wire))...)
		s.settle()
		got += take(c, &Stdio, buf)
		return false
	}
	thread := m.run(c)
	t.Logf("the thread had %d%% of the time, and %d bytes came", thread, got)
	require.GreaterOrEqual(t, thread, 35)
	require.Greater(t, got, 10_000)
}

// A UART at 115,200 baud never uses up the share.
func TestSlowPortIsNotPaused(t *testing.T) {
	m := newMachine(t)
	for range 100_000 {
		began := m.time
		m.time += 60 * clock.Microsecond // a FIFO full, two accesses a byte
		require.False(t, charge(&percpu.CPU{}, began))
		m.time += 1300 * clock.Microsecond
	}
}

// A port that waits lets the line wait, since nothing reads what comes.
func TestPauseDropsRTS(t *testing.T) {
	c, m := &percpu.CPU{}, newMachine(t)
	portStorm(t, m, c, &Stdio)
	s := m.ports[0]
	modem := uint8(0)
	out := Stdio.out
	Stdio.out = func(port uint16, v uint8) {
		if port == 0x3e8+regModem {
			modem = v
		}
		out(port, v)
	}
	for s.write(c) {
	}
	for paused.Load() == 0 {
		require.NotZero(t, modem&modemRTS)
		for s.write(c) {
		}
		require.True(t, m.serve(c))
	}
	require.Zero(t, modem&modemRTS)
	m.serve(c) // the APIC may have kept an edge from before the pause
	require.Zero(t, modem&modemRTS)
	require.False(t, m.serve(c), "interrupts during the pause")
	Resume(c)
	require.NotZero(t, modem&modemRTS)
	require.True(t, m.serve(c))
}

// The CPU whose handler has made a port wait gives it its interrupts again, whichever CPU the line was led to. Until
// then it ticks.
func TestResumeWhereTheLineIs(t *testing.T) {
	c, m := &percpu.CPU{ID: 2}, newMachine(t)
	portStorm(t, m, c, &Stdio)
	s := m.ports[0]
	for paused.Load() == 0 {
		for s.write(c) {
		}
		require.True(t, m.serve(c))
	}
	m.serve(c) // an edge from before the pause
	require.EqualValues(t, 1, c.Retick)
	require.True(t, Waiting(c))
	other := &percpu.CPU{}
	require.False(t, Waiting(other))
	Resume(other)
	require.False(t, m.serve(c))
	Resume(c)
	require.False(t, Waiting(c))
	require.True(t, m.serve(c))
}
