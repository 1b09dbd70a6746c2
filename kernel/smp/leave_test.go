package smp

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// leaving is a CPU that goes offline at a time, after the request. It may lose some requests.
type leaving struct {
	now, begins time.Time
	lose, told  int
	takes       time.Duration
	refuses     error
}

func (l *leaving) Leave(int) error {
	l.told++
	if l.told > l.lose && l.begins.IsZero() {
		l.begins = l.now
	}
	return l.refuses
}

func (l *leaving) State(int) State {
	switch {
	case l.begins.IsZero():
		return State{State: percpu.Leaving}
	case l.now.Sub(l.begins) < l.takes:
		return State{State: percpu.Leaving, Step: percpu.StepTimers}
	}
	return State{State: percpu.Offline, Step: percpu.StepParked}
}

func (l *leaving) Now() time.Time { return l.now }

func (l *leaving) Sleep(d time.Duration) { l.now = l.now.Add(d) }

func TestTakeOffline(t *testing.T) {
	l := &leaving{now: time.Unix(1, 0), takes: 5 * time.Millisecond}
	took, err := TakeOffline(l, 3, time.Second)
	require.NoError(t, err)
	require.InDelta(t, 5*time.Millisecond, took, float64(time.Millisecond))
	require.Equal(t, 1, l.told)

	l = &leaving{now: time.Unix(1, 0), takes: time.Millisecond, lose: 3}
	took, err = TakeOffline(l, 3, time.Second)
	require.NoError(t, err, "a CPU that has lost IPIs gets the request again")
	require.Greater(t, took, 3*leaveGap)

	l = &leaving{now: time.Unix(1, 0), takes: time.Hour}
	_, err = TakeOffline(l, 3, time.Second)
	require.EqualError(t, err, "smp: cpu 3: not offline after 1s, it is at step 2 (timers)")

	_, err = TakeOffline(&leaving{refuses: errors.New("no")}, 3, time.Second)
	require.EqualError(t, err, "smp: cpu 3: no")
}
