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
