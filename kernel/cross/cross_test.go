//go:build !explore

package cross

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
)

// callers is a variable: a stack may move, and the mask knows the word by its address
// alone.
var callers uint64

// A CPU that has spent its share waits until the period has passed, even if its timer
// interrupts before that. It ticks meanwhile. Nothing is lost.
func TestShare(t *testing.T) {
	c := &percpu.CPU{}
	c.Callers.Init(uintptr(unsafe.Pointer(&callers)), 1)
	c.Init(0)
	percpu.Register(c)
	clock.SetHz(1e9)
	Install(100 * clock.Second)
	defer SetShare(share)
	SetShare(0) // no time at all
	Handle(abi.CallCount, func(c *percpu.CPU, word uint64) { c.Called.Add(word) })
	call := func() {
		c.OutFunc.Store(abi.CallCount)
		c.OutWord.Store(1)
		c.OutLeft.Store(1)
		c.Callers.Set(0)
		onCall(c, nil)
	}
	call()
	require.EqualValues(t, 1, c.Called.Load(), "the first call runs: the share is unspent")
	for range 3 {
		call()
		require.EqualValues(t, 1, c.Called.Load(), "the period has not passed")
		require.EqualValues(t, 1<<ipi.Call, c.Pending.Load(), "left for the tick")
		require.EqualValues(t, 1, c.Retick)
	}
	c.CallPeriod -= 200e9
	c.Pending.Store(0)
	onCall(c, nil)
	require.EqualValues(t, 2, c.Called.Load())
	require.Zero(t, callers)
}
