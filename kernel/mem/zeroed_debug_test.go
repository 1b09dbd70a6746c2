//go:build debug

package mem

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A store to a page that was cleared ahead is found when the page is allocated.
func TestWrittenAfterClearing(t *testing.T) {
	m := aheadMachine(t)
	c := m.cpus[0]
	clearAll(c)
	p := PhysAddr(cacheOf(c).zero.first) << 12
	content(p)[511] = 5
	msg, at, v := caught(t, func() { AllocUser(c) })
	require.Equal(t, "mem: a free page was written to after it was cleared; address, value", msg)
	require.Equal(t, []uint64{uint64(p) + 4088, 5}, []uint64{at, v})
}
