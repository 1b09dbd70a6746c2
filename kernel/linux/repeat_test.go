package linux

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/mem"
)

// A call that was refused memory is made again, unless it has taken areas away.
func TestWasRefused(t *testing.T) {
	task := &Task{refusals: mem.Refusals()}
	require.False(t, task.wasRefused(), "no request was refused")
	task.refusals--
	require.True(t, task.wasRefused())
	task.partly = true
	require.False(t, task.wasRefused())
}
