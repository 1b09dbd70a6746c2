package linux

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// newTestPipe makes a pipe with both ends.
func newTestPipe(c *percpu.CPU) (p *pipe, r, w *File) {
	p, r, w = &pipe{}, newTestFile(kindPipeRead), newTestFile(kindPipeWrite)
	p.init(c, r, w)
	return p, r, w
}

// fillRing makes a ring hold n bytes.
func fillRing(r *ring, n uint32) {
	for ; n > 0; n -= min(n, layout.PageSize) {
		*r.at(r.used) = place{n: min(n, layout.PageSize)}
		r.used++
		r.bytes += min(n, layout.PageSize)
	}
}

func TestPipeReady(t *testing.T) {
	c := &percpu.CPU{}
	const full = defaultPlaces * layout.PageSize
	for _, tc := range []struct {
		name           string
		count          uint32
		reader, writer bool
		read, write    uint32
	}{
		{"empty", 0, true, true, 0, pollOut},
		{"one byte", 1, true, true, pollIn, pollOut},
		{"a page free", full - layout.PageSize, true, true, pollIn, pollOut},
		{"full", full, true, true, pollIn, 0},
		{"no writer", 0, true, false, epollHup, pollOut},
		{"no writer, a rest", 5, true, false, pollIn | epollHup, pollOut},
		{"no reader", 0, false, true, 0, pollOut | epollErr},
		{"no reader, full", full, false, true, pollIn, epollErr},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, r, w := newTestPipe(c)
			fillRing(&p.ring, tc.count)
			if !tc.reader {
				p.ends[readEnd] = nil
			}
			if !tc.writer {
				p.ends[writeEnd] = nil
			}
			p.mu.Lock(c)
			require.Equal(t, tc.read, r.ready(c))
			require.Equal(t, tc.write, w.ready(c))
			p.mu.Unlock(c)
		})
	}
}

// An end that is closed is withdrawn, and the other notices it.
func TestPipeEnds(t *testing.T) {
	c := &percpu.CPU{}
	for _, end := range []int{readEnd, writeEnd} {
		p, _, _ := newTestPipe(c)
		f, other := p.ends[end], p.ends[1-end]
		ep := newTestFile(kindEpoll).epoll
		watchFile(c, ep, other, 5, 0)
		var e endings
		p.closeEnd(c, f, &e)
		require.Nil(t, p.ends[end])
		require.Same(t, other, p.ends[1-end])
		require.Equal(t, []uint64{5}, ep.reports())
		require.True(t, p.refs.Only())
	}
}

// page returns a page with n bytes of a text, as an address.
func page(text []byte) uintptr {
	p := new([layout.PageSize]byte)
	copy(p[:], text)
	pinned = append(pinned, p)
	return uintptr(unsafe.Pointer(p))
}

// pinned keeps pages that only a ring knows.
var pinned []*[layout.PageSize]byte

// A ring holds what a queue of bytes holds, with Linux's room: pages, filled in part.
func TestRingAgainstQueue(t *testing.T) {
	defer func() { pinned = nil }()
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		var r ring
		r.init()
		var queue []byte
		var parts []int // bytes of each page; the last one takes more while they fit
		front := 0      // bytes that were taken from the first page
		for range 400 {
			switch rnd.IntN(5) {
			case 0, 1:
				text := make([]byte, 1+rnd.IntN(layout.PageSize))
				if rnd.IntN(2) == 0 {
					text = text[:min(len(text), 1+len(text)%100)]
				}
				for i := range text {
					text[i] = byte(rnd.Uint32())
				}
				last := len(parts) - 1
				merges := last >= 0 && parts[last]+len(text) <= layout.PageSize
				require.Equal(t, merges, r.merges(uint32(len(text))))
				require.Equal(t, len(parts) == int(r.size), r.full())
				room := merges || len(parts) < int(r.size)
				ok, kept := r.put(page(text), uint32(len(text)))
				require.Equal(t, room, ok)
				require.Equal(t, room && !merges, kept)
				if ok {
					queue = append(queue, text...)
				}
				if kept {
					parts = append(parts, len(text))
				} else if ok {
					parts[last] += len(text)
				}
			case 2, 3:
				limit := uint64(1 + rnd.IntN(2*layout.PageSize))
				p, n := r.first(limit)
				if len(queue) == 0 {
					require.Zero(t, n)
					continue
				}
				require.EqualValues(t, min(limit, uint64(parts[0]-front)), n)
				require.True(t, bytes.Equal(queue[:n], unsafe.Slice((*byte)(p), n)))
				gone := r.drop(n)
				queue, front = queue[n:], front+int(n)
				require.Equal(t, front == parts[0], gone != 0)
				if front == parts[0] {
					parts, front = parts[1:], 0
				}
			case 4:
				size := uint32(1) << rnd.IntN(7)
				if size >= r.used {
					r.resize(new([maxPlaces]place), size)
				}
			}
			require.EqualValues(t, len(queue), r.bytes)
		}
	}
}
