// Package tree is an ordered tree of nodes that live inside the caller's objects:
// a treap, so insertion, removal and search take O(log n) steps, and no step
// allocates.
//
// Layer: core.
// Context: any.
// Locks: the caller's.
// Manual: Seidel and Aragon, "Randomized Search Trees", Algorithmica 16, 1996.
// Chapter: docs/05-memory.md.
package tree

// Node is embedded in the objects that a tree orders. Keys may repeat.
type Node struct {
	Key         uint64
	Left, Right *Node // owned by the tree
	weight      uint32
}

// Tree is a set of nodes; the zero value is empty.
type Tree struct {
	Root *Node
	// Update, if set, recomputes what a node stores about its subtree; it runs
	// on every node whose children changed, children first.
	Update func(*Node)
	seed   uint32
}

// Insert adds n, after nodes with the same key.
func (t *Tree) Insert(n *Node) {
	t.seed = t.seed*1664525 + 1013904223
	n.weight = t.seed ^ t.seed>>15
	n.Left, n.Right = nil, nil
	t.Root = t.insert(t.Root, n)
}

func (t *Tree) insert(root, n *Node) *Node {
	if root == nil {
		t.update(n)
		return n
	}
	if n.weight > root.weight {
		n.Left, n.Right = t.split(root, n.Key)
		t.update(n)
		return n
	}
	if n.Key < root.Key {
		root.Left = t.insert(root.Left, n)
	} else {
		root.Right = t.insert(root.Right, n)
	}
	t.update(root)
	return root
}

// split cuts a subtree into keys up to key and keys above it.
func (t *Tree) split(root *Node, key uint64) (low, high *Node) {
	if root == nil {
		return nil, nil
	}
	if root.Key <= key {
		root.Right, high = t.split(root.Right, key)
		t.update(root)
		return root, high
	}
	low, root.Left = t.split(root.Left, key)
	t.update(root)
	return low, root
}

// Remove takes n out; n must be in the tree.
func (t *Tree) Remove(n *Node) {
	t.Root = t.remove(t.Root, n)
	n.Left, n.Right = nil, nil
}

// remove searches both sides of equal keys: n may be on either.
func (t *Tree) remove(root, n *Node) *Node {
	switch {
	case root == nil:
		return nil
	case root == n:
		return t.merge(n.Left, n.Right)
	case n.Key < root.Key:
		root.Left = t.remove(root.Left, n)
	case n.Key > root.Key:
		root.Right = t.remove(root.Right, n)
	case t.contains(root.Left, n):
		root.Left = t.remove(root.Left, n)
	default:
		root.Right = t.remove(root.Right, n)
	}
	t.update(root)
	return root
}

func (t *Tree) contains(root, n *Node) bool {
	for root != nil {
		switch {
		case root == n:
			return true
		case n.Key < root.Key:
			root = root.Left
		case n.Key > root.Key:
			root = root.Right
		default:
			return t.contains(root.Left, n) || t.contains(root.Right, n)
		}
	}
	return false
}

// merge joins two subtrees; all keys of low are at most those of high.
func (t *Tree) merge(low, high *Node) *Node {
	switch {
	case low == nil:
		return high
	case high == nil:
		return low
	case low.weight > high.weight:
		low.Right = t.merge(low.Right, high)
		t.update(low)
		return low
	}
	high.Left = t.merge(low, high.Left)
	t.update(high)
	return high
}

func (t *Tree) update(n *Node) {
	if t.Update != nil {
		t.Update(n)
	}
}

// First returns the node with the lowest key, nil when the tree is empty.
func (t *Tree) First() *Node {
	n := t.Root
	for n != nil && n.Left != nil {
		n = n.Left
	}
	return n
}

// AtLeast returns the node with the lowest key that is key or above it.
func (t *Tree) AtLeast(key uint64) *Node {
	var best *Node
	for n := t.Root; n != nil; {
		if n.Key >= key {
			best, n = n, n.Left
		} else {
			n = n.Right
		}
	}
	return best
}

// AtMost returns the node with the highest key that is key or below it.
func (t *Tree) AtMost(key uint64) *Node {
	var best *Node
	for n := t.Root; n != nil; {
		if n.Key <= key {
			best, n = n, n.Right
		} else {
			n = n.Left
		}
	}
	return best
}
