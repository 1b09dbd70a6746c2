package irq

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// spread balances lines with fixed rates for some periods of a second, and returns how many
// interrupts a second each CPU has then. choices counts the periods with a move.
func spread(x *table, m *machine, rates []uint64, periods int) (loads []uint64, busy bool) {
	b := balancer{table: x, seen: map[*line]uint64{}, rest: map[*line]int{}}
	m.counts = make([][]uint64, len(rates))
	for i := range rates {
		m.counts[i] = make([]uint64, len(m.cpus))
	}
	for range periods {
		for i, r := range rates {
			m.counts[i][m.lines[i].CPU] += r
		}
		moves := m.moves
		busy = b.step(time.Second)
		if m.moves-moves > moveLimit {
			panic("more moves than the limit")
		}
	}
	loads = make([]uint64, len(m.cpus))
	for i, r := range rates {
		loads[m.lines[i].CPU] += r
	}
	return loads, busy
}

func TestBalance(t *testing.T) {
	for name, tc := range map[string]struct {
		cpus  int
		rates []uint64
		want  []uint64 // interrupts of the CPUs, in descending order
		moves int
		calm  bool
	}{
		"two busy lines":          {2, []uint64{2000, 2000}, []uint64{2000, 2000}, 1, false},
		"one for each CPU":        {4, []uint64{2000, 2000, 2000, 2000}, []uint64{2000, 2000, 2000, 2000}, 3, false},
		"a single one stays":      {4, []uint64{9000, 10}, []uint64{9010, 0, 0, 0}, 0, false},
		"quiet ones stay":         {2, []uint64{499, 499, 499}, []uint64{1497, 0}, 0, true},
		"a small gain is no gain": {2, []uint64{9000, 600}, []uint64{9600, 0}, 0, false},
		"large and small":         {2, []uint64{3000, 1500, 1500}, []uint64{3000, 3000}, 1, false},
		"one CPU":                 {1, []uint64{5000, 5000}, []uint64{10000}, 0, false},
		"no line":                 {2, nil, []uint64{0, 0}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			x, m := newTable(tc.cpus, len(tc.rates))
			loads, busy := spread(x, m, tc.rates, 40)
			slices.Sort(loads)
			slices.Reverse(loads)
			require.Equal(t, tc.want, loads)
			require.Equal(t, tc.moves, m.moves, "and it comes to rest")
			require.Equal(t, !tc.calm, busy)
		})
	}
}

// Lines go only to CPUs that they may go to and that take them.
func TestBalanceKeepsAffinity(t *testing.T) {
	x, m := newTable(4, 3)
	m.cpus[1].State, m.cpus[2].APICID = percpu.Offline, 255
	x.list[0].allowed = []int{0, 1}
	x.leaving[3] = true
	loads, _ := spread(x, m, []uint64{2000, 2000, 2000}, 20)
	require.Equal(t, []uint64{6000, 0, 0, 0}, loads)
	x.leaving = map[int]bool{}
	loads, _ = spread(x, m, []uint64{2000, 2000, 2000}, 20)
	require.Zero(t, m.lines[0].CPU)
	require.Equal(t, uint64(0), loads[1]+loads[2])
	require.Positive(t, loads[3])
}

// A line that has been moved stays for some periods, however the rates change: it does not
// go to and fro.
func TestBalanceRests(t *testing.T) {
	x, m := newTable(2, 2)
	b := balancer{table: x, seen: map[*line]uint64{}, rest: map[*line]int{}}
	m.counts = [][]uint64{{0, 0}, {0, 0}}
	moves := 0
	for period := range 100 {
		m.counts[0][m.lines[0].CPU] += 5000
		m.counts[1][m.lines[1].CPU] += 5000
		m.lines[1].CPU = m.lines[0].CPU // both are on one CPU again
		before := m.moves
		b.step(time.Second)
		if m.moves > before {
			moves++
		}
		if period == restPeriods {
			require.LessOrEqual(t, moves, 2, "each line once")
		}
	}
	require.LessOrEqual(t, moves, 2*100/restPeriods)
	require.Positive(t, moves)
}

// A line that cannot move is tried again after its rest, and reported.
func TestBalanceFails(t *testing.T) {
	x, m := newTable(2, 2)
	m.refuses[1] = 28
	spread(x, m, []uint64{2000, 2000}, 8)
	require.Zero(t, m.moves)
	require.NotEmpty(t, m.log)
	require.LessOrEqual(t, len(m.log), 2)
}
