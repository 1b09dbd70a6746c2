//go:build debug

package mem

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/refs"
	"muster/kernel/upcall"
)

// caught runs f with panics of the core turned into panics of the test.
func caught(t *testing.T, f func()) (msg string, a, b uint64) {
	t.Helper()
	upcall.To.Panic = func(_ *percpu.CPU, _ *cpu.Frame, text string, x, y uint64) {
		msg, a, b = strings.Clone(text), x, y
		panic("caught")
	}
	defer func() {
		upcall.To.Panic = nil
		verdict = console.Line{}
		*cpu0 = percpu.CPU{}
		if p := recover(); p != nil && p != "caught" {
			panic(p)
		}
	}()
	f()
	return "", 0, 0
}

// victim is an object with what programs break most.
type victim struct {
	lock lock.Spin
	refs refs.Count
	next *victim
	rest [20]uint64
}

func victims(t *testing.T) *Cache {
	hostPages(t, 64)
	k := &Cache{Name: "victim"}
	k.Init(unsafe.Sizeof(victim{}))
	return k
}

// age has so many objects freed that those that were in quarantine leave it.
func age(k *Cache) {
	var list [quarantined]unsafe.Pointer
	for i := range list {
		list[i] = k.Alloc(cpu0)
	}
	for _, o := range list {
		k.Free(cpu0, o)
	}
}

// An object that is used after it was freed, in one way after the other.
func TestFreedObjects(t *testing.T) {
	const freedTwice, written = "mem: victim object freed twice; address, size", "mem: victim object written to after it was freed; offset, value"
	for name, tc := range map[string]struct {
		use  func(k *Cache, v *victim)
		want string
	}{
		"lock":         {func(_ *Cache, v *victim) { v.lock.Lock(cpu0) }, "in memory that was freed"},
		"unlock":       {func(_ *Cache, v *victim) { v.lock.Unlock(cpu0) }, "released by a CPU that does not hold it"},
		"get":          {func(_ *Cache, v *victim) { v.refs.Get(cpu0) }, "an object that has ended"},
		"put":          {func(_ *Cache, v *victim) { v.refs.Put(cpu0) }, "given up twice"},
		"store":        {func(k *Cache, v *victim) { v.rest[3] = 5; age(k) }, written},
		"store a byte": {func(k *Cache, v *victim) { *(*byte)(unsafe.Pointer(&v.rest[19])) = 0; age(k) }, written},
		"free":         {func(k *Cache, v *victim) { k.Free(cpu0, unsafe.Pointer(v)) }, freedTwice},
		"store, free":  {func(k *Cache, v *victim) { v.rest[3] = 5; k.Free(cpu0, unsafe.Pointer(v)) }, freedTwice},
		"late free":    {func(k *Cache, v *victim) { age(k); k.Free(cpu0, unsafe.Pointer(v)) }, freedTwice},
	} {
		t.Run(name, func(t *testing.T) {
			k := victims(t)
			other := k.Alloc(cpu0) // the slab stays
			v := (*victim)(k.Alloc(cpu0))
			v.lock.Rank = lock.RankFile
			v.refs.Init()
			msg, _, _ := caught(t, func() {
				k.Free(cpu0, unsafe.Pointer(v))
				tc.use(k, v)
			})
			require.Contains(t, msg, tc.want)

			// Negative control: the same use before the object is freed.
			if tc.want == freedTwice {
				return
			}
			k = victims(t)
			other = k.Alloc(cpu0)
			v = (*victim)(k.Alloc(cpu0))
			v.lock.Rank = lock.RankFile
			v.refs.Init()
			if name == "unlock" {
				v.lock.Lock(cpu0)
			}
			msg, _, _ = caught(t, func() {
				tc.use(k, v)
				k.Free(cpu0, other)
			})
			require.Empty(t, msg)
		})
	}
	t.Run("pointer", func(t *testing.T) {
		k := victims(t)
		v := (*victim)(k.Alloc(cpu0))
		k.Free(cpu0, unsafe.Pointer(v))
		next := uintptr(unsafe.Pointer(v.next))
		sign := int64(next) >> 47
		require.True(t, sign != 0 && sign != -1, "%#x is not canonical", next)
	})
}

// The report says where in the object, and what.
func TestWrittenObjectReport(t *testing.T) {
	k := victims(t)
	v := (*victim)(k.Alloc(cpu0))
	k.Free(cpu0, unsafe.Pointer(v))
	v.rest[7] = 0x1234
	_, offset, value := caught(t, func() { age(k) })
	require.EqualValues(t, unsafe.Offsetof(v.rest)+7*8, offset)
	require.EqualValues(t, 0x1234, value)
}

// Objects that have a page each are in quarantine as well.
func TestFreedPage(t *testing.T) {
	hostPages(t, 90)
	k := &Cache{Name: "page"}
	k.Init(4096)
	o := k.Alloc(cpu0)
	k.Free(cpu0, o)
	*wordOf(o, 511) = 0
	msg, offset, _ := caught(t, func() { age(k) })
	require.Contains(t, msg, "mem: page object written to")
	require.EqualValues(t, 4088, offset)
}
