//go:build explore

package refs

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// object is found through a pointer without a reference: place, guarded by mu.
type object struct {
	mu    lock.Spin
	place atom.Uint32 // 1: the pointer leads to the object
	refs  Count
	freed atom.Uint32
}

// put gives a reference up as every owner of a Count does: the last one removes the
// pointer under the lock, and then frees the object.
func (o *object) put(c *percpu.CPU) {
	if !o.refs.Put(c) {
		return
	}
	o.mu.Lock(c)
	o.place.Store(0)
	o.mu.Unlock(c)
	if o.freed.Add(1) != 1 {
		panic("freed twice")
	}
}

// find follows the pointer and uses the object.
func (o *object) find(c *percpu.CPU, get func(*Count) bool) {
	o.mu.Lock(c)
	found := o.place.Load() != 0 && get(&o.refs)
	o.mu.Unlock(c)
	if !found {
		return
	}
	if o.freed.Load() != 0 {
		panic("used after it was freed")
	}
	o.put(c)
}

// ends searches an object whose owner gives it up while others find it.
func ends(finders int, get func(*Count) bool) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(3, explore.Unbounded), Setup: func() ([]func(), func() error) {
		o := &object{mu: lock.Spin{Rank: lock.RankFile}}
		o.refs.Init()
		o.place.Store(1)
		programs := []func(){func() { o.put(&percpu.CPU{}) }}
		for id := range finders {
			programs = append(programs, func() { o.find(&percpu.CPU{ID: uint32(id + 1)}, get) })
		}
		return programs, func() error {
			if o.freed.Load() != 1 {
				return errors.New("not freed")
			}
			return nil
		}
	}})
}

// An object ends once, and no CPU uses it afterwards.
func TestObjectEndsOnce(t *testing.T) {
	for _, finders := range []int{1, 2} {
		r := ends(finders, (*Count).TryGet)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a count raised from zero, as epoll once raised a file's.
func TestRaiseFromZeroIsFound(t *testing.T) {
	r := ends(1, func(r *Count) bool { r.n.Add(1); return true })
	require.Error(t, r.Err)
	require.Regexp(t, "used after it was freed|freed twice", r.Err.Error())
	t.Log(r)
}
