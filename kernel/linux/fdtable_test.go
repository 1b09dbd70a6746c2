package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// slotPages keeps the pages of tables, which have their addresses alone.
var slotPages []*slotPage

// newTestTable makes an empty descriptor table, whose pages exist.
func newTestTable() *fileTable {
	ft := &fileTable{}
	ft.mu.Rank = lock.RankFile
	for i := range ft.pages {
		page := new(slotPage)
		slotPages = append(slotPages, page)
		ft.pages[i].Store(uintptr(unsafe.Pointer(page)))
	}
	return ft
}

// A reserved descriptor is neither free nor open: what other threads do to it fails.
func TestReserved(t *testing.T) {
	c, ft := &percpu.CPU{}, newTestTable()
	f, g := newTestFile(kindEvent), newTestFile(kindEvent)
	fd, e := ft.reserve(c)
	require.Zero(t, e)
	require.Zero(t, fd)
	require.Nil(t, ft.get(c, fd))
	require.Nil(t, ft.remove(c, fd))
	require.Equal(t, errno(EBADF), ft.getFlags(fd))
	_, e = ft.replace(c, fd, g, false)
	require.Equal(t, EBUSY, e)
	other, e := ft.install(c, g, 0, false)
	require.Zero(t, e)
	require.EqualValues(t, 1, other)
	ft.publish(fd, f, true)
	require.Same(t, f, ft.get(c, fd))
	require.EqualValues(t, fdCloexec, ft.getFlags(fd))
	require.Same(t, f, ft.remove(c, fd))
	fd, _ = ft.reserve(c)
	require.Zero(t, fd, "the lowest free one")
	ft.cancel(c, fd)
	fd, e = ft.install(c, f, 0, false)
	require.Zero(t, e)
	require.Zero(t, fd)
}

// Descriptors are the lowest free ones, up to the last one.
func TestDescriptors(t *testing.T) {
	c, ft := &percpu.CPU{}, newTestTable()
	f := newTestFile(kindEvent)
	for want := range uint64(maxFiles) {
		fd, e := ft.install(c, f, 0, false)
		require.Zero(t, e)
		require.Equal(t, want, fd)
	}
	_, e := ft.install(c, f, 0, false)
	require.Equal(t, EMFILE, e)
	require.Nil(t, ft.get(c, maxFiles))
	require.Nil(t, ft.remove(c, 1<<32-1))
	for _, fd := range []uint64{70, 5, 600} {
		require.Same(t, f, ft.remove(c, fd))
	}
	for _, tc := range []struct{ from, want uint64 }{{6, 70}, {0, 5}, {0, 600}} {
		fd, e := ft.install(c, f, tc.from, false)
		require.Zero(t, e)
		require.Equal(t, tc.want, fd)
	}
}
