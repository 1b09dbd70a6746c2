package crash

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// The NMI whose request was found together with another one is known; the next one is not.
func TestNMIsOfRequestsFoundTogether(t *testing.T) {
	defer func() { sample = nil }()
	sampled := 0
	HandleSample(func(*percpu.CPU, *cpu.Frame) { sampled++ })
	c := &percpu.CPU{}
	before := unknown.Load()
	c.NMIRequests.Or(nmiProbe | nmiSample)
	NMI(c, nil)
	require.Equal(t, 1, sampled)
	NMI(c, nil)
	require.Equal(t, before, unknown.Load())
	NMI(c, nil)
	require.Equal(t, before+1, unknown.Load())
}

// The NMI of a sample that was forgotten before it arrived has an owner, and records nothing;
// the next one has none.
func TestForgottenSample(t *testing.T) {
	defer func() { sample = nil }()
	sampled := 0
	HandleSample(func(*percpu.CPU, *cpu.Frame) { sampled++ })
	c := &percpu.CPU{}
	before := unknown.Load()
	c.NMIRequests.Or(nmiSample)
	require.True(t, SampleDue(c))
	ForgetSample(c)
	ForgetSample(c)
	require.True(t, SampleDue(c), "it may still come")
	NMI(c, nil)
	require.False(t, SampleDue(c))
	require.Zero(t, sampled)
	require.Equal(t, before, unknown.Load())
	NMI(c, nil)
	require.Equal(t, before+1, unknown.Load())
}
