//go:build explore

package sched

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// hogs is a machine whose threads compute all the time, tick by tick.
type hogs struct {
	list    []*percpu.CPU
	running []*Thread
	threads []*Thread
	got     map[*Thread]int // ticks that each has had
	moves   int
	now     uint64
}

// makeHogs puts threads with these weights into the queue of the first CPU.
func makeHogs(t *testing.T, cpus uint32, weights []uint64, record func(c *percpu.CPU)) *hogs {
	m := &hogs{list: nearCPUs(t, cpus, record), running: make([]*Thread, cpus), got: map[*Thread]int{}, now: 1}
	before := modelCounter
	t.Cleanup(func() { modelCounter = before })
	for _, c := range m.list {
		c.State.Store(percpu.Online)
	}
	for i, w := range weights {
		x := thread(uint32(i+1), ClassUser)
		x.share.weight, x.share.request = w, fullRequest
		local(m.list[0]).put(m.list[0], x)
		m.threads = append(m.threads, x)
	}
	return m
}

// run lets all CPUs tick. balance is what they do about their load.
func (m *hogs) run(ticks int, balance func(q *runQueue, c *percpu.CPU, now clock.Time)) {
	for range ticks {
		m.now += clock.Ticks(10 * clock.Millisecond)
		modelCounter = m.now
		for _, c := range m.list {
			m.tick(c, balance)
		}
	}
}

func (m *hogs) tick(c *percpu.CPU, balance func(q *runQueue, c *percpu.CPU, now clock.Time)) {
	q, how := local(c), leaveReady
	prev := m.running[c.ID]
	if prev == nil {
		prev, how = q.idle, leaveIdle
	} else {
		m.got[prev]++
	}
	if waits := q.count.Load(); waits == 0 {
		q.streak = 0
	} else {
		q.say(c)
		balance(q, c, clock.Time(m.now))
		m.moves += int(waits - q.count.Load())
	}
	next := q.next(c, prev, how, m.now)
	if next == nil && how == leaveIdle {
		next = steal(c)
	}
	if next != nil {
		if how == leaveReady {
			q.putBack(c, prev, how)
		}
		m.running[c.ID] = next
	}
}

// even requires that each thread has got its part of the machine, within a fraction of it.
func (m *hogs) even(t *testing.T, ticks int, within float64) {
	all := uint64(0)
	for _, x := range m.threads {
		all += x.share.weight
	}
	for _, x := range m.threads {
		want := float64(ticks) * min(float64(x.share.weight)/float64(all)*float64(len(m.list)), 1)
		require.InEpsilon(t, want, float64(m.got[x]), within, "thread %d of %d on %d CPUs", x.ID, len(m.threads), len(m.list))
	}
}

func units(n int) (list []uint64) {
	for range n {
		list = append(list, unit)
	}
	return list
}

// Threads that compute share all CPUs: with more threads than CPUs each gets the same, although a CPU has one more than
// another at any time. Where each CPU has as many, none moves.
func TestBalance(t *testing.T) {
	for _, x := range []struct {
		cpus    uint32
		threads int
	}{{4, 5}, {4, 4}, {2, 3}, {4, 6}, {4, 7}, {4, 8}, {4, 13}, {17, 20}, {40, 41}, {40, 80}, {40, 100}} {
		t.Run(fmt.Sprintf("%d on %d", x.threads, x.cpus), func(t *testing.T) {
			m := makeHogs(t, x.cpus, units(x.threads), byNumber)
			m.run(200, (*runQueue).balance)
			m.got = map[*Thread]int{}
			moved, ticks := m.moves, 10000
			m.run(ticks, (*runQueue).balance)
			m.even(t, ticks, 0.05)
			if x.threads%int(x.cpus) == 0 {
				require.Equal(t, moved, m.moves, "balanced, and still threads move")
			}
		})
	}
}

// A thread's part follows from its weight.
func TestBalanceWeights(t *testing.T) {
	for _, list := range [][]uint64{
		{unit, unit, unit, unit, 110, 110, 110, 110},
		{unit, unit, unit, unit, unit, 15},
		{2 * unit, 2 * unit, 2 * unit, unit, unit, unit, unit, unit, unit},
	} {
		m := makeHogs(t, 4, list, byNumber)
		m.run(200, (*runQueue).balance)
		m.got = map[*Thread]int{}
		ticks := 10000
		m.run(ticks, (*runQueue).balance)
		all := uint64(0)
		for _, w := range list {
			all += w
		}
		for _, x := range m.threads {
			want := float64(ticks) * float64(4*x.share.weight) / float64(all)
			require.InDelta(t, want, m.got[x], 0.03*float64(ticks), "weight %d of %d", x.share.weight, list)
		}
	}
}

// Threads keep to their CPUs, and are even among these: four on three CPUs, and one has the last CPU alone.
func TestBalanceKeepsToSets(t *testing.T) {
	m := makeHogs(t, 4, units(5), byNumber)
	for i, x := range m.threads {
		local(m.list[0]).takeOut(m.list[0], x)
		words, to := SetWords{7}, m.list[0]
		if i == 4 {
			words, to = SetWords{8}, m.list[3]
		}
		x.Bind(m.list[0], &words, 0)
		local(to).put(m.list[0], x)
	}
	ticks := 6000
	m.run(ticks, func(q *runQueue, c *percpu.CPU, now clock.Time) {
		q.balance(c, now)
		for id, x := range m.running {
			require.True(t, x == nil || x.may(uint32(id)))
		}
	})
	for i, x := range m.threads {
		want := float64(ticks) * 3 / 4
		if i == 4 {
			want = float64(ticks)
		}
		require.InEpsilon(t, want, m.got[x], 0.05)
	}
}

// A thread of the real-time class leaves its CPU to none: the threads of the fair class that are there go to the others.
func TestBalanceLeavesRealTimeCPUs(t *testing.T) {
	m := makeHogs(t, 4, units(6), byNumber)
	urgent := thread(9, ClassKernel)
	local(m.list[2]).put(m.list[2], urgent)
	ticks := 9000
	m.run(ticks, (*runQueue).balance)
	require.Greater(t, m.got[urgent], ticks-2)
	for _, x := range m.threads {
		require.InEpsilon(t, ticks/2, m.got[x], 0.05)
	}
}

// A thread goes to another memory node later than to a CPU of its own, and goes all the same.
func TestBalanceOfNodes(t *testing.T) {
	nodes := func(c *percpu.CPU) {
		byNumber(c)
		c.Home = uint8(1 + c.ID/2)
	}
	m := makeHogs(t, 4, units(5), nodes)
	m.run(1, func(*runQueue, *percpu.CPU, clock.Time) {}) // all CPUs have a thread
	c := m.list[0]
	q := local(c)
	var list [neighbours]candidate
	for q.streak = unevenTicks; q.streak < farTicks; q.streak++ {
		require.EqualValues(t, 1, q.candidates(c, &list))
		require.EqualValues(t, 1, list[0].id)
	}
	require.EqualValues(t, 3, q.candidates(c, &list))
	m = makeHogs(t, 4, units(5), nodes)
	m.run(200, (*runQueue).balance)
	m.got = map[*Thread]int{}
	m.run(10000, (*runQueue).balance)
	m.even(t, 10000, 0.05)
}

// Threads that become ready while no CPU is idle do not all wait at the CPU that ran them last.
func TestWakeUpFindsLessLoad(t *testing.T) {
	m := makeHogs(t, 16, units(16), byNumber)
	m.run(1, func(*runQueue, *percpu.CPU, clock.Time) {}) // all CPUs have a thread
	for i := range 160 {
		x := thread(uint32(100+i), ClassUser)
		x.cpu.Store(3)
		enqueue(m.list[5], x)
		m.threads = append(m.threads, x)
	}
	for _, c := range m.list {
		require.InDelta(t, 10, local(c).count.Load(), 4, "cpu%d", c.ID)
	}
	x := thread(99, ClassUser)
	x.cpu.Store(0)
	was := local(m.list[0]).count.Load()
	enqueue(m.list[5], x)
	require.Equal(t, was+1, local(m.list[0]).count.Load(), "no difference: the last CPU")
}

// The control: without it, some threads never have a CPU alone.
func TestBalanceControl(t *testing.T) {
	m := makeHogs(t, 4, units(5), byNumber)
	m.run(10000, func(*runQueue, *percpu.CPU, clock.Time) {})
	half := 0
	for _, n := range m.got {
		if n < 6000 {
			half++
		}
	}
	require.Equal(t, 2, half)
}
