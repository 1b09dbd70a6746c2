package list

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// object has its nodes after other fields, like those of the kernel.
type object struct {
	id   byte
	node Node
}

// model is a list and its expected content.
type model struct {
	list    List
	want    []*Node
	objects [16]object
}

// step does one operation, which a byte selects, on the list and on the slice.
func (m *model) step(op byte) (got, want *Node) {
	n := &m.objects[op%16].node
	at := slices.Index(m.want, n)
	switch {
	case op >= 0xe0:
		if len(m.want) > 0 {
			want, m.want = m.want[0], m.want[1:]
		}
		return m.list.Pop(), want
	case at < 0:
		m.list.Push(n)
		m.want = append(m.want, n)
	default:
		m.list.Remove(n)
		m.want = slices.Delete(m.want, at, at+1)
	}
	return nil, nil
}

// check compares the list, walked both ways, with the slice.
func (m *model) check(t require.TestingT) {
	var forward []*Node
	for n := m.list.First(); n != nil; n = m.list.Next(n) {
		forward = append(forward, n)
		require.LessOrEqual(t, len(forward), len(m.objects), "a loop")
	}
	require.Equal(t, len(m.want), len(forward))
	for i, n := range forward {
		require.Same(t, m.want[i], n)
	}
	n := m.list.root.prev
	for i := len(m.want) - 1; i >= 0; i-- {
		require.Same(t, m.want[i], n)
		n = n.prev
	}
	for i := range m.objects {
		n := &m.objects[i].node
		require.Equal(t, slices.Contains(m.want, n), n.Linked())
	}
}

func runModel(t require.TestingT, ops []byte) {
	m := &model{}
	m.check(t)
	for _, op := range ops {
		got, want := m.step(op)
		require.True(t, got == want, "Pop")
		m.check(t)
	}
}

func TestListAgainstSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		ops := make([]byte, 100)
		for i := range ops {
			ops[i] = byte(r.Uint32())
		}
		runModel(t, ops)
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte{0, 1, 2, 1, 0xff, 0, 2})
	f.Fuzz(func(t *testing.T, ops []byte) { runModel(t, ops[:min(len(ops), 1000)]) })
}

// failure collects the failures of a check of a broken list, without failing the
// test.
type failure struct{ said bool }

func (f *failure) Errorf(string, ...any) { f.said = true }
func (f *failure) FailNow()              { panic(f) }

// Negative control: the same model notices a list whose Remove forgets one link.
func TestModelNoticesBadLinks(t *testing.T) {
	m := &model{}
	for op := range byte(3) {
		m.step(op)
	}
	m.check(t)
	middle := &m.objects[1].node
	middle.prev.next = middle.next // without middle.next.prev = middle.prev
	middle.next = nil
	m.want = slices.Delete(m.want, 1, 2)
	f := &failure{}
	func() {
		defer func() { require.Same(t, f, recover()) }()
		m.check(f)
	}()
	require.True(t, f.said)
}

func TestStack(t *testing.T) {
	var s Stack
	require.Nil(t, s.Pop())
	links := make([]Link, 3)
	for i := range links {
		s.Push(&links[i])
	}
	require.Same(t, &links[2], s.Top())
	require.Same(t, &links[1], s.Top().Below())
	for i := 2; i >= 0; i-- {
		require.Same(t, &links[i], s.Pop())
	}
	require.Nil(t, s.Pop())
	require.Nil(t, s.Top())
}

func TestQueue(t *testing.T) {
	var q Queue
	links := make([]Link, 4)
	for range 2 { // it is usable again when it was empty
		require.Nil(t, q.Pop())
		require.Nil(t, q.First())
		for i := range links[:3] {
			q.Push(&links[i])
		}
		require.Same(t, &links[0], q.Pop())
		q.Push(&links[3])
		for i := 1; i < 4; i++ {
			require.Same(t, &links[i], q.First())
			require.Same(t, &links[i], q.Pop())
		}
	}
	require.Nil(t, q.Pop())
}
