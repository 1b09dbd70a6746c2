// Package tree is an ordered tree of nodes that live inside the caller's objects:
// an AVL tree. The heights of a node's two sides differ by at most one, so a tree of
// n nodes has fewer than 1.45 log2(n+2) levels, in whatever order a program makes
// its keys. Every function is a loop along one path, and none allocates.
//
// Layer: core.
// Context: any.
// Locks: the caller's.
// Manual: Knuth, "The Art of Computer Programming", vol. 3, section 6.2.3 "Balanced
// Trees".
// Chapter: docs/05-memory.md.
package tree

// Node is embedded in the objects that a tree orders. Keys may repeat.
type Node struct {
	Key         uint64
	Left, Right *Node // owned by the tree, as the rest is
	parent      *Node
	height      int // levels of the subtree, 0 outside a tree
}

// Tree is a set of nodes; the zero value is empty.
type Tree struct {
	Root *Node
	// Refresh, if set, recomputes what a node stores about its subtree, and reports whether that has changed. It runs
	// on nodes whose subtree changed, children first. Where nothing has changed, nothing above has changed either:
	// so most changes of the tree end after a few levels.
	Refresh func(*Node) bool
}

// Insert adds n, after nodes with the same key.
func (t *Tree) Insert(n *Node) {
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
	n.Left, n.Right, n.parent, n.height = nil, nil, parent, 0
	*at = n
	t.mend(n)
}

// Remove takes n out; n must be in the tree.
func (t *Tree) Remove(n *Node) {
	lowest := n.parent // the lowest node whose subtree changes
	var next *Node
	switch {
	case n.Left == nil:
		t.replace(n, n.Right)
	case n.Right == nil:
		t.replace(n, n.Left)
	default:
		next, lowest = t.promote(n)
	}
	*n = Node{Key: n.Key}
	t.mend(lowest)
	if next != nil && t.Refresh != nil { // mend may have ended below it
		t.Refresh(next)
		t.Changed(next.parent)
	}
}

// promote puts the node that follows n, which has two children, into n's place. It
// returns that node, and the lowest node whose subtree changes.
func (t *Tree) promote(n *Node) (next, lowest *Node) {
	next = leftmost(n.Right)
	lowest = next
	if next.parent != n {
		lowest = next.parent
		t.replace(next, next.Right)
		next.Right = n.Right
		next.Right.parent = next
	}
	t.replace(n, next)
	next.Left = n.Left
	next.Left.parent = next
	next.height = n.height // mend compares with what was here
	return next, lowest
}

// replace puts a node or nil where n hangs.
func (t *Tree) replace(n, by *Node) {
	switch {
	case n.parent == nil:
		t.Root = by
	case n.parent.Left == n:
		n.parent.Left = by
	default:
		n.parent.Right = by
	}
	if by != nil {
		by.parent = n.parent
	}
}

// Changed runs Refresh on n and the nodes above n: what n stores about itself has
// changed, and its key has not.
func (t *Tree) Changed(n *Node) {
	if t.Refresh == nil {
		return
	}
	for n != nil && t.Refresh(n) {
		n = n.parent
	}
}

// mend restores heights and balance from n upwards, and what Refresh computes. Where
// the height is as before, no height above has changed either; from there on only
// Refresh has work.
func (t *Tree) mend(n *Node) {
	for n != nil {
		before := n.height
		if left, right := levels(n.Left), levels(n.Right); left-right < 2 && right-left < 2 {
			n.height = 1 + max(left, right)
			if t.Refresh != nil {
				t.Refresh(n)
			}
		} else {
			n = t.balance(n)
		}
		if n.height == before {
			if n.parent != nil {
				t.Changed(n.parent)
			}
			return
		}
		n = n.parent
	}
}

// balance makes the sides of n, which differ by two levels, differ by at
// most one. It returns the node that is in n's place then.
func (t *Tree) balance(n *Node) *Node {
	if n.lean() < 0 {
		if n.Left.lean() > 0 {
			t.rotateLeft(n.Left)
		}
		return t.rotateRight(n)
	}
	if n.Right.lean() < 0 {
		t.rotateRight(n.Right)
	}
	return t.rotateLeft(n)
}

// rotateLeft puts n's right child into n's place, and n below it on the left. The
// order of keys stays. It returns the child.
func (t *Tree) rotateLeft(n *Node) *Node {
	up := n.Right
	t.replace(n, up)
	if n.Right = up.Left; n.Right != nil {
		n.Right.parent = n
	}
	up.Left, n.parent = n, up
	t.measure(n)
	t.measure(up)
	return up
}

// rotateRight is rotateLeft with the sides exchanged.
func (t *Tree) rotateRight(n *Node) *Node {
	up := n.Left
	t.replace(n, up)
	if n.Left = up.Right; n.Left != nil {
		n.Left.parent = n
	}
	up.Right, n.parent = n, up
	t.measure(n)
	t.measure(up)
	return up
}

// measure recomputes what n stores about its subtree.
func (t *Tree) measure(n *Node) {
	n.height = 1 + max(levels(n.Left), levels(n.Right))
	if t.Refresh != nil {
		t.Refresh(n)
	}
}

// lean is how many levels the right side has more than the left.
func (n *Node) lean() int { return levels(n.Right) - levels(n.Left) }

func levels(n *Node) int {
	if n == nil {
		return 0
	}
	return n.height
}

// First returns the node with the lowest key, nil when the tree is empty.
func (t *Tree) First() *Node {
	if t.Root == nil {
		return nil
	}
	return leftmost(t.Root)
}

func leftmost(n *Node) *Node {
	for n.Left != nil {
		n = n.Left
	}
	return n
}

// Next returns the node that follows n in order, nil after the last.
func (n *Node) Next() *Node {
	if n.Right != nil {
		return leftmost(n.Right)
	}
	return n.After()
}

// After returns the node that follows n's whole subtree in order: the nearest node
// above that has n on its left side. After the last it is nil.
func (n *Node) After() *Node {
	for n.parent != nil && n.parent.Right == n {
		n = n.parent
	}
	return n.parent
}

// AtLeast returns the first node, in order, whose key is key or above it.
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

// AtMost returns the last node, in order, whose key is key or below it.
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
