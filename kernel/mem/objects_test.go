package mem

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

var hostObjects [4 * perUnit / 8]uint64

// ownCache lets four CPUs have objects of k alone, which has so many pages.
func ownCache(t *testing.T, size uintptr, pages int) (k *Cache, cpus [4]*percpu.CPU, left func() int) {
	t.Helper()
	left = hostPages(t, pages)
	was, caching := caches, frames.caching.Load()
	t.Cleanup(func() {
		caches = was
		frames.caching.Store(caching)
	})
	clear(hostObjects[:])
	caches.count, caches.own = 0, PerCPU(unsafe.Pointer(&hostObjects))
	frames.caching.Store(1)
	for i := range cpus {
		cpus[i] = &percpu.CPU{}
		cpus[i].Init(uint32(i))
	}
	k = &Cache{Name: "test"}
	k.Init(size)
	return k, cpus, left
}

// objectCode is the code under test.
type objectCode struct {
	alloc func(k *Cache, c *percpu.CPU) unsafe.Pointer
	free  func(k *Cache, c *percpu.CPU, o unsafe.Pointer)
	give  func(c *percpu.CPU)
}

var objectsShipped = objectCode{(*Cache).Alloc, (*Cache).Free, giveObjects}

// check walks the objects of all CPUs. Each is in one list, and in none if it is in use; the counts
// are exact.
func (k *Cache) check(inUse map[unsafe.Pointer]byte) error {
	seen := map[unsafe.Pointer]bool{}
	for id := range uint32(4) {
		own := k.ownObjects(id)
		here := uint32(0)
		for l := own.free.Top(); l != nil; l = l.Below() {
			o := unsafe.Pointer(l)
			if _, used := inUse[o]; used || seen[o] {
				return fmt.Errorf("an object is free twice, or free and in use: %v", used)
			}
			seen[o] = true
			here++
		}
		if own.n != here || here > k.most {
			return fmt.Errorf("CPU %d has %d objects, counted %d", id, here, own.n)
		}
	}
	if n := len(inUse) + len(seen) + k.quarantined(); uint64(n) != k.inUse {
		return fmt.Errorf("slabs count %d objects that they gave out, of %d", k.inUse, n)
	}
	return nil
}

// object is an object of the model, full of a byte.
type object struct {
	at   unsafe.Pointer
	fill byte
}

// objectModel has objects of a size come and go on four CPUs, which free what others have allocated, give back what they
// have, and find memory scarce at times.
func objectModel(t *testing.T, size uintptr, code objectCode) error {
	const pages = 90
	r := rand.New(rand.NewPCG(11, uint64(size)))
	k, cpus, left := ownCache(t, size, pages)
	inUse := map[unsafe.Pointer]byte{}
	var list []object
	for step := range 8000 {
		c := cpus[r.IntN(4)]
		switch what := r.IntN(1000); {
		case what < 400+200*(step/3000%2):
			o := code.alloc(k, c)
			if o == nil {
				if left() != 0 {
					return errors.New("no object, although there are pages")
				}
				continue
			}
			b := unsafe.Slice((*byte)(o), size)
			if _, used := inUse[o]; used || !full(b, 0) {
				return fmt.Errorf("step %d: an object given out that is in use, or not clear", step)
			}
			for i := range b {
				b[i] = byte(step)
			}
			inUse[o] = byte(step)
			list = append(list, object{o, byte(step)})
		case what < 990 && len(list) > 0:
			i := r.IntN(len(list))
			o := list[i]
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
			if !full(unsafe.Slice((*byte)(o.at), size), o.fill) {
				return fmt.Errorf("step %d: an object that is in use was written to", step)
			}
			delete(inUse, o.at)
			code.free(k, c, o.at)
		case what < 995:
			code.give(c)
			if k.ownObjects(c.ID).n != 0 {
				return errors.New("a CPU that gave all back has objects")
			}
		case what < 998:
			frames.caching.Store(1 - frames.caching.Load())
		}
		if step%64 == 0 {
			if err := k.check(inUse); err != nil {
				return err
			}
		}
	}
	for _, c := range cpus {
		code.give(c)
	}
	used := map[uintptr]bool{}
	for _, o := range list {
		used[roundDown(uintptr(o.at), pg)] = true
	}
	if n := pages - left() - len(used); quarantined == 0 && n != 0 && n != 1 {
		return fmt.Errorf("%d pages that no object is in", n)
	}
	return k.check(inUse)
}

// No object is lost or given out twice, and no page stays without one when all CPUs have given back.
func TestObjectsAgainstModel(t *testing.T) {
	for _, size := range []uintptr{64, 200, 1000, 1984} {
		require.NoError(t, objectModel(t, size, objectsShipped), "%d bytes", size)
	}
}

// Negative controls: in each, one part of the code is wrong.
func TestWrongObjectsAreFound(t *testing.T) {
	if quarantined != 0 {
		return // the panics of poisoned objects come first
	}
	for name, wrong := range map[string]struct {
		change func(*objectCode)
		want   string
	}{
		"an object that stays with the CPU": {func(o *objectCode) {
			o.alloc = func(k *Cache, c *percpu.CPU) unsafe.Pointer {
				if own := k.ownObjects(c.ID); own.n > 1 {
					o := own.free.Top().Below()
					clearWords(uintptr(unsafe.Pointer(o)), k.size)
					return unsafe.Pointer(o)
				}
				return k.Alloc(c)
			}
		}, "twice|in use|counted"},
		"an object that is not cleared": {func(o *objectCode) {
			o.alloc = func(k *Cache, c *percpu.CPU) unsafe.Pointer {
				if o := k.popOwn(c); o != nil {
					return o
				}
				return k.Alloc(c)
			}
		}, "not clear"},
		"an object that no list has": {func(o *objectCode) {
			o.free = func(k *Cache, c *percpu.CPU, o unsafe.Pointer) {
				if own := k.ownObjects(c.ID); own.n != k.most {
					k.Free(c, o)
				}
			}
		}, "gave out"},
		"a CPU that forgets its objects": {func(o *objectCode) {
			o.give = func(c *percpu.CPU) { *caches.list[0].ownObjects(c.ID) = objects{} }
		}, "gave out"},
		"a CPU that keeps an object": {func(o *objectCode) {
			o.give = func(c *percpu.CPU) {
				k := caches.list[0]
				k.mu.Lock(c)
				k.giveOwn(c, 1)
				k.mu.Unlock(c)
			}
		}, "gave all back"},
	} {
		t.Run(name, func(t *testing.T) {
			code := objectsShipped
			wrong.change(&code)
			err := objectModel(t, 200, code)
			require.Error(t, err)
			require.Regexp(t, wrong.want, err.Error())
		})
	}
}

// A CPU that allocates and frees in turns does not come to the slabs, and one that allocates what another one frees comes
// there once for several objects.
func TestObjectsStayWithTheirCPU(t *testing.T) {
	if quarantined != 0 {
		return // each free goes through quarantine, under the lock
	}
	k, cpus, _ := ownCache(t, 200, 40)
	work := func(n uint32) {
		list := make([]unsafe.Pointer, n)
		for i := range list {
			list[i] = k.Alloc(cpus[1])
		}
		for _, o := range list {
			k.Free(cpus[1], o)
		}
	}
	work(k.most)
	given := k.inUse
	for range 1000 {
		work(1 + rand.Uint32N(k.most))
		require.Equal(t, given, k.inUse)
	}
	k, cpus, _ = ownCache(t, 200, 40)
	came, was := 0, k.inUse
	for range 1000 {
		k.Free(cpus[2], k.Alloc(cpus[1]))
		if k.inUse != was {
			came, was = came+1, k.inUse
		}
	}
	require.Less(t, came, 2000/int(k.most/2)+2)
	require.Greater(t, came, 10)
}
