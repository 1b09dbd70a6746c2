package mem

import (
	"muster/kernel/atom"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// Allocations that fail on request, in debug builds: of those that the kernel makes for a program,
// one in N fails as if memory were exhausted. So a fuzzer reaches each error path long before
// memory is exhausted. What the kernel allocates for itself does not fail, nor what it allocates
// where it cannot return an error.

// site is a kind of allocation.
type site struct {
	name string
	said atom.Uint32 // 1: the log has it
}

var (
	siteCheck = site{name: "a check"}
	siteFrame = site{name: "a page"}
	siteStack = site{name: "a stack"}
)

// denial is which allocations of a program fail: after the first ones, one in every; 0: none.
var denial struct{ every, after uint64 }

// saySite logs that the first allocation of a kind was denied. It is nil in host tests.
var saySite func(c *percpu.CPU, name string)

// Deny makes one in every allocations for a program fail, in debug builds, without its first after
// ones, with which it starts. say logs the first of each kind.
//
// Context: boot CPU, while it is the only one online.
func Deny(every, after uint64, say func(c *percpu.CPU, name string)) {
	denial.every, denial.after, saySite = every, after, say
}

// denied decides whether an allocation on c fails. An idle CPU, or one that runs the kernel's own
// threads, has no program's space, or is lazy. A copy that tries once more with c.Urgent set has no error to return: a signal's
// frame that it does not write ends the program.
func (s *site) denied(c *percpu.CPU) bool {
	if !lock.Checked || denial.every == 0 || c.Space == 0 || c.Lazy.Load() != 0 || c.Urgent != 0 {
		return false
	}
	n := ptr[Space](c.Space).asked.Add(1)
	if n <= denial.after || n%denial.every != 0 {
		return false
	}
	if saySite != nil && s.said.Swap(1) == 0 {
		saySite(c, s.name)
	}
	return true
}
