package wheel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// pair is a wheel and a slice that has to stay equal to it.
type pair struct {
	wheel  Wheel
	insert func(*Wheel, *Node, uint64) // the wheel's, or a wrong one
	nodes  []Node
	model  []*Node // in the wheel
	now    uint64
	steps  int
}

func (n *Node) linked() bool { return n.next != nil }

// spans are distances to the present: all levels, the slots' borders, and many equal times.
var spans = []uint64{0, 1, 2, 63, 64, 65, 4095, 4096, 4097, 1 << 18, 1<<18 - 1, 1 << 24, 1<<30 + 1, 1 << 36, 1 << 42, 1 << 48, 1 << 52}

// expire takes out what is due at the present, and compares.
func (p *pair) expire() error {
	var due []uint64
	p.model = slices.DeleteFunc(p.model, func(n *Node) bool {
		if n.at <= p.now {
			due = append(due, n.at)
		}
		return n.at <= p.now
	})
	slices.Sort(due)
	base := p.wheel.base
	var got []uint64
	for more := true; more; p.steps++ {
		var n *Node
		if n, more = p.wheel.Step(p.now); n != nil {
			if n.linked() {
				return fmt.Errorf("linked after it was taken out")
			}
			got = append(got, n.at)
		}
	}
	inOrder := slices.Clone(got)
	slices.Sort(inOrder)
	if !slices.Equal(due, inOrder) {
		return fmt.Errorf("at %d due %d, got %d", p.now, due, got)
	}
	for i := range got {
		got[i] = max(got[i], base)
	}
	if !slices.IsSorted(got) {
		return fmt.Errorf("at %d out of order: %d", p.now, got)
	}
	if p.wheel.First() <= p.now {
		return fmt.Errorf("at %d the first is %d after all steps", p.now, p.wheel.First())
	}
	return nil
}

// check compares what the wheel says with what is in it.
func (p *pair) check() error {
	first := uint64(Never)
	for _, n := range p.model {
		first = min(first, max(n.at, p.wheel.base))
	}
	if got := p.wheel.First(); got > first || (got == Never) != (len(p.model) == 0) {
		return fmt.Errorf("first is %d, want at most %d", got, first)
	}
	if n := p.wheel.Any(); (n == nil) != (len(p.model) == 0) {
		return fmt.Errorf("a node: %v, of %d", n, len(p.model))
	}
	return nil
}

// random makes random changes, and returns the first difference.
func random(seed uint64, insert func(*Wheel, *Node, uint64)) error {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &pair{insert: insert, nodes: make([]Node, 60)}
	inserted := 0
	for range 400 {
		n := &p.nodes[r.IntN(len(p.nodes))]
		span := spans[r.IntN(len(spans))]
		switch k := r.IntN(10); {
		case n.linked() && k < 5:
			p.wheel.Remove(n)
			p.model = slices.DeleteFunc(p.model, func(m *Node) bool { return m == n })
		case !n.linked() && k < 8:
			at := p.now + span + uint64(r.IntN(3))
			if r.IntN(8) == 0 {
				at = p.now - min(p.now, span)
			}
			p.insert(&p.wheel, n, min(at, Never-1))
			n.at = min(at, Never-1)
			p.model = append(p.model, n)
			inserted++
		case k == 9:
			p.now = min(p.now+span, Never-1)
			if err := p.expire(); err != nil {
				return err
			}
		}
		if err := p.check(); err != nil {
			return err
		}
	}
	if limit := inserted*(levels+1) + 3*400; p.steps > limit {
		return fmt.Errorf("%d steps for %d nodes", p.steps, inserted)
	}
	return nil
}

// The wheel has what a slice has after random changes, gives what is due in order, and
// moves a node at most once for each level.
func TestRandom(t *testing.T) {
	for seed := range uint64(3000) {
		require.NoError(t, random(seed, (*Wheel).Insert), "seed %d", seed)
	}
}

// Negative control: a node one slot too late, or at a level too high, is found.
func TestWrongSlotIsFound(t *testing.T) {
	wrong := map[string]func(*Wheel, *Node, uint64){
		"a unit late": func(w *Wheel, n *Node, at uint64) { w.Insert(n, min(at+1, Never-1)) },
		"no base": func(w *Wheel, n *Node, at uint64) {
			base := w.base
			w.base = 0
			w.Insert(n, at)
			w.base = base
		},
	}
	for name, insert := range wrong {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(100) {
				if random(seed, insert) != nil {
					return
				}
			}
			t.Fatal("not found")
		})
	}
}

// Equal times come in the order in which they were added, and cost one step each.
func TestEqualTimes(t *testing.T) {
	var w Wheel
	nodes := make([]Node, 1000)
	for i := range nodes {
		w.Insert(&nodes[i], 77)
	}
	for i := range nodes {
		n, more := w.Step(1000)
		for n == nil && more {
			n, more = w.Step(1000)
		}
		require.Same(t, &nodes[i], n)
	}
	_, more := w.Step(1000)
	require.False(t, more)
	require.Equal(t, uint64(Never), w.First())
}

// A node that is the first of its slot, and is taken out, leaves a bound that is too low:
// the caller looks once, and then has the right one.
func TestBoundOfRemoved(t *testing.T) {
	var w Wheel
	var a, b Node
	w.Insert(&a, 5000)
	w.Insert(&b, 6000)
	w.Remove(&a)
	require.Equal(t, uint64(5000), w.First())
	for more := true; more; {
		var n *Node
		n, more = w.Step(5000)
		require.Nil(t, n)
	}
	require.Equal(t, uint64(6000), w.First())
}

// A wheel is in the memory of each CPU.
func TestSize(t *testing.T) {
	require.Less(t, unsafe.Sizeof(Wheel{}), uintptr(9600))
}

func BenchmarkArmCancel(b *testing.B) {
	for _, armed := range []int{0, 1000, 100_000} {
		b.Run(fmt.Sprint(armed), func(b *testing.B) {
			var w Wheel
			nodes := make([]Node, armed+1)
			r := rand.New(rand.NewPCG(1, 1))
			for i := range armed {
				w.Insert(&nodes[i], r.Uint64N(1<<30))
			}
			n := &nodes[armed]
			for i := range uint64(b.N) {
				w.Insert(n, i&(1<<30-1))
				w.Remove(n)
			}
		})
	}
}
