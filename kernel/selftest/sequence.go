package selftest

import (
	"unsafe"

	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// A test of calls between CPUs numbers the calls of each caller to each target. The
// target stores the last number of each caller and counts the numbers that do not
// follow it: a call that was lost, that came twice, or that overtook another.

// sequences is an object of each CPU while a test runs: the count of calls that came out
// of order, and the last number of each caller.
var sequences mem.PerCPU // [1+percpu.Limit()]uint32

func sequenceBytes() uintptr { return uintptr(1+percpu.Limit()) * 4 }

// disorderOf is where a CPU counts the calls that came out of order.
func disorderOf(id uint32) *uint32 { return (*uint32)(unsafe.Pointer(sequences.On(id))) }

// lastNumber is where a CPU keeps the last number it had from a caller.
func lastNumber(id, caller uint32) *uint32 {
	return (*uint32)(unsafe.Pointer(sequences.On(id) + uintptr(1+caller)*4))
}

// checkSequence takes a call: the caller in the upper half of the word, its number in
// the lower. It is a function for package cross.
//
// Context: interrupts off, on the target, while a test runs.
func checkSequence(c *percpu.CPU, word uint64) {
	caller, number := uint32(word>>32), uint32(word)
	if sequences == 0 {
		return
	}
	if caller >= percpu.Count() {
		*disorderOf(c.ID)++
		return
	}
	last := lastNumber(c.ID, caller)
	if number != *last+1 {
		*disorderOf(c.ID)++
	}
	*last = number
}

// beginSequences makes room for the numbers, all 0.
//
// Context: lets other threads run, and may return on another CPU.
func beginSequences(c *percpu.CPU, _ *linux.Task) (*percpu.CPU, uint64) {
	if sequences != 0 {
		return c, linux.Fail(linux.EBUSY)
	}
	c, p, ok := mem.AllocPerCPU(c, sequenceBytes(), sched.Breathe)
	if !ok {
		return c, linux.Fail(linux.ENOMEM)
	}
	sequences = p
	return c, 0
}

func lastSequence(c *percpu.CPU, _ *linux.Task, cpu, caller int) (*percpu.CPU, uint64) {
	o, from := percpu.Find(cpu), percpu.Find(caller)
	if sequences == 0 || o == nil || from == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, uint64(*lastNumber(o.ID, from.ID))
}

// endSequences frees the room, and returns how many calls came out of order.
//
// Context: as beginSequences.
func endSequences(c *percpu.CPU, _ *linux.Task) (*percpu.CPU, uint64) {
	if sequences == 0 {
		return c, linux.Fail(linux.EINVAL)
	}
	sum := uint64(0)
	for i := range percpu.Count() {
		sum += uint64(*disorderOf(i))
	}
	p := sequences
	sequences = 0
	return mem.FreePerCPU(c, p, sequenceBytes(), sched.Breathe), sum
}
