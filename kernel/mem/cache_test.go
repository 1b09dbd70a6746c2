package mem

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// full reports whether all bytes of b are v.
func full(b []byte, v byte) bool {
	for _, x := range b {
		if x != v {
			return false
		}
	}
	return true
}

// Objects come and go at random: each is zero, lies in a page, and overlaps no other;
// and a slab whose last object is freed goes back, except one.
func TestCache(t *testing.T) {
	for _, size := range []uintptr{16, 64, 200, 1000, 1500, 2016, 2017, 4096} {
		r := rand.New(rand.NewPCG(7, uint64(size)))
		const pages = 64
		left := hostPages(t, pages)
		k := &Cache{Name: "test"}
		k.Init(size)
		inUse := map[uintptr]byte{} // first byte of an object to what it is full of
		var list []uintptr
		for step := range 5000 {
			if r.IntN(100) < 40+20*(step/1000%2) {
				o := uintptr(k.Alloc(cpu0))
				if o == 0 {
					require.Zero(t, left())
					continue
				}
				b := unsafe.Slice((*byte)(unsafe.Pointer(o)), size)
				require.True(t, full(b, 0))
				require.Equal(t, roundDown(o, pg), roundDown(o+size-1, pg))
				for i := range b {
					b[i] = byte(step)
				}
				inUse[o] = byte(step)
				list = append(list, o)
			} else if len(list) > 0 {
				i := r.IntN(len(list))
				o := list[i]
				list[i] = list[len(list)-1]
				list = list[:len(list)-1]
				require.True(t, full(unsafe.Slice((*byte)(unsafe.Pointer(o)), size), inUse[o]), "step %d", step)
				delete(inUse, o)
				k.Free(cpu0, unsafe.Pointer(o))
			}
			if k.each > 1 {
				require.EqualValues(t, len(list)+k.quarantined(), k.inUse)
			}
			if quarantined == 0 && step%10 == 0 {
				used := map[uintptr]bool{}
				for _, o := range list {
					used[roundDown(o, pg)] = true
				}
				require.Contains(t, []int{0, 1}, pages-left()-len(used), "pages that no object is in")
			}
		}
		for _, o := range list {
			k.Free(cpu0, unsafe.Pointer(o))
		}
		if k.each > 1 {
			require.EqualValues(t, k.quarantined(), k.inUse)
			require.EqualValues(t, pages-left(), k.slabs)
		}
		require.GreaterOrEqual(t, left(), pages-1-quarantined)
		if quarantined == 0 && k.each > 1 {
			require.Equal(t, pages-1, left(), "one stays")
		}
	}
}

// quarantined returns how many objects are in quarantine.
func (k *Cache) quarantined() (n int) {
	for _, o := range k.held.objects {
		if o != nil {
			n++
		}
	}
	return n
}
