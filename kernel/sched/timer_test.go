package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// timerCPUs is CPUs with timer queues and a local APIC in memory, and the timers that
// expired.
type timerCPUs struct {
	cpus    [3]percpu.CPU
	queues  [3]runQueue
	page    [layout.PageSize / 8]uint64
	expired []*Timer
}

func newTimerCPUs(t *testing.T) *timerCPUs {
	m := &timerCPUs{}
	clock.SetHz(1e9)
	apic.Use(false, uintptr(unsafe.Pointer(&m.page)))
	for i := range m.cpus {
		m.queues[i].init(&Thread{})
		m.cpus[i].ID = uint32(i)
		m.cpus[i].Sched = uintptr(unsafe.Pointer(&m.queues[i]))
	}
	upcall.To.TimerExpired = func(_ *percpu.CPU, timer uintptr) {
		m.expired = append(m.expired, (*Timer)(unsafe.Pointer(timer)))
	}
	t.Cleanup(func() { upcall.To.TimerExpired = nil })
	return m
}

// plain is what the timers are compared with: the CPU and the time of each that is armed.
type plain map[*Timer]struct {
	cpu int
	at  clock.Time
}

// due returns the timers of a CPU that are due, in the order of their addresses, and
// forgets them.
func (p plain) due(cpu int, now clock.Time) (list []*Timer) {
	for t, x := range p {
		if x.cpu == cpu && x.at <= now {
			list = append(list, t)
			delete(p, t)
		}
	}
	return sorted(list)
}

func sorted(list []*Timer) []*Timer {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b *Timer) int { return int(uintptr(unsafe.Pointer(a)) - uintptr(unsafe.Pointer(b))) })
	return list
}

// randomTimers arms, withdraws and moves timers of three CPUs at random, and lets time pass.
// It returns the first difference to a plain model. disarm is Timer.Disarm, or a wrong one.
func randomTimers(m *timerCPUs, seed uint64, disarm func(*Timer, *percpu.CPU) bool) error {
	r := rand.New(rand.NewPCG(seed, 7))
	spans := []clock.Time{-clock.Second, 0, 1, clock.Microsecond, 10 * clock.Millisecond, clock.Second, 90 * clock.Second, 1 << 50, clock.Never / 2}
	timers := make([]Timer, 40)
	model := plain{}
	var now clock.Time
	for step := range 300 {
		t, cpu := &timers[r.IntN(len(timers))], r.IntN(len(m.cpus))
		c := &m.cpus[cpu]
		_, armed := model[t]
		switch k := r.IntN(10); {
		case k < 5 && !armed:
			at := now + spans[r.IntN(len(spans))]
			t.Arm(c, at)
			model[t] = struct {
				cpu int
				at  clock.Time
			}{cpu, clock.Time(unitOf(at) << unitShift)}
		case k < 7:
			if got := disarm(t, c); got != armed {
				return fmt.Errorf("step %d: withdrawn %v, want %v", step, got, armed)
			}
			delete(model, t)
		case k == 7:
			to := (cpu + 1 + r.IntN(len(m.cpus)-1)) % len(m.cpus)
			for MoveTimers(&m.cpus[to], c, &m.cpus[to]) {
			}
			for t, x := range model {
				if x.cpu == cpu {
					x.cpu = to
					model[t] = x
				}
			}
		default:
			now += max(0, spans[r.IntN(len(spans)-1)]%(100*clock.Second))
			m.expired = nil
			q := &m.queues[cpu].timers
			for range 20 {
				q.expire(c, nil, now)
			}
			if want := model.due(cpu, now); !slices.Equal(want, sorted(m.expired)) {
				return fmt.Errorf("step %d: %d expired, want %d", step, len(m.expired), len(want))
			}
		}
		for i := range m.queues {
			first := clock.Never
			for _, x := range model {
				if x.cpu == i {
					first = min(first, x.at)
				}
			}
			if got := m.queues[i].timers.earliest(); got > first && first >= now {
				return fmt.Errorf("step %d: earliest of cpu%d is %d, want at most %d", step, i, got, first)
			}
		}
	}
	return nil
}

// Timers in the past, at equal times and beyond the range of any hardware, on three CPUs that
// take them from each other, expire once, on the CPU that has them, and not early.
func TestTimersRandom(t *testing.T) {
	m := newTimerCPUs(t)
	for seed := range uint64(400) {
		require.NoError(t, randomTimers(m, seed, (*Timer).Disarm), "seed %d", seed)
		m = newTimerCPUs(t)
	}
}

// Negative control: a withdrawal that always claims to be in time is found.
func TestFalseWithdrawalIsFound(t *testing.T) {
	m := newTimerCPUs(t)
	require.Error(t, randomTimers(m, 1, func(t *Timer, c *percpu.CPU) bool { t.Disarm(c); return true }))
}

// The CPU that gets timers makes its hardware interrupt for the first of them, and a sampler
// stays where its CPU was.
func TestMoveTimers(t *testing.T) {
	m := newTimerCPUs(t)
	a, b := &m.cpus[0], &m.cpus[2]
	m.queues[2].armed = clock.Never
	now := clock.Now()
	var first, second, sampler Timer
	first.Arm(a, now+500*clock.Second)
	second.Arm(a, now+600*clock.Second)
	sampler.StartSampler(a, a, clock.Second)
	require.False(t, MoveTimers(b, a, b))
	require.Equal(t, clock.Never, m.queues[0].timers.earliest())
	require.Equal(t, clock.Time(unitOf(now+500*clock.Second)<<unitShift), m.queues[2].armed)
	require.False(t, sampler.armed)
	require.True(t, first.Disarm(a))
	require.True(t, second.Disarm(b))
	require.False(t, MoveTimers(b, a, b), "none is left")
	for i := range moveBatch + 1 {
		new(Timer).Arm(a, clock.Time(i))
	}
	require.True(t, MoveTimers(b, a, b), "a bounded number at a time")
	require.False(t, MoveTimers(b, a, b))
}

// A timer for the end of time, which a program may arm, does not keep the hardware from
// interrupting for others.
func TestTimerAtTheEndOfTime(t *testing.T) {
	for _, at := range []clock.Time{clock.Never, clock.Never - 1, clock.Never - 1<<unitShift, clock.Never - 2<<unitShift} {
		c, q, _ := oneCPU(t)
		q.armed = clock.Never
		var last, soon Timer
		last.Arm(c, at)
		require.Greater(t, q.timers.earliest(), clock.Never-3<<unitShift)
		require.Equal(t, q.timers.earliest(), q.armed)
		now := clock.Now()
		soon.Arm(c, now+500*clock.Second)
		require.Equal(t, clock.Time(unitOf(now+500*clock.Second)<<unitShift), q.armed)
		q.timers.expire(c, nil, now)
		require.True(t, last.Disarm(c))
		require.True(t, soon.Disarm(c))
	}
}
