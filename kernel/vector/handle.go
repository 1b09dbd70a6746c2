package vector

import (
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Handler handles an interrupt. f is the interrupted context. A handler ends the
// interrupt itself, by apic.EOI, before anything that may switch threads. What it
// sets in c.Resched is done when the core returns to the thread.
//
// Context: interrupts off, on the stack of the interrupted thread, in the core or
// outside it. No lock is held, because a CPU that holds a lock has its interrupts
// off.
type Handler func(c *percpu.CPU, f *cpu.Frame)

// handlers has an entry for every vector from Exceptions on. Exceptions do not use
// it: package trap handles them by the place where they happen.
var handlers [256]Handler

// HandleRest installs h for every vector without a handler.
//
// Context: boot CPU, before it enables interrupts.
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
