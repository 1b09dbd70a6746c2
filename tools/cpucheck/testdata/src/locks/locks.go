// Package locks has comments about locks, right and wrong.
//
// Layer: core.
// Locks: this line is the package's, in any form.
package locks

import "muster/kernel/percpu"

type spin struct{}

func (s *spin) AssertHeld(c *percpu.CPU) {}
func (q *queue) other(c *percpu.CPU)     {}

type queue struct{ mu, aux spin }

// Locks: q.mu held.
func (q *queue) silent(c *percpu.CPU) {} // want `silent: held by its comment: q.mu; asserted first: none`

// Locks: q.mu held.
func (q *queue) late(c *percpu.CPU) { // want `late: held by its comment: q.mu; asserted first: none`
	q.other(c)
	q.mu.AssertHeld(c)
}

// Locks: q.mu held.
func (q *queue) wrong(c *percpu.CPU) { // want `wrong: held by its comment: q.mu; asserted first: q.aux`
	q.aux.AssertHeld(c)
}

// Locks: q.mu and q.aux held.
func (q *queue) half(c *percpu.CPU) { // want `half: held by its comment: q.mu, q.aux; asserted first: q.mu`
	q.mu.AssertHeld(c)
}

// Locks: q.mu or q.aux held.
func (q *queue) either(c *percpu.CPU) { // want `either: Locks: "q.mu or q.aux": name the lock as the code does`
}

// unsaid has no line for it.
func (q *queue) unsaid(c *percpu.CPU) { // want `unsaid: held by its comment: none; asserted first: q.mu`
	q.mu.AssertHeld(c)
}

// Locks: the queue's held.
func (q *queue) unnamed(c *percpu.CPU) {} // want `unnamed: Locks: "the queue's": name the lock as the code does`

// Locks: q.mu is held by the caller.
func (q *queue) form(c *percpu.CPU) {} // want `form: Locks: "q.mu is held by the caller": write "q.mu held"`

// Locks: that of the queue.
func (q *queue) vague(c *percpu.CPU) {} // want `vague: Locks: "that of the queue": begin with none, takes, as, or the locks that are held`

// Locks: takes q.aux. With q.mu held it waits.
func (q *queue) second(c *percpu.CPU) {} // want `second: Locks: .*: what is held belongs into the first sentence`

// Locks: q.mu held; not asserted:
func (q *queue) noReason() {} // want `noReason: Locks: not asserted, without a reason`

// Locks: q.mu held; not asserted: there is no CPU at hand.
func (q *queue) both(c *percpu.CPU) { // want `both: the comment says that nothing is asserted, but something is`
	q.mu.AssertHeld(c)
}

// Locks: as goodHeld.
func (q *queue) asHeld(c *percpu.CPU) {} // want `asHeld: Locks as goodHeld`

// Locks: as nothingThere.
func (q *queue) asNothing(c *percpu.CPU) {} // want `asNothing: Locks as nothingThere`

// Context: interrupts off; q.mu is held.
func (q *queue) elsewhere(c *percpu.CPU) {} // want `elsewhere: Context says that a lock is held`

// What follows is right.

// Locks: none.
func goodNone() {}

// Locks: takes q.mu; none held. Waits for others.
func (q *queue) goodTakes(c *percpu.CPU) {}

// Locks: as goodTakes.
func (q *queue) goodAs(c *percpu.CPU) {}

// goodHeld says it.
//
// Locks: q.mu held, dropped meanwhile; the queue stays as
// long. The next sentence is free.
// Chapter: none.
func (q *queue) goodHeld(c *percpu.CPU) {
	q.mu.AssertHeld(c)
	q.other(c)
}

// Locks: q.aux and q.mu held.
func (q *queue) goodTwo(c *percpu.CPU) {
	q.mu.AssertHeld(c)
	q.aux.AssertHeld(c)
}

// Locks: q.mu held; not asserted: no CPU is at hand.
func (q *queue) goodReason() {}

// Locks: the lock of the queue held; not asserted: which one, the caller alone knows.
func goodUnnamed(q *queue) {}

// Context: no lock held.
func goodContext() {}
