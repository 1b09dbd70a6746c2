package start

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// A test of calls between CPUs numbers the calls of each caller to each target. The
// target knows the last number of each caller and counts what does not follow it: a
// call that was lost, that came twice, or that overtook another.

var lastNumbers mem.PerCPU // [percpu.Limit()]uint32, while a test runs

func numberBytes() uintptr { return uintptr(percpu.Limit()) * 4 }

// lastNumber is where a CPU keeps the last number it had from a caller.
func lastNumber(id, caller uint32) *uint32 {
	return (*uint32)(unsafe.Pointer(lastNumbers.On(id) + uintptr(caller)*4))
}

// checkSequence takes a call: the caller in the upper half of the word, its number in
// the lower. It is a function for package cross.
//
// Context: interrupts off, on the target.
func checkSequence(c *percpu.CPU, word uint64) {
	caller, number := uint32(word>>32), uint32(word)
	if lastNumbers == 0 || caller >= percpu.Count() {
		areaOf(c).disorder++
		return
	}
	last := lastNumber(c.ID, caller)
	if number != *last+1 {
		areaOf(c).disorder++
	}
	*last = number
}

// sequences begins and ends such a test, and reads what a CPU has had.
//
// Context: one test at a time; beginning and ending let other threads run, and may
// return on another CPU.
func sequences(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	switch f.DI {
	case abi.SequenceBegin:
		if lastNumbers != 0 {
			return c, linux.Fail(linux.EBUSY)
		}
		for i := range percpu.Count() {
			areaOf(percpu.Get(i)).disorder = 0
		}
		var ok bool
		if c, lastNumbers, ok = mem.AllocPerCPU(c, numberBytes(), sched.Breathe); !ok {
			return c, linux.Fail(linux.ENOMEM)
		}
		return c, 0
	case abi.SequenceLast:
		if n := uint64(percpu.Count()); lastNumbers == 0 || f.SI >= n || f.DX >= n {
			return c, linux.Fail(linux.EINVAL)
		}
		return c, uint64(*lastNumber(uint32(f.SI), uint32(f.DX)))
	case abi.SequenceEnd:
		if lastNumbers == 0 {
			return c, linux.Fail(linux.EINVAL)
		}
		sum := uint64(0)
		for i := range percpu.Count() {
			sum += areaOf(percpu.Get(i)).disorder
		}
		p := lastNumbers
		lastNumbers = 0
		return mem.FreePerCPU(c, p, numberBytes(), sched.Breathe), sum
	}
	return c, linux.Fail(linux.EINVAL)
}
