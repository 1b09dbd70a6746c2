package tree

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// item counts its subtree, to check Update.
type item struct {
	Node
	size int
}

// asItem returns the object that a node is the first field of, as the kernel does.
func asItem(n *Node) *item { return (*item)(unsafe.Pointer(n)) }

func size(n *Node) int {
	if n == nil {
		return 0
	}
	return asItem(n).size
}

// TestModel compares with a sorted slice through random insertions and removals.
func TestModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tr := Tree{Update: func(n *Node) { asItem(n).size = 1 + size(n.Left) + size(n.Right) }}
	var model []*item
	for step := range 20000 {
		if len(model) == 0 || rng.IntN(100) < 55 && len(model) < 500 {
			it := &item{Node: Node{Key: uint64(rng.IntN(300))}}
			tr.Insert(&it.Node)
			i, _ := slices.BinarySearchFunc(model, it.Key+1, func(a *item, k uint64) int { return int(a.Key) - int(k) })
			model = slices.Insert(model, i, it)
		} else {
			i := rng.IntN(len(model))
			tr.Remove(&model[i].Node)
			model = slices.Delete(model, i, i+1)
		}
		require.Equal(t, len(model), size(tr.Root), "step %d", step)
		if step%50 == 0 {
			check(t, &tr, model)
		}
	}
}

func check(t *testing.T, tr *Tree, model []*item) {
	var keys []uint64
	var walk func(n *Node, depth int)
	walk = func(n *Node, depth int) {
		if n == nil {
			return
		}
		require.Less(t, depth, 60, "balance")
		walk(n.Left, depth+1)
		keys = append(keys, n.Key)
		walk(n.Right, depth+1)
	}
	walk(tr.Root, 0)
	var want []uint64
	for _, it := range model {
		want = append(want, it.Key)
	}
	require.Equal(t, want, keys)
	for k := uint64(0); k < 301; k++ {
		i, _ := slices.BinarySearch(want, k)
		if n := tr.AtLeast(k); i == len(want) {
			require.Nil(t, n)
		} else {
			require.Equal(t, want[i], n.Key)
		}
		j, _ := slices.BinarySearch(want, k+1)
		if n := tr.AtMost(k); j == 0 {
			require.Nil(t, n)
		} else {
			require.Equal(t, want[j-1], n.Key)
		}
	}
	if len(want) > 0 {
		require.Equal(t, want[0], tr.First().Key)
	}
}
