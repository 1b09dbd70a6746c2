//go:build explore

package sched

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/explore"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// setters is SetPolicy in place of Bind, in the models of bind_explore_test.go.
var setters = binders{
	func(c *percpu.CPU, t *Thread, _ *SetWords) { t.SetPolicy(c, 50, true) },
	settleShipped,
	func(_ *percpu.CPU, t *Thread) bool { return t.level == levelFair-50 && t.turns },
}

// A thread has the level that was set for it before it runs code outside the core for long, whatever it does meanwhile.
func TestPolicyIsTaken(t *testing.T) {
	t.Cleanup(func() { switched, upcall.To.Reap = nil, nil })
	for name, way := range bindings {
		t.Run(name, func(t *testing.T) {
			r := binds(explore.Bound(1, 2), setters, way)
			t.Log(r)
			require.NoError(t, r.Err)
			require.True(t, r.Complete)
		})
	}
	r := starting(setters.bind, setters.fits)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a setter that stores the word and looks for the thread, and does not say that there is something to settle.
func TestPolicyWithoutWorkIsFound(t *testing.T) {
	t.Cleanup(func() { switched, upcall.To.Reap = nil, nil })
	code := setters
	code.bind = func(c *percpu.CPU, x *Thread, _ *SetWords) {
		x.policy.word.Store(policySet | policyTurns | (levelFair - 50))
		if in := x.in.Load(); in != 0 && local(percpu.Get(in-1)).takeOut(c, x) {
			enqueue(c, x)
		} else if to := x.runner(); to != nil {
			kick(c, to)
		}
	}
	found := false
	for _, way := range bindings {
		r := binds(explore.Bound(1, 2), code, way)
		found = found || r.Err != nil
	}
	require.True(t, found)
}

// Policies of threads that run, wait or sleep change at random. A queue has each waiting thread at the level that was set for
// it, chooses the best one, and its sums are those of its threads.
func TestPolicyRandom(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(3, seed))
		c := cpus(t, 1)[0]
		q := local(c)
		setRequests(10_000_000)
		m := &fairModel{c: c, q: q}
		var run *Thread
		var waiting, asleep []*Thread
		for id := range 8 {
			asleep = append(asleep, thread(uint32(id+1), ClassUser))
		}
		set := map[*Thread]uint32{}
		late := map[*Thread]bool{} // it yielded before it took the level: so it waits, and runs, once at the old one
		check := func(x *Thread, step int) {
			if x.isSettled() {
				delete(late, x)
			}
			if !late[x] {
				require.Equal(t, levelFair-set[x], x.level, "seed %d, step %d", seed, step)
			}
		}
		for step := range 2000 {
			modelCounter += r.Uint64N(3_000_000)
			switch op := r.IntN(4); {
			case op == 0 && len(asleep) > 0:
				i := r.IntN(len(asleep))
				x := asleep[i]
				asleep = append(asleep[:i], asleep[i+1:]...)
				waiting = append(waiting, x)
				x.state.Store(stReady)
				enqueue(c, x)
			case op == 1:
				all := append(append([]*Thread{}, waiting...), asleep...)
				if run != nil {
					all = append(all, run)
				}
				x := all[r.IntN(len(all))]
				set[x] = uint32(r.IntN(4)) * 33 // 0, 33, 66, 99
				x.SetPolicy(c, set[x], r.IntN(2) == 0)
			default:
				how := []leaving{leaveReady, leaveYield, leaveParked}[r.IntN(3)]
				prev := run
				if prev == nil {
					prev, how = q.idle, leaveIdle
				}
				if how == leaveReady && !prev.isSettled() {
					how = leaveSettled // as giveWay does
				}
				c.Resched = 0
				late[prev] = how == leaveYield && !prev.isSettled()
				next := q.next(c, prev, how, modelCounter)
				if next != nil || !how.isReady() {
					if how.isReady() {
						require.True(t, q.putBack(c, prev, how))
						prev.state.Store(stReady)
						waiting = append(waiting, prev)
					} else if how == leaveParked {
						prev.state.Store(stParked)
						asleep = append(asleep, prev)
					}
					run = next
				}
				if next != nil {
					next.state.Store(stRunning)
					for i, x := range waiting {
						if x == next {
							waiting = append(waiting[:i], waiting[i+1:]...)
							break
						}
					}
				}
				best := levelFair
				for _, x := range waiting {
					best = min(best, x.level)
				}
				if run != nil {
					require.Equal(t, run.level, q.running.Load())
					check(run, step)
					if again := c.Resched != 0; !q.cap.pays && !again {
						require.LessOrEqual(t, run.level, best, "seed %d, step %d: the best one runs", seed, step)
					}
				} else {
					require.Equal(t, levelIdle, q.running.Load())
				}
			}
			m.waiting, m.run = nil, nil
			for _, x := range waiting {
				check(x, step)
				if x.level == levelFair {
					m.waiting = append(m.waiting, x)
				}
			}
			if run != nil && run.level == levelFair {
				m.run = run
			}
			count := q.count.Load()
			require.EqualValues(t, len(waiting), count)
			q.count.Store(uint32(len(m.waiting)))
			require.NoError(t, m.check(), "seed %d, step %d", seed, step)
			q.count.Store(count)
		}
	}
}
