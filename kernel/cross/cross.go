// Package cross runs core functions on other CPUs.
//
// A call names a function of a table and carries one word. The caller puts both
// into its own block, enters itself in a set of each target, and sends an IPI. A
// target that finds a member in its set removes it, and only the CPU that has
// removed it runs the call. So a lost IPI costs a repetition, a repeated IPI costs
// nothing, and no call runs twice. Any number of CPUs may call the same one at the
// same time. The functions that there are today belong to package selftest.
//
// Layer: core.
// Context: interrupts off.
// Locks: none, and a caller may hold none: its targets may wait for the lock.
// Manual: Intel SDM vol. 3A, "Issuing Interprocessor Interrupts".
// Chapter: docs/06-interrupts.md.
package cross

import (
	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Func is the number of a function that can be called: abi.CallNop and so on.
type Func uint64

// table has the functions. They run with interrupts off, on the stack of the
// interrupted code, take no lock that is held around a call, and make no call.
var table [abi.AllCallFuncs]func(c *percpu.CPU, word uint64)

// Handle installs a function.
//
// Context: boot CPU, before the first call.
func Handle(f Func, fn func(c *percpu.CPU, word uint64)) { table[f] = fn }

// Valid reports whether a function has a number.
func Valid(f uint64) bool { return f < uint64(len(table)) && table[f] != nil }

// Silent is not the number of any CPU: all have answered.
const Silent = ^uint32(0)

const (
	firstGap = 10 * clock.Millisecond // until the IPI is repeated, then doubled
	hardEnd  = 10                     // limits until a CPU that has begun must have ended
)

// Call runs f(word) on the CPUs of a set, c itself among them if it is a member,
// and returns when all have run it. A CPU that goes offline meanwhile may be left out. A CPU
// that has not begun within the limit is left out too: Call then returns its number,
// otherwise Silent's.
//
// Context: no lock held. c may make one call at a time: calls do not nest.
func Call(c *percpu.CPU, set *percpu.Mask, f Func, word uint64, limit clock.Time) (missing uint32) {
	lock.AssertNone(c)
	c.OutFunc.Store(uint64(f))
	c.OutWord.Store(word)
	c.OutLeft.Store(1) // no target can bring it to 0 before all targets are entered
	for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
		if to := percpu.Get(id); to != c {
			c.OutLeft.Add(1)
			to.Callers.Set(c.ID)                         // publishes OutFunc and OutWord
			if !to.Answers() && to.Callers.Clear(c.ID) { // it went offline meanwhile
				c.OutLeft.Add(^uint32(0))
			}
		}
	}
	ipi.SendSet(c, set, ipi.Call)
	if set.Has(c.ID) {
		table[f](c, word)
	}
	c.OutLeft.Add(^uint32(0))
	return await(c, set, limit)
}

// await answers calls of other CPUs while it waits for its own call.
func await(c *percpu.CPU, set *percpu.Mask, limit clock.Time) (missing uint32) {
	missing = Silent
	if c.OutLeft.Load() == 0 {
		return missing
	}
	gap := firstGap
	again, end, hard := clock.After(gap), clock.After(limit), clock.After(hardEnd*limit)
	for turns := 1; c.OutLeft.Load() != 0; turns++ {
		Poll(c)
		upcall.To.SpinPoll(c)
		atom.Pause()
		if turns%256 != 0 {
			continue
		}
		if again.Passed() {
			gap *= 2
			again = clock.After(gap)
			repeat(c, set)
		}
		if missing == Silent && end.Passed() {
			missing = withdraw(c, set)
		}
		if !hard.Passed() {
			continue
		}
		if stalled := upcall.Stalled(c); !stalled && c.OutLeft.Load() != 0 {
			upcall.Panic(c, "cross: a call has begun and does not end; CPUs, function", uint64(c.OutLeft.Load()), c.OutFunc.Load())
		}
		hard = clock.After(hardEnd * limit)
	}
	return missing
}

// repeat sends the IPI again to the CPUs that have not begun.
func repeat(c *percpu.CPU, set *percpu.Mask) {
	for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
		if to := percpu.Get(id); to != c && to.Callers.Has(c.ID) {
			ipi.Repeat(c, to, ipi.Call)
		}
	}
}

// withdraw takes the call back from the CPUs that have not begun.
func withdraw(c *percpu.CPU, set *percpu.Mask) (missing uint32) {
	missing = Silent
	for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
		if to := percpu.Get(id); to != c && to.Callers.Clear(c.ID) {
			c.OutLeft.Add(^uint32(0))
			missing = id
		}
	}
	return missing
}

// share is the part of a CPU's time, in percent, that calls of other CPUs may take
// by interrupting it.
var share uint64 = 50

// SetShare sets the part of a CPU's time, in percent from 1 to 100, that calls of
// other CPUs may take.
//
// Context: boot CPU, while only the boot CPU is online.
func SetShare(percent uint64) { share = percent }

// Install makes this package handle the call IPI. period is the time between two
// ticks of a CPU, in which calls may take their share.
//
// Context: boot CPU, before the second CPU starts.
func Install(period clock.Time) {
	sharePeriod = period
	ipi.Handle(ipi.Call, onCall)
}

var sharePeriod clock.Time

// onCall runs the calls that an IPI has brought, unless the CPU has spent its share
// of this tick on calls. In that case the calls and their IPIs wait for the next
// tick. Without the share, CPUs that call without pause could keep the target from
// its own work.
//
// Context: the IPI's interrupt, the call taken out of the pending word.
func onCall(c *percpu.CPU, _ *cpu.Frame) {
	if now := cpu.TSC(); now-c.CallPeriod >= clock.Ticks(sharePeriod) {
		c.CallPeriod, c.CallTicks = now, 0
	}
	if c.CallTicks > clock.Ticks(sharePeriod)/100*share {
		ipi.PutBack(c, ipi.Call)
		c.Retick = 1 // it ticks while a request is pending
		return
	}
	began := cpu.TSC()
	serve(c)
	c.CallTicks += cpu.TSC() - began
}

// Poll runs the calls that other CPUs have made to c.
//
// Context: a CPU that spins with interrupts off, in await.
func Poll(c *percpu.CPU) {
	if ipi.TakeOne(c, ipi.Call) {
		serve(c)
	}
}

// Leave makes c answer no further calls, and runs those that other CPUs have made.
//
// Context: on c, which goes offline, interrupts off.
func Leave(c *percpu.CPU) {
	c.EndCalls()
	serve(c)
}

// serve runs the calls of the set of callers. The call has been taken out of the
// pending word before, so a CPU that enters itself later sends another IPI.
func serve(c *percpu.CPU) {
	for id, ok := c.Callers.Next(0); ok; id, ok = c.Callers.Next(id + 1) {
		if !c.Callers.Clear(id) {
			continue // withdrawn
		}
		from := percpu.Get(id)
		f := from.OutFunc.Load()
		if !Valid(f) {
			upcall.Panic(c, "cross: a call of no function; caller, function", uint64(id), f)
		}
		table[f](c, from.OutWord.Load())
		from.OutLeft.Add(^uint32(0))
	}
}
