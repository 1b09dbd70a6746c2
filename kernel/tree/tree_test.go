package tree

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// item counts its subtree, to check Refresh.
type item struct {
	Node
	size   int
	weight int // its own share of size
	least  int // the smallest weight of its subtree, which changes less often
}

// asItem returns the object that a node is the first field of, as the kernel does.
func asItem(n *Node) *item { return (*item)(unsafe.Pointer(n)) }

func size(n *Node) int {
	if n == nil {
		return 0
	}
	return asItem(n).size
}

// count is a Refresh: each node that comes or goes changes all above it.
func count(n *Node) (changed bool) {
	size := asItem(n).weight + size(n.Left) + size(n.Right)
	changed = size != asItem(n).size
	asItem(n).size = size
	return changed
}

// pair is a tree and a slice that has to stay equal to it.
type pair struct {
	tree   Tree
	insert func(*Tree, *Node) // the tree's, or a wrong one
	remove func(*Tree, *Node)
	model  []*item // in order
	notes  bool    // nodes note the least weight, and not the number of nodes
}

func newPair(refresh func(*Node) bool) *pair {
	return &pair{tree: Tree{Refresh: refresh}, insert: (*Tree).Insert, remove: (*Tree).Remove}
}

func (p *pair) add(key uint64) {
	it := &item{Node: Node{Key: key}, weight: 1}
	if p.notes {
		it.weight, it.least = int(key*2654435761%97), -1 // what was noted elsewhere
	}
	p.insert(&p.tree, &it.Node)
	i, _ := slices.BinarySearchFunc(p.model, key, func(a *item, k uint64) int {
		if a.Key <= k {
			return -1 // an equal key comes before
		}
		return 1
	})
	p.model = slices.Insert(p.model, i, it)
}

func (p *pair) take(i int) {
	p.remove(&p.tree, &p.model[i].Node)
	p.model = slices.Delete(p.model, i, i+1)
}

// check compares order, links, heights and counts with the model.
func (p *pair) check() error {
	i := 0
	for n := p.tree.First(); n != nil; n = n.Next() {
		if i >= len(p.model) || n != &p.model[i].Node {
			return fmt.Errorf("node %d differs from the model", i)
		}
		i++
		low, high := levels(n.Left), levels(n.Right)
		if n.height != 1+max(low, high) || max(low-high, high-low) > 1 {
			return fmt.Errorf("key %d: height %d over %d and %d", n.Key, n.height, low, high)
		}
		if n.Left != nil && n.Left.parent != n || n.Right != nil && n.Right.parent != n || n.parent == nil && n != p.tree.Root {
			return fmt.Errorf("key %d: a link is not mutual", n.Key)
		}
		if want := smallest(n); p.notes && asItem(n).least != want {
			return fmt.Errorf("key %d: notes %d as the least, has %d", n.Key, asItem(n).least, want)
		}
		if want := asItem(n).weight + size(n.Left) + size(n.Right); p.tree.Refresh != nil && !p.notes && asItem(n).size != want {
			return fmt.Errorf("key %d: counts %d, has %d", n.Key, asItem(n).size, want)
		}
	}
	if i != len(p.model) {
		return fmt.Errorf("%d nodes, not %d", i, len(p.model))
	}
	if limit := 1.45 * math.Log2(float64(i)+2); float64(levels(p.tree.Root)) > limit {
		return fmt.Errorf("%d levels for %d nodes", levels(p.tree.Root), i)
	}
	return nil
}

// find compares the searches for a key with the model.
func (p *pair) find(key uint64) error {
	node := func(i int) *Node {
		if i < 0 || i >= len(p.model) {
			return nil
		}
		return &p.model[i].Node
	}
	least := slices.IndexFunc(p.model, func(a *item) bool { return a.Key >= key })
	if got := p.tree.AtLeast(key); got != node(least) {
		return fmt.Errorf("AtLeast(%d) differs from the model", key)
	}
	above := slices.IndexFunc(p.model, func(a *item) bool { return a.Key > key })
	if above < 0 {
		above = len(p.model)
	}
	if got := p.tree.AtMost(key); got != node(above-1) {
		return fmt.Errorf("AtMost(%d) differs from the model", key)
	}
	return nil
}

// drive applies steps random insertions and removals to trees that grow to about
// limit nodes with few distinct keys, and returns what the checks find first.
func (p *pair) drive(seed uint64, steps, limit int) error {
	r := rand.New(rand.NewPCG(seed, 2))
	grow := 60
	for step := range steps {
		if len(p.model) == 0 || r.IntN(100) < grow && len(p.model) < limit {
			p.add(uint64(r.IntN(1 + limit/2)))
		} else {
			p.take(r.IntN(len(p.model)))
		}
		if step%(4*limit) == 0 {
			grow = 20 + r.IntN(70) // so that trees grow and shrink
		}
		if step%(1+steps/5000) != 0 {
			continue
		}
		if err := p.check(); err != nil {
			return fmt.Errorf("seed %d, step %d: %w", seed, step, err)
		}
		if err := p.find(uint64(r.IntN(2 + limit/2))); err != nil {
			return fmt.Errorf("seed %d, step %d: %w", seed, step, err)
		}
	}
	return p.check()
}

// smallest returns the smallest weight of a node and of what is noted for its children.
func smallest(n *Node) int {
	least := asItem(n).weight
	for _, child := range []*Node{n.Left, n.Right} {
		if child != nil {
			least = min(least, asItem(child).least)
		}
	}
	return least
}

// note is a Refresh.
func note(n *Node) (changed bool) {
	least := smallest(n)
	changed = least != asItem(n).least
	asItem(n).least = least
	return changed
}

// What a node notes of its subtree is right, although a change ends where nothing changes any more.
func TestRefresh(t *testing.T) {
	for seed, limit := range []int{3, 8, 40, 300, 2000} {
		p := newPair(note)
		p.notes = true
		require.NoError(t, p.drive(uint64(seed), 300_000, limit))
	}
	p := newPair(func(n *Node) bool { note(n); return false })
	p.notes = true
	require.Error(t, p.drive(3, 300_000, 300), "a change that ends at once")
}

func TestModel(t *testing.T) {
	for _, refresh := range []func(*Node) bool{nil, count} {
		for seed, limit := range []int{3, 8, 40, 300, 2000} {
			p := newPair(refresh)
			require.NoError(t, p.drive(uint64(seed), 300_000, limit))
			for len(p.model) > 0 {
				p.take(len(p.model) / 2)
			}
			require.NoError(t, p.check())
			require.Nil(t, p.tree.Root)
		}
	}
}

// Keys in rising and in falling order, and all equal, are what programs make most.
func TestSortedKeys(t *testing.T) {
	const n = 3000
	for name, key := range map[string]func(i int) uint64{
		"rising":  func(i int) uint64 { return uint64(i) },
		"falling": func(i int) uint64 { return uint64(n - i) },
		"equal":   func(int) uint64 { return 7 },
		"zigzag":  func(i int) uint64 { return uint64(n + i*(1-i&1*2)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(count)
			for i := range n {
				p.add(key(i))
			}
			require.NoError(t, p.check())
			for len(p.model) > n/2 {
				p.take(0)
			}
			require.NoError(t, p.check())
		})
	}
}

// A node that changes what it stores about itself changes the nodes above.
func TestChanged(t *testing.T) {
	p := newPair(count)
	for i := range 100 {
		p.add(uint64(i))
	}
	p.model[37].weight = 1000
	require.Error(t, p.check(), "not yet")
	p.tree.Changed(&p.model[37].Node)
	require.NoError(t, p.check())
	require.Equal(t, 1099, size(p.tree.Root))
}

// A removed node can be inserted again, and a node in no tree has no links.
func TestRemoved(t *testing.T) {
	p := newPair(nil)
	for i := range 10 {
		p.add(uint64(i))
	}
	it := p.model[4]
	p.take(4)
	require.Equal(t, Node{Key: 4}, it.Node)
	p.insert(&p.tree, &it.Node)
	p.model = slices.Insert(p.model, 4, it)
	require.NoError(t, p.check())
}

// Negative controls: trees that are driven as TestModel's are, with one function
// swapped for a wrong one.
func TestWrongTreesAreFound(t *testing.T) {
	hang := func(t *Tree, n *Node) { // keeps order, and no balance
		var parent *Node
		at := &t.Root
		for *at != nil {
			parent = *at
			if n.Key < parent.Key {
				at = &parent.Left
			} else {
				at = &parent.Right
			}
		}
		n.Left, n.Right, n.parent, n.height = nil, nil, parent, 1
		*at = n
		for ; parent != nil; parent = parent.parent {
			t.measure(parent)
		}
	}
	before := func(t *Tree, n *Node) { // puts a node before those with the same key
		n.Key--
		t.Insert(n)
		n.Key++
	}
	forgets := func(t *Tree, n *Node) { // does not tell the nodes above
		refresh := t.Refresh
		t.Refresh = nil
		t.Remove(n)
		t.Refresh = refresh
	}
	for name, wrong := range map[string]func(p *pair){
		"no balance":        func(p *pair) { p.insert = hang },
		"before equal keys": func(p *pair) { p.insert = before },
		"no refresh":        func(p *pair) { p.remove = forgets },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(count)
			wrong(p)
			require.Error(t, p.drive(3, 300_000, 300))
		})
	}
}

// FuzzTree takes insertions and removals from bytes: an even one inserts half of
// itself, an odd one removes the node at half of itself.
func FuzzTree(f *testing.F) {
	f.Add([]byte{0, 2, 4, 6, 8, 10, 1, 3, 5})
	f.Add([]byte{20, 10, 30, 20, 20, 20, 3, 3, 3})
	f.Fuzz(func(t *testing.T, ops []byte) {
		p := newPair(count)
		for _, op := range ops {
			if half := int(op / 2); op%2 == 0 {
				p.add(uint64(half))
			} else if len(p.model) > 0 {
				p.take(half % len(p.model))
			}
			if err := p.check(); err != nil {
				t.Fatal(err)
			}
		}
		for key := range uint64(129) {
			if err := p.find(key); err != nil {
				t.Fatal(err)
			}
		}
	})
}
