package percpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The handshake step by step, and a reset at each step. The explorer's tests of package
// smp run both sides at once.
func TestHandshakeSteps(t *testing.T) {
	c := &CPU{}
	require.False(t, c.ReportReady(), "no SIPI is expected")
	require.True(t, c.Expect())
	require.False(t, c.Expect(), "its memory is made anew once")
	require.False(t, c.LetGo(), "not ready")
	require.False(t, c.MayJoin())
	require.True(t, c.ReportReady())
	require.False(t, c.ReportReady(), "once")
	require.True(t, c.LetGo())
	require.True(t, c.MayJoin())
	c.Code.Store(CodeFeatures)
	require.True(t, c.Reset())
	require.False(t, c.MayJoin(), "a reset takes the permission back")
	require.EqualValues(t, CodeNone, c.Code.Load())
	require.False(t, c.Join())
	require.False(t, c.ReportReady())

	require.True(t, c.Expect())
	require.True(t, c.ReportReady())
	require.True(t, c.LetGo())
	require.False(t, c.IsOnline())
	require.True(t, c.Join())
	require.True(t, c.IsOnline())
	require.False(t, c.Join(), "once")
	require.False(t, c.Reset(), "it is online")
	require.True(t, c.IsOnline())
	require.True(t, c.MayJoin())
}

// The way offline step by step: no INIT may be sent before the CPU has halted.
func TestLeaveSteps(t *testing.T) {
	c := &CPU{}
	require.False(t, c.Dismiss(), "it is offline")
	c.State.Store(Ready)
	require.False(t, c.Dismiss(), "it is not online yet")
	require.False(t, c.Answers())
	require.True(t, c.Join())
	require.True(t, c.Answers())
	require.False(t, c.IsLeaving())
	require.True(t, c.Dismiss())
	require.False(t, c.Dismiss(), "once")
	require.True(t, c.IsLeaving())
	require.True(t, c.Answers(), "while it still runs")
	require.False(t, c.IsOnline(), "no thread is given to it")
	require.False(t, c.Reset(), "it runs")
	c.EndCalls()
	require.False(t, c.Answers())
	require.False(t, c.Reset(), "it runs")
	c.Park()
	require.False(t, c.Answers())
	require.True(t, c.Reset())
	require.True(t, c.Expect())
	require.Equal(t, "threads", StepName(StepThreads))
	require.Equal(t, "parked", StepName(StepParked))
	require.Equal(t, "unknown", StepName(99))
}
