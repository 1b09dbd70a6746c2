// Package marks has marks that are wrong.
//
// Layer: core.
package marks

import (
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

func noReason(c *percpu.CPU) {
	sched.Park(c) /* want `cpucheck:stays without a reason` */ //cpucheck:stays
}

func unknown(c *percpu.CPU) {
	_ = c /* want `cpucheck:maybe means nothing here; one of stays does` */ //cpucheck:maybe it switches
}

func noCall(c *percpu.CPU) {
	_ = c /* want `cpucheck:stays at no call that may switch threads` */ //cpucheck:stays nothing is called
}

/* want `cpucheck:switches changes nothing for quiet` */ //cpucheck:switches it does not
func quiet(c *percpu.CPU)                                {} // want quiet:"switching"

/* want `cpucheck:switches without a reason` */ //cpucheck:switches
func bare(c *percpu.CPU) int                    { return sched.Leave(c) } // want bare:"switching"

/* want `cpucheck:switches changes nothing for tells` */ //cpucheck:switches its signature says so
func tells(c *percpu.CPU) *percpu.CPU                    { return sched.Park(c) } // want tells:"switching"

/* want `cpucheck:noreturn changes nothing for body` */ //cpucheck:noreturn a body speaks for itself
func body(c *percpu.CPU)                                {} // want body:"noReturn"

/* want `cpucheck:other changes nothing for same` */ //cpucheck:other it is not
func same(c *percpu.CPU) *percpu.CPU                 { return sched.Park(c) } // want same:"another"

/* want `cpucheck:other changes nothing for number` */ //cpucheck:other no function
var number int                                         // want number:"another"

/* want `cpucheck:stays means nothing here; one of switches, noreturn, other, recurses does` */ //cpucheck:stays no call
func declared(c *percpu.CPU)                                                                    {}

//cpucheck:noreturn assembly
func assembly(c *percpu.CPU) // want assembly:"noReturn"

func good(c *percpu.CPU) { // want good:"noReturn"
	assembly(c)
	sched.Park(c)
}
