//go:build explore

package ipi

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// wire is a machine of n CPUs whose IPIs are noted instead of sent. Four CPUs make a
// cluster.
type wire struct {
	cpus  []*percpu.CPU
	table []*percpu.CPU
	all   percpu.Mask
	words [1]uint64
	sent  []uint32 // destinations
}

const logical = 1 << 11 // of the ICR (Intel SDM vol. 3A, "Interrupt Command Register (ICR)")

func newWire(t *testing.T, n int) *wire {
	w := &wire{table: make([]*percpu.CPU, n)}
	percpu.Reset()
	w.all.Init(uintptr(unsafe.Pointer(&w.words)), uint32(n))
	for i := range n {
		c := &percpu.CPU{}
		c.Init(uint32(i))
		c.APICID, c.Logical = uint32(i), uint32(i/4)<<16|1<<(i%4)
		w.cpus = append(w.cpus, c)
		percpu.Register(c)
		if i == 0 {
			percpu.SetTable(uintptr(unsafe.Pointer(&w.table[0])), uint32(n))
		}
		w.all.Set(uint32(i))
	}
	apic.Sent = func(dest, icr uint32) { w.sent = append(w.sent, dest|icr&logical<<20) }
	t.Cleanup(func() {
		apic.Sent = nil
		SetFaults(0, 0, 0)
	})
	return w
}

// One IPI of a kind is under way to a CPU, until that CPU looks.
func TestSendMerges(t *testing.T) {
	w := newWire(t, 2)
	a, b := w.cpus[0], w.cpus[1]
	Send(a, b, Call)
	Send(a, b, Call)
	require.Equal(t, []uint32{1}, w.sent)
	Send(a, b, Flush)
	require.Equal(t, []uint32{1, 1}, w.sent, "another kind")
	Repeat(a, b, Call)
	require.Len(t, w.sent, 3)
	require.EqualValues(t, 1<<Call|1<<Flush, b.Pending.Load())
	require.EqualValues(t, 1<<Call|1<<Flush, Take(b, Call))
	require.Zero(t, b.Pending.Load())
	Send(a, b, Call)
	require.Len(t, w.sent, 4, "it has looked")
	Repeat(a, a, Timer)
	require.EqualValues(t, 1<<Timer, a.Pending.Load(), "a lost one leaves its bit")
}

func TestTakeOneLeavesTheOthers(t *testing.T) {
	c := newWire(t, 1).cpus[0]
	require.False(t, TakeOne(c, Call))
	c.Pending.Store(1<<Call | 1<<Flush)
	require.True(t, TakeOne(c, Call))
	require.EqualValues(t, 1<<Flush, c.Pending.Load())
	require.False(t, TakeOne(c, Call))
	PutBack(c, Call)
	require.EqualValues(t, 1<<Call|1<<Flush, c.Pending.Load())
}

// A set gets one IPI for each cluster. The sender gets none. A CPU whose bit was set
// before gets none.
func TestSendSet(t *testing.T) {
	w := newWire(t, 12)
	Send(w.cpus[1], w.cpus[6], Call)
	w.sent = nil
	SendSet(w.cpus[1], &w.all, Call)
	const group = logical << 20
	require.Equal(t, []uint32{group | 0b1101, group | 1<<16 | 0b1011, group | 2<<16 | 0b1111}, w.sent)
	for i, c := range w.cpus {
		require.Equal(t, i != 1, c.Pending.Load() != 0, i)
	}
	w.sent = nil
	for _, c := range w.cpus {
		Take(c, Call)
	}
	for id := range uint32(12) {
		if id != 1 && id != 3 {
			w.all.Clear(id)
		}
	}
	SendSet(w.cpus[1], &w.all, Call)
	require.Equal(t, []uint32{3}, w.sent, "one CPU of a cluster gets its own")
	w.cpus[3].Logical = 0
	Take(w.cpus[3], Call)
	SendSet(w.cpus[1], &w.all, Call)
	require.Equal(t, []uint32{3, 3}, w.sent, "no logical id")
}

// Every third is lost, every second doubled, on request.
func TestFaults(t *testing.T) {
	w := newWire(t, 2)
	SetFaults(3, 0, 0)
	for range 6 {
		Repeat(w.cpus[0], w.cpus[1], Call)
	}
	require.Len(t, w.sent, 4)
	w.sent = nil
	SetFaults(0, 2, 0)
	for range 6 {
		Repeat(w.cpus[0], w.cpus[1], Call)
	}
	require.Len(t, w.sent, 9)
}

// Answer calls the handler of each bit, first those that other CPUs wait for.
func TestAnswerInOrder(t *testing.T) {
	c := newWire(t, 1).cpus[0]
	var order []Kind
	for k := range Kinds {
		Handle(k, func(*percpu.CPU, *cpu.Frame) { order = append(order, k) })
	}
	Answer(c, nil, 1<<Timer|1<<Flush|1<<Call)
	require.Equal(t, []Kind{Flush, Call, Timer}, order)
	require.Equal(t, uint8(vector.Flush), Flush.Vector())
}
