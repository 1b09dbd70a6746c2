// Package list has the lists of the core. Their links are fields of the caller's
// objects, so no step allocates, and each takes constant time.
//
// Layer: core.
// Context: any.
// Locks: the caller's.
// Manual: Knuth, "The Art of Computer Programming" vol. 1, §2.2.5 "Doubly Linked Lists".
// Chapter: docs/09-scheduler.md.
package list

// Node is embedded in the objects that a List holds; the zero value is not in a list.
type Node struct {
	next, prev *Node // round the list, through its root; next is nil outside a list
}

// Linked reports whether n is in a list.
func (n *Node) Linked() bool { return n.next != nil }

// List is a queue from which any node can be taken out. The zero value is empty.
// A list that has had a node must not be copied: the nodes point to it.
type List struct {
	root Node // next is the first node, prev the last; both nil before the first Push
}

// Push adds n, which is not in a list, at the end.
func (l *List) Push(n *Node) {
	root := &l.root
	last := root.prev
	if last == nil {
		last = root
	}
	n.prev, n.next = last, root
	last.next, root.prev = n, n
}

// Insert adds n, which is not in a list, before next, which is in this one.
func (l *List) Insert(n, next *Node) {
	n.prev, n.next = next.prev, next
	next.prev.next, next.prev = n, n
}

// Remove takes n, which is in the list, out of it.
func (l *List) Remove(n *Node) {
	prev, next := n.prev, n.next
	prev.next, next.prev = next, prev
	n.next = nil
}

// First returns the node that was pushed first, nil when the list is empty.
func (l *List) First() *Node { return l.node(l.root.next) }

// Next returns the node after n, nil after the last one.
func (l *List) Next(n *Node) *Node { return l.node(n.next) }

// node turns the root into nil.
func (l *List) node(n *Node) *Node {
	if n == &l.root {
		return nil
	}
	return n
}

// Pop takes the first node out, nil when the list is empty.
func (l *List) Pop() *Node {
	n := l.First()
	if n != nil {
		l.Remove(n)
	}
	return n
}

// Link is the one word that a Stack keeps in an object.
type Link struct{ below *Link }

// Stack holds objects whose order does not matter; the last one in comes out first.
// The zero value is empty.
type Stack struct{ top *Link }

// Push puts k on top.
func (s *Stack) Push(k *Link) {
	k.below = s.top
	s.top = k
}

// Pop takes the top off, nil when the stack is empty.
func (s *Stack) Pop() *Link {
	k := s.top
	if k != nil {
		s.top = k.below
	}
	return k
}

// Top returns the top, nil when the stack is empty.
func (s *Stack) Top() *Link { return s.top }

// Below returns the object below k, nil at the bottom.
func (k *Link) Below() *Link { return k.below }

// Queue is a Stack whose first object in comes out first. The zero value is empty. No
// object points to the queue itself, so a queue may lie on a stack.
type Queue struct{ first, last *Link }

// Push puts k, which is in no queue, at the end.
func (q *Queue) Push(k *Link) {
	k.below = nil
	if q.last == nil {
		q.first = k
	} else {
		q.last.below = k
	}
	q.last = k
}

// Pop takes the first object out, nil when the queue is empty.
func (q *Queue) Pop() *Link {
	k := q.first
	if k != nil {
		if q.first = k.below; q.first == nil {
			q.last = nil
		}
	}
	return k
}

// First returns the first object, nil when the queue is empty.
func (q *Queue) First() *Link { return q.first }
