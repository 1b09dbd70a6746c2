// Package percpu stands for the kernel's: the type, and what leads to a value of it.
//
// Layer: core.
package percpu

type CPU struct {
	StackTop, StackLow, KernelG, KernelFS, UserFS, Current uintptr
	ThreadID                                               uint32

	ID      uint32
	Resched uint32
	Sched   uintptr
}

func This() *CPU

func Get(id uint32) *CPU { return nil }
