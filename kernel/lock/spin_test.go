//go:build !explore

package lock

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// Real threads, for the race detector: the lock must order plain accesses. The file
// is not built with -tags explore, under which atomic words are ordinary variables.
func TestSpinOnThreads(t *testing.T) {
	s := &Spin{Rank: RankConsole}
	n := 0
	var wg sync.WaitGroup
	for id := range uint32(4) {
		wg.Go(func() {
			c := &percpu.CPU{ID: id}
			for range 200 {
				s.Lock(c)
				n++
				s.Unlock(c)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 800, n)
}
