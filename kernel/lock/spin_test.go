//go:build !explore

package lock

import (
	"runtime"
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
	cpus := uint32(max(2, min(4, runtime.NumCPU()))) // more would wait for the host's scheduler
	for id := range cpus {
		wg.Go(func() {
			c := &percpu.CPU{ID: id}
			for range 50 {
				s.Lock(c)
				n++
				s.Unlock(c)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 50*cpus, n)
}
