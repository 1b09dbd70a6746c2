//go:build explore

package sched

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A thread that comes before those of the fair class goes to the nearest CPU that runs one of these, if its own CPU does not, as far as
// it may run there and a CPU looks.
func TestUrgentGoesElsewhere(t *testing.T) {
	for name, tc := range map[string]struct {
		running map[uint32]level // of 40 CPUs; the others run the kernel's threads
		set     []uint32         // nil for all
		level   level
		want    uint32
	}{
		"its own":                {map[uint32]level{5: levelFair, 6: levelFair}, nil, levelKernel, 5},
		"the next":               {map[uint32]level{7: levelFair, 8: levelFair}, nil, levelKernel, 7},
		"a lower priority":       {map[uint32]level{7: 50, 8: 51}, nil, 50, 8},
		"too far":                {map[uint32]level{5 + neighbours + 1: levelFair}, nil, levelKernel, 5},
		"the last that is near":  {map[uint32]level{5 + neighbours: levelFair}, nil, levelKernel, 5 + neighbours},
		"of its set":             {map[uint32]level{6: levelFair, 9: levelFair}, []uint32{5, 9}, levelKernel, 9},
		"none of its set":        {map[uint32]level{6: levelFair}, []uint32{5, 9}, levelKernel, 5},
		"a thread of fair class": {map[uint32]level{6: levelIdle}, nil, levelFair, 5},
	} {
		for _, how := range []string{"enqueue", "push"} {
			if how == "push" && tc.level == levelFair {
				continue
			}
			t.Run(name+" "+how, func(t *testing.T) {
				list := cpus(t, 40)
				for id, l := range tc.running {
					local(list[id]).running.Store(l)
				}
				x := thread(1, ClassUser)
				x.level = tc.level
				x.cpu.Store(5)
				x.state.Store(stReady)
				if tc.set != nil {
					var words SetWords
					for _, id := range tc.set {
						words[id/64] |= 1 << (id % 64)
					}
					x.binding.store(&words, 0)
				}
				if how == "enqueue" {
					enqueue(list[5], x)
				} else {
					q := local(list[5])
					q.put(list[5], x)
					q.push(list[5])
				}
				require.Equal(t, tc.want, where(t, list, x))
			})
		}
	}
}

// A thread that must stay does not keep those that wait after it.
func TestPushPassesBoundThreads(t *testing.T) {
	list := cpus(t, 3)
	q := local(list[1])
	local(list[2]).running.Store(levelFair)
	bound, free := thread(1, ClassUser), thread(2, ClassUser)
	bound.level, free.level = 1, 50
	bound.bindTo(list[1], boundTo+1)
	for _, x := range []*Thread{bound, free} {
		x.cpu.Store(1)
		x.state.Store(stReady)
		q.put(list[1], x)
	}
	q.push(list[1])
	require.EqualValues(t, 1, where(t, list, bound))
	require.EqualValues(t, 2, where(t, list, free))
	q.push(list[1])
	require.EqualValues(t, 1, where(t, list, bound))
}
