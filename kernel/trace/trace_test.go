package trace

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/tools/patience"
)

func newRing() (*percpu.CPU, *[Len]slot) {
	ring := new([Len]slot)
	c := &percpu.CPU{ID: 3, ThreadID: 7}
	Begin(c, uintptr(unsafe.Pointer(ring)))
	return c, ring
}

func TestRing(t *testing.T) {
	c, ring := newRing()
	defer runtime.KeepAlive(ring)
	var r Record
	require.Equal(t, Gone, Read(c, 0, &r), "empty")
	for i := range uint64(Len + 5) {
		Add(c, Wake, i, i*2)
	}
	require.Equal(t, uint64(Len+5), Next(c))
	require.Equal(t, Complete, Read(c, Len+4, &r))
	require.Equal(t, Record{TSC: r.TSC, Kind: Wake, Thread: 7, A: Len + 4, B: 2 * (Len + 4)}, r)
	require.Equal(t, Complete, Read(c, 5, &r))
	require.Equal(t, uint64(5), r.A)
	require.Equal(t, Gone, Read(c, 4, &r), "the oldest were overwritten")
	require.Equal(t, Gone, Read(c, Len+5, &r), "there is no next record yet")
	Add(c, Syscall, 1, 2)
	require.Equal(t, uint64(Len+5), Next(c), "system calls are off by default")
	require.Equal(t, Gone, Read(&percpu.CPU{}, 0, &r), "no ring")
	require.Zero(t, Next(&percpu.CPU{}))
	Add(&percpu.CPU{}, Wake, 1, 2) // stores nothing
	AddAt(&percpu.CPU{}, Wake, 1, 2, 3)
}

// A record has all that it was given, at each place of the ring and with each kind.
func TestWords(t *testing.T) {
	c, ring := newRing()
	defer runtime.KeepAlive(ring)
	c.TraceKinds = All
	before := cpu.TSC()
	for i := range uint64(2*Len + 3) {
		k := Kind(1 + i%uint64(kinds-1))
		c.ThreadID = ^uint32(i)
		if i%2 == 0 {
			Add(c, k, i<<40|i, ^i)
		} else {
			AddAt(c, k, i<<40|i, ^i, cpu.TSC())
		}
		var r Record
		require.Equal(t, Complete, Read(c, i, &r))
		require.Equal(t, Record{TSC: r.TSC, Kind: k, Thread: ^uint32(i), A: i<<40 | i, B: ^i}, r)
		require.GreaterOrEqual(t, r.TSC, before)
		require.LessOrEqual(t, r.TSC, cpu.TSC())
		before = r.TSC
	}
}

func TestFaultAt(t *testing.T) {
	for _, ip := range []uint64{0, 0x401000, 1<<47 - 1, 0xffff_8000_0000_0000, ^uint64(0)} {
		for _, code := range []uint64{0, 7, 1<<15 | 4} {
			b := FaultAt(ip, code)
			require.Equal(t, ip, FaultIP(b))
			require.Equal(t, code, FaultCode(b))
		}
	}
}

// A place that is taken holds an older record until it is filled. An NMI that comes in
// between fills the next place first.
func TestUnwritten(t *testing.T) {
	c, ring := newRing()
	defer runtime.KeepAlive(ring)
	for turn := range uint64(3) {
		seq := Next(c)
		c.TracePos += slotBytes // a writer that stops here
		Add(c, Mark, 1, turn)
		var r Record
		require.Equal(t, Unwritten, Read(c, seq, &r))
		require.Equal(t, Complete, Read(c, seq+1, &r))
		for Next(c)%Len != 0 {
			Add(c, Mark, 2, 3)
		}
	}
}

// A reader that a writer overtakes gets each record whole and under its own number, or
// not at all. A record's words are functions of its number here.
func TestOvertakenReader(t *testing.T) {
	wrong, complete, gone := overtake(Read, patience.For(300*time.Millisecond))
	require.Zero(t, wrong)
	require.Positive(t, complete)
	require.Positive(t, gone, "the writer has overtaken the reader")
}

// The negative control: without a second look at the position, and without the number
// in the head, records are wrong.
func TestUncheckedReaderIsWrong(t *testing.T) {
	wrong, _, _ := overtake(readUnchecked, patience.For(10*time.Second))
	require.Positive(t, wrong)
}

//go:norace
func readUnchecked(c *percpu.CPU, seq uint64, r *Record) State {
	if n := Next(c); seq >= n || n-seq > Len {
		return Gone
	}
	s := place(c, seq)
	head := s.head.Load()
	*r = Record{TSC: s.tsc, Kind: Kind(head >> headKind & (1<<(headSeq-headKind) - 1)), Thread: uint32(head), A: s.a, B: s.b}
	return Complete
}

// overtake reads a ring that another thread writes as fast as it can, until limit or the
// first wrong record.
func overtake(read func(*percpu.CPU, uint64, *Record) State, limit time.Duration) (wrong, complete, gone int) {
	c, ring := newRing()
	defer runtime.KeepAlive(ring)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := uint64(0); !stop.Load(); i++ {
			c.ThreadID = uint32(i)
			Add(c, Mark, i, ^i)
		}
	}()
	for end := time.Now().Add(limit); time.Now().Before(end) && wrong == 0; {
		next := Next(c)
		for back := uint64(1); back <= min(next, Len); back++ {
			var r Record
			seq := next - back
			switch read(c, seq, &r) {
			case Complete:
				complete++
				if r.A != seq || r.B != ^seq || r.Thread != uint32(seq) || r.Kind != Mark {
					wrong++
				}
			case Gone:
				gone++
			}
		}
	}
	stop.Store(true)
	<-done
	return wrong, complete, gone
}

func TestKindsHaveNames(t *testing.T) {
	for k := None; k < kinds; k++ {
		require.NotEmpty(t, k.String())
	}
	require.Equal(t, "unknown", kinds.String())
}
