//go:build explore

package mem

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
)

// departs searches a page that CPU 0 unmaps while CPU 1, which has read it, goes offline, and
// CPU 2 makes CPU 1 flush for a page of its own.
func departs(preemptions int, under code) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		p := newPage(3, under)
		before := Kernel.cpus
		Kernel.cpus = &p.reader
		loadRoot = func(c *percpu.CPU, _ PhysAddr) { p.cached[c.ID] = false }
		leaver := func() {
			c := p.cpus[1]
			p.access(c)
			p.interrupt(c)
			p.access(c)
			Leave(c)
		}
		other := func() {
			c := p.cpus[2]
			p.flushOthers(c, &p.reader)
			p.done.Add(1)
		}
		return []func(){p.unmap, leaver, other}, func() error { Kernel.cpus = before; return nil }
	}})
}

// No CPU waits for one that is offline, and that one reads through no stale translation.
func TestFlushEndsWhenCPULeaves(t *testing.T) {
	r := departs(explore.Bound(3, 4), shipping)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a CPU that waits for the answers of all to which it has made requests.
func TestWaitForAbsentIsFound(t *testing.T) {
	under := shipping
	under.flushOthers = func(c *percpu.CPU, set *percpu.Mask) {
		for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
			if to := percpu.Get(id); to != c {
				n := request(to)
				ipi.Send(c, to, ipi.Flush)
				for !answered(to, n) {
					Answer(c)
					atom.Pause()
				}
			}
		}
	}
	r := departs(explore.Bound(3, 4), under)
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}
