package sched

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
)

// watchRun is what the watcher decides, tick by tick, about a CPU that is late from tick
// 1000 on and takes the NMI at tick answers, 0 for never.
func watchRun(t *testing.T, virtual bool, answers uint64) (w late, verdicts map[verdict][]uint64) {
	t.Helper()
	SetTick(10 * clock.Millisecond)
	verdicts = map[verdict][]uint64{}
	for now := uint64(1000); now < 5000; now++ {
		v := judge(&w, now*uint64(tickPeriod), answers != 0 && now >= answers, func() bool { return virtual })
		if v != patient {
			verdicts[v] = append(verdicts[v], now)
		}
		if v == dead {
			break
		}
	}
	return w, verdicts
}

// A CPU that executes instructions and does not tick hangs, on any machine. One that does
// not even take an NMI is dead on a real machine; on a virtual one its host may have
// stopped it.
func TestJudge(t *testing.T) {
	for _, virtual := range []bool{false, true} {
		_, v := watchRun(t, virtual, 1001)
		require.Equal(t, map[verdict][]uint64{probe: {1000}, dead: {1101}}, v, "it hangs: it had a second after its answer")
	}
	_, v := watchRun(t, false, 0)
	require.Equal(t, map[verdict][]uint64{probe: {1000}, dead: {1100}}, v, "a real CPU that is lost")
	w, v := watchRun(t, true, 0)
	require.Equal(t, map[verdict][]uint64{probe: {1000}, wait: {1100}}, v, "a stopped virtual CPU: said once, and waited for")
	require.True(t, w.told)
	_, v = watchRun(t, true, 3000)
	require.Equal(t, map[verdict][]uint64{probe: {1000}, wait: {1100}, dead: {3100}}, v, "it goes on after a stop, and hangs")
}
