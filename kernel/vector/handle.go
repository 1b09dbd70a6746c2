package vector

import (
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Handler answers an interrupt. f is what was interrupted. A handler ends the
// interrupt itself, by apic.EOI, before anything that may switch threads: what it
// leaves in c.Resched is done when the core returns to the thread.
//
// Context: interrupts off, on the stack of the thread that was interrupted, in the
// core or outside it; the locks of that thread are not held, as a lock keeps
// interrupts off.
type Handler func(c *percpu.CPU, f *cpu.Frame)

// handlers has an entry for every vector from Exceptions on. Exceptions do not pass
// here: package trap sorts them by where they happen.
var handlers [256]Handler

// HandleRest installs h for every vector that has no handler.
//
// Context: boot CPU, before it admits interrupts.
func HandleRest(h Handler) {
	for v := Exceptions; v < len(handlers); v++ {
		if handlers[v] == nil {
			handlers[v] = h
		}
	}
}

// Handle installs the handler of a vector.
//
// Context: before anything can raise the vector; each vector has one owner.
func Handle(v uint8, h Handler) { handlers[v] = h }

// Deliver calls the handler of the interrupt that f describes.
//
// Context: interrupts off; from package trap.
func Deliver(c *percpu.CPU, f *cpu.Frame) { handlers[uint8(f.Vector)](c, f) }
