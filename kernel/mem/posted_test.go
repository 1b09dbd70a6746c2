package mem

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// Each page of a range is dropped, in either half of the addresses, and a range that is too
// long, or empty, is everything.
func TestPages(t *testing.T) {
	was := invalidate
	t.Cleanup(func() { invalidate = was })
	var got []uintptr
	invalidate = func(_ *percpu.CPU, va uintptr) { got = append(got, va) }
	for _, start := range []uintptr{0, pg, layout.UserEnd - 40*pg, layout.GoBase, layout.GoEnd - 40*pg, layout.MapBase} {
		for _, n := range []uintptr{1, 2, flushMost - 1, flushMost} {
			got = nil
			pagesOf(start, start+n*pg).invalidate(cpu0)
			var want []uintptr
			for i := range n {
				want = append(want, start+i*pg)
			}
			require.Equal(t, want, got)
		}
		require.Equal(t, everything, pagesOf(start, start+(flushMost+1)*pg))
	}
	require.Equal(t, everything, pagesOf(pg, pg))
	require.Equal(t, everything, pagesOf(0, layout.UserEnd))
}

// Whatever is posted, all of it is dropped, and no more than that as long as there is room.
func TestPosted(t *testing.T) {
	one, all := invalidate, reload
	t.Cleanup(func() { invalidate, reload = one, all })
	dropped, reloads := map[uintptr]bool{}, 0
	invalidate = func(_ *percpu.CPU, va uintptr) { dropped[va] = true }
	reload = func(*percpu.CPU) { reloads++ }
	r := rand.New(rand.NewPCG(1, 2))
	c := &percpu.CPU{}
	for range 5000 {
		clear(dropped)
		reloads = 0
		posts, sum := map[pages]bool{}, uintptr(0)
		want := map[uintptr]bool{}
		for range r.IntN(2 * percpu.FlushSlots) {
			start := layout.GoBase + uintptr(r.IntN(20))*pg
			n := uintptr(1 + r.IntN(2*flushMost/percpu.FlushSlots))
			if r.IntN(30) == 0 {
				n = flushMost + 1
			}
			p := pagesOf(start, start+n*pg)
			post(c, p)
			if p != everything && !posts[p] {
				sum += n
			}
			posts[p] = true
			for i := range n {
				want[start+i*pg] = true
			}
		}
		flushPosted(c)
		if posts[everything] || len(posts) > percpu.FlushSlots || sum > flushMost {
			require.Equal(t, 1, reloads)
			require.Empty(t, dropped)
		} else {
			require.Zero(t, reloads)
			require.Equal(t, want, dropped)
		}
		clear(dropped)
		flushPosted(c)
		require.Empty(t, dropped, "nothing is left")
	}
}
