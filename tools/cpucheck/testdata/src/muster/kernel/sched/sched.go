// Package sched stands for the kernel's: functions that may switch threads.
//
// Layer: core.
package sched

import (
	"unsafe"

	"muster/kernel/percpu"
)

type Thread struct{ ID uint32 }

type Queue struct {
	N    int
	Next *Thread
}

//cpucheck:switches assembly knows no block
func switchStack(save *uintptr, sp uintptr) // want switchStack:"switching"

func Current(c *percpu.CPU) *Thread { return (*Thread)(unsafe.Pointer(c.Current)) }

func Local(c *percpu.CPU) *Queue { return (*Queue)(unsafe.Pointer(c.Sched)) } // want Local:"inBlock"

func Park(c *percpu.CPU) *percpu.CPU {
	var sp uintptr
	switchStack(&sp, c.StackTop)
	return percpu.This()
}

func ParkUntil(c *percpu.CPU, deadline int64) (next *percpu.CPU, expired bool) {
	return Park(c), false
}

//cpucheck:switches the entry stub finds the block by GS
func Leave(c *percpu.CPU) int { // want Leave:"switching"
	c = Park(c)
	return int(c.ID)
}

// Ends does not return.
func Ends(c *percpu.CPU) { // want Ends:"noReturn"
	c = Park(c)
	for {
		c.Resched = 1
	}
}

//cpucheck:other the CPU after it
func Neighbour(c *percpu.CPU) *percpu.CPU { return percpu.Get(c.ID + 1) } // want Neighbour:"another"

type Table struct {
	//cpucheck:noreturn the machine ends
	Panic func(c *percpu.CPU) // want Panic:"noReturn"
	//cpucheck:switches the entry stub finds the block by GS
	Syscall func(c *percpu.CPU) int // want Syscall:"switching"
}

var To = Table{Syscall: Leave}
