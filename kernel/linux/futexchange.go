package linux

import (
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// FUTEX_WAKE_OP changes the second of two words and wakes tasks that wait at the first. If a comparison of the second
// word's old value holds, it wakes tasks that wait at the second word, too. A program saves two system calls by it. Linux
// holds the locks of both buckets over all three steps. Here the steps follow each other, as if the program made three
// calls: each step is atomic, the word changes before the kernel looks for tasks, and every waiter expects spurious wake-ups.

// wordChange is the last argument, decoded.
type wordChange struct {
	op, compare  uint32
	arg, against int32
}

// Operations on the word, and the bit that makes the argument a shift.
const (
	changeSet = iota
	changeAdd
	changeOr
	changeAndNot
	changeXor
	changes
	changeShift = 8
)

// Comparisons of the old value.
const (
	compareEqual = iota
	compareNotEqual
	compareLess
	compareNotMore
	compareMore
	compareNotLess
	compares
)

// changeOf decodes the argument: the operation in bits 31:28, the comparison in bits 27:24, the operand of the operation
// in bits 23:12, and the number to compare with in bits 11:0. The last two are signed.
//
// Source: the manual page futex(2), "FUTEX_WAKE_OP".
func changeOf(x uint32) wordChange {
	w := wordChange{op: x >> 28, compare: x >> 24 & 15, arg: int32(x<<8) >> 20, against: int32(x<<20) >> 20}
	if w.op&changeShift != 0 {
		w.op &^= changeShift
		w.arg = int32(uint32(1) << (uint32(w.arg) & 31))
	}
	return w
}

// of returns the new value of a word.
func (w wordChange) of(v uint32) uint32 {
	arg := uint32(w.arg)
	switch w.op {
	case changeAdd:
		return v + arg
	case changeOr:
		return v | arg
	case changeAndNot:
		return v &^ arg
	case changeXor:
		return v ^ arg
	}
	return arg
}

// holds reports whether the comparison of the word's old value holds.
func (w wordChange) holds(old int32) bool {
	switch w.compare {
	case compareEqual:
		return old == w.against
	case compareNotEqual:
		return old != w.against
	case compareLess:
		return old < w.against
	case compareNotMore:
		return old <= w.against
	case compareMore:
		return old > w.against
	}
	return old >= w.against
}

// changeAndWake answers FUTEX_WAKE_OP: it changes the word at R8, wakes up to DX tasks that wait at DI, and up to R10
// that wait at R8.
func changeAndWake(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	addr, second := uintptr(f.DI), uintptr(f.R8)
	for _, at := range [2]uintptr{addr, second} {
		switch {
		case at&3 != 0:
			return c, errno(EINVAL)
		case at >= layout.UserEnd && t.proc.user:
			return c, errno(EFAULT)
		}
	}
	w := changeOf(uint32(f.R9))
	if w.op >= changes {
		return c, errno(ENOSYS)
	}
	c, old, e := t.changeWord(c, second, w)
	switch {
	case e != 0:
		return c, errno(e)
	case w.compare >= compares:
		return c, errno(ENOSYS) // the word has changed, as on Linux
	}
	c, n := wakeFutex(c, t, addr, int32(f.DX), futexMatchAny)
	if w.holds(int32(old)) {
		var more uint64
		c, more = wakeFutex(c, t, second, int32(f.R10), futexMatchAny)
		n += more
	}
	return c, n
}

// changeWord changes a word of the program, and returns its old value.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (t *Task) changeWord(c *percpu.CPU, at uintptr, w wordChange) (_ *percpu.CPU, old uint32, e Errno) {
	old, ok := t.Space.Load32(c, at)
	for turn := 0; ok; c = breatheEvery(c, &turn, 16) {
		var was uint32
		was, ok = t.Space.Swap32(c, at, old, w.of(old))
		switch {
		case ok && was == old:
			return c, old, 0
		case t.interrupted():
			return c, 0, eRestart // nothing has been done yet
		}
		old = was
	}
	return c, 0, EFAULT
}
