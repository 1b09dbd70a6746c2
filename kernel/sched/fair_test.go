package sched

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// fairModel is a fair queue and its threads, and what a plain search says about them.
type fairModel struct {
	c       *percpu.CPU
	q       *runQueue
	now     uint64 // the counter: a tick is a nanosecond
	run     *Thread
	waiting []*Thread
	asleep  []*Thread
	got     map[*Thread]uint64 // service, in nanoseconds
}

func newFairModel(weights []uint64) *fairModel {
	c, q := oneQueue()
	clock.SetHz(1e9)
	m := &fairModel{c: c, q: q, now: 1, got: map[*Thread]uint64{}}
	for i, w := range weights {
		x := thread(uint32(i+1), ClassUser)
		x.share.weight = w
		m.asleep = append(m.asleep, x)
	}
	return m
}

// check compares the queue's sums, and its choice, with a search.
func (m *fairModel) check() error {
	f := &m.q.fair
	counted := m.waiting
	if m.run != nil {
		counted = append([]*Thread{m.run}, counted...)
	}
	load, sum := uint64(0), int64(0)
	for _, x := range counted {
		load += x.share.weight
		sum += int64(x.share.weight) * int64(x.share.v-f.zero)
	}
	if load != f.load || sum != f.sum {
		return fmt.Errorf("load %d, sum %d; the threads have %d, %d", f.load, f.sum, load, sum)
	}
	if int(m.q.count.Load()) != len(m.waiting) {
		return fmt.Errorf("count %d with %d threads", m.q.count.Load(), len(m.waiting))
	}
	var best *Thread
	for _, x := range m.waiting {
		if f.eligible(&x.share) && (best == nil || x.share.deadline() < best.share.deadline()) {
			best = x
		}
	}
	got := f.first()
	switch {
	case len(m.waiting) == 1 && got == m.waiting[0]:
	case (got == nil) != (best == nil) || got != nil && (!f.eligible(&got.share) || got.share.deadline() != best.share.deadline()):
		return fmt.Errorf("the choice differs from the search: %v, %v", got, best)
	case len(m.waiting) > 0 && m.run == nil && best == nil:
		return fmt.Errorf("none of %d threads is eligible", len(m.waiting))
	}
	return nil
}

// passes lets the thread that runs go on for a while.
func (m *fairModel) passes(ns uint64) {
	m.now += ns
	if m.run != nil {
		m.got[m.run] += ns
	}
	m.q.fair.advance(m.now)
}

// wakes puts thread i of those that sleep into the queue.
func (m *fairModel) wakes(i int) {
	x := m.asleep[i]
	m.asleep = append(m.asleep[:i], m.asleep[i+1:]...)
	m.q.mu.Lock(m.c)
	m.q.fair.join(&x.share)
	m.q.fair.wait(x)
	m.q.count.Store(m.q.count.Load() + 1)
	m.q.mu.Unlock(m.c)
	m.waiting = append(m.waiting, x)
}

// leaves makes the thread that runs leave the CPU, or keep it if it can.
func (m *fairModel) leaves(how leaving) {
	prev := m.run
	if prev == nil {
		prev, how = m.q.idle, leaveIdle
	}
	next := m.q.next(m.c, prev, how, m.now)
	switch {
	case next == nil && how.isReady():
		return
	case how.isReady():
		m.q.putBack(m.c, prev, how)
		m.waiting = append(m.waiting, prev)
	case how == leaveParked:
		m.asleep = append(m.asleep, prev)
	}
	m.run = next
	for i, x := range m.waiting {
		if x == next {
			m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
			break
		}
	}
}

// Random turns, sleeps, yields and wake-ups: the sums stay those of the threads, and the tree finds
// what a search of all threads finds.
func TestFairRandom(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		weights := make([]uint64, 1+r.IntN(40))
		for i := range weights {
			weights[i] = []uint64{unit, unit, unit, 15, 88761, 335, 3121}[r.IntN(7)]
		}
		m := newFairModel(weights)
		for step := range 20_000 {
			switch k := r.IntN(10); {
			case k < 3 && len(m.asleep) > 0:
				m.wakes(r.IntN(len(m.asleep)))
			case k < 5:
				m.leaves(leaveParked)
			case k == 5:
				m.leaves(leaveYield)
			default:
				m.leaves(leaveReady)
			}
			if r.IntN(20) == 0 { // whatever the thread does
				all := append(append([]*Thread{}, m.waiting...), m.asleep...)
				if m.run != nil {
					all = append(all, m.run)
				}
				x := all[r.IntN(len(all))]
				x.SetNice(int32(r.IntN(44) - 22))
				x.SetIdle(r.IntN(9) == 0)
			}
			require.NoError(t, m.check(), "seed %d, step %d", seed, step)
			m.passes(uint64(r.IntN(1 << r.IntN(26))))
			require.NoError(t, m.check(), "seed %d, step %d, later", seed, step)
		}
	}
}

// Threads that compute share the CPU by weight, and none is ever further from its share than a turn.
func TestFairShares(t *testing.T) {
	for _, weights := range [][]uint64{{unit, unit}, {unit, unit, unit, unit, unit}, {unit, 2 * unit, 4 * unit}, {15, 88761, unit}, {335, unit, unit, unit}} {
		m := newFairModel(weights)
		threads, total := append([]*Thread{}, m.asleep...), uint64(0)
		for _, w := range weights {
			m.wakes(0)
			total += w
		}
		tick := 2 * fullRequest
		const turns = 40_000
		for range turns {
			m.leaves(leaveReady)
			m.passes(tick)
		}
		all := float64(turns) * float64(tick)
		for i, x := range threads {
			share := all * float64(weights[i]) / float64(total)
			away := float64(m.got[x]) - share
			require.Less(t, max(away, -away), float64(3*tick), "weight %d of %v: %v ns of %v", weights[i], weights, m.got[x], share)
		}
	}
}

// A thread that sleeps most of the time runs at once when it wakes up beside threads that compute. Beside very many of
// them, some have got so little of their shares that they go first now and then. A thread that computes between
// short sleeps gets its share, and no more.
func TestSleeperRunsSoon(t *testing.T) {
	for _, hogs := range []int{1, 3, 20, 200} {
		m := newFairModel(make([]uint64, hogs+1))
		for _, x := range m.asleep {
			x.share.weight = unit
		}
		sleeper := m.asleep[0]
		for range hogs {
			m.wakes(1)
		}
		for range 40 * hogs { // they have full requests then
			m.leaves(leaveReady)
			m.passes(2 * fullRequest)
		}
		late := 0
		for i := range 2000 {
			m.wakes(0)
			require.Same(t, sleeper, m.waiting[len(m.waiting)-1])
			if !m.q.fair.preempts(&sleeper.share) {
				late++
			}
			for m.run != sleeper {
				m.leaves(leaveReady)
				if m.run != sleeper {
					m.passes(fullRequest / 4)
				}
			}
			m.passes(10_000)
			m.leaves(leaveParked)
			for range 4 {
				m.passes(uint64(200_000 + i%7*10_000))
				m.leaves(leaveReady)
			}
		}
		limit := 20
		if hogs == 200 {
			limit = 600
		}
		require.LessOrEqual(t, late, limit, "beside %d threads", hogs)
	}
	for _, w := range []uint64{unit, 88818, 15} { // sleeps for 50 us after each 2 ms
		m := newFairModel([]uint64{w, unit})
		cheat, hog := m.asleep[0], m.asleep[1]
		m.wakes(0)
		m.wakes(0)
		for range 100_000 {
			m.leaves(leaveReady)
			m.passes(2_000_000)
			if m.run == cheat {
				m.leaves(leaveParked)
				m.passes(50_000)
				m.wakes(0)
			}
		}
		require.Less(t, float64(m.got[cheat])/float64(m.got[hog]), 1.05*float64(w)/unit)
	}
}

// A thread that yields in a loop keeps no other from running, and gets turns itself.
func TestYieldLetsOthersRun(t *testing.T) {
	m := newFairModel([]uint64{unit, unit, unit})
	for range 3 {
		m.wakes(0)
	}
	threads := append([]*Thread{}, m.waiting...)
	ran := map[*Thread]int{}
	for range 3000 {
		before := m.run
		m.leaves(leaveYield)
		require.NotSame(t, before, m.run, "another one was ready")
		ran[m.run]++
		m.passes(1000)
	}
	for _, x := range threads {
		require.Greater(t, ran[x], 500)
	}
}

// A nice value that another thread sets takes effect when the thread runs, or at its next tick. Five steps are a factor of 3.05.
func TestNiceChangesShares(t *testing.T) {
	m := newFairModel([]uint64{unit, unit})
	a, b := m.asleep[0], m.asleep[1]
	m.wakes(0)
	m.wakes(0)
	turns := func() (ratio float64) {
		m.got = map[*Thread]uint64{}
		for range 20_000 {
			m.leaves(leaveReady)
			m.passes(2 * fullRequest)
		}
		return float64(m.got[a]) / float64(m.got[b])
	}
	require.InEpsilon(t, 1.0, turns(), 0.02)
	b.SetNice(5)
	require.InEpsilon(t, 3.05, turns(), 0.02)
	a.SetNice(5)
	require.InEpsilon(t, 1.0, turns(), 0.02)
	b.SetNice(-100)
	require.EqualValues(t, minNice, b.Nice())
	require.InEpsilon(t, 336.0/88818, turns(), 0.02)
	b.SetNice(0)
	a.SetIdle(true)
	require.InEpsilon(t, 3.0/1024, turns(), 0.05)
	a.SetIdle(false)
	require.InEpsilon(t, 336.0/1024, turns(), 0.02)
	child := thread(9, ClassUser)
	child.Inherit(a)
	require.EqualValues(t, 5, child.Nice())
}
