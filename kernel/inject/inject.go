// Package inject reads the injected faults of the kernel command line: what
// firmware and hardware do when they fail, on request. The faults are always
// compiled in, so the tested kernel is the kernel that users run.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Chapter: docs/08-starting-cpus.md.
package inject

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/trampoline"
)

// AP is the fault of one CPU when it is started.
type AP struct {
	Silent bool          // the CPU never gets the SIPI
	Late   time.Duration // how much later its report comes
	Stage  uint32        // the CPU halts when it reaches this stage, 0 for never
	TSC    time.Duration // its time-stamp counter is ahead by it while it starts; negative: late
}

// IPI is the fault of IPIs.
type IPI struct {
	Drop  uint64        // one of every Drop IPIs is lost, 0 for none
	Dup   uint64        // one of every Dup IPIs is sent twice, 0 for none
	Delay time.Duration // how much later each IPI is sent
}

// Page is the fault of the page that CPUs start through.
type Page struct {
	Spoil int // the number of times that a byte of it is overwritten after it was built
}

// Demo is what fails in the demonstration; empty for nothing.
type Demo string

// A part with a wrong result, or one that does not end.
const (
	DemoSort     Demo = "sort"
	DemoGC       Demo = "gc"
	DemoPingPong Demo = "pingpong"
	DemoHang     Demo = "hang"
)

var demos = []Demo{DemoSort, DemoGC, DemoPingPong, DemoHang}

// Faults is all injected faults.
type Faults struct {
	AP   map[int]AP // by CPU number
	IPI  IPI
	Page Page
	Demo Demo
	TSC  int // the CPU whose time-stamp counter is 5 ms ahead, 0 for none

	Storm bool // a level-triggered line interrupts without end
}

// Add reads the value of one word fault=: apN:silent, apN:late=MS, apN:tsc=MS, apN:stageK,
// ipi:drop=1/K, ipi:dup=1/K, ipi:delay=US, page:spoil=N, tsc:N, tsc:drift, demo:PART, irq:storm or one of counterFaults. It is
// long because each has its case.
func (f *Faults) Add(value string) error {
	who, what, _ := strings.Cut(value, ":")
	name, arg, hasArg := strings.Cut(what, "=")
	if who == "ipi" && hasArg {
		return f.addIPI(name, arg)
	}
	if counter, err := checkCounter(who, what); counter {
		return err
	}
	if who == "page" {
		n, err := strconv.ParseUint(arg, 10, 8)
		if name != "spoil" || err != nil || n == 0 {
			return fmt.Errorf("%q: a page can be overwritten (spoil=N), N from 1 to 255", what)
		}
		f.Page.Spoil = int(n)
		return nil
	}
	if who == "irq" {
		if what != "storm" {
			return fmt.Errorf("%q: what a line can do is storm", what)
		}
		f.Storm = true
		return nil
	}
	if who == "tsc" {
		if what == "drift" { // for the core
			return nil
		}
		n, err := strconv.ParseUint(what, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q: the time-stamp counter of CPU N can be 5 ms ahead, N from 1 on, or that of all drift", what)
		}
		f.TSC = int(n)
		return nil
	}
	if who == "demo" {
		if !slices.Contains(demos, Demo(what)) {
			return fmt.Errorf("%q: what can fail of the demonstration is one of %v", what, demos)
		}
		f.Demo = Demo(what)
		return nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(who, "ap"), 10, 16)
	if !strings.HasPrefix(who, "ap") || err != nil || n == 0 {
		return fmt.Errorf("%q is not apN (N from 1 on), ipi, page, demo, irq, tsc, hpet, pm, pit, cmos, cpuid15, timer or alloc", who)
	}
	a := f.AP[int(n)]
	switch {
	case what == "silent":
		a.Silent = true
	case name == "late" && hasArg:
		ms, err := strconv.ParseUint(arg, 10, 16)
		if err != nil {
			return fmt.Errorf("late=%s: not milliseconds", arg)
		}
		a.Late = time.Duration(ms) * time.Millisecond
	case name == "tsc" && hasArg:
		ms, err := strconv.ParseInt(arg, 10, 32)
		if err != nil {
			return fmt.Errorf("tsc=%s: not milliseconds", arg)
		}
		a.TSC = time.Duration(ms) * time.Millisecond
	case strings.HasPrefix(what, "stage"):
		k, err := strconv.ParseUint(strings.TrimPrefix(what, "stage"), 10, 8)
		if err != nil || k < 1 || k > trampoline.StageIdleLoop {
			return fmt.Errorf("%s: stages are 1 to %d", what, trampoline.StageIdleLoop)
		}
		a.Stage = uint32(k)
	default:
		return fmt.Errorf("%q: a CPU can be silent, late=MS, tsc=MS or stageK", what)
	}
	if f.AP == nil {
		f.AP = map[int]AP{}
	}
	f.AP[int(n)] = a
	return nil
}

func (f *Faults) addIPI(name, arg string) error {
	switch name {
	case "drop", "dup":
		k, err := strconv.ParseUint(strings.TrimPrefix(arg, "1/"), 10, 32)
		if !strings.HasPrefix(arg, "1/") || err != nil || k < 2 {
			return fmt.Errorf("%s=%s: not 1/K, K from 2 on", name, arg)
		}
		if name == "drop" {
			f.IPI.Drop = k
		} else {
			f.IPI.Dup = k
		}
	case "delay":
		us, err := strconv.ParseUint(arg, 10, 16)
		if err != nil || us > 10_000 {
			return fmt.Errorf("delay=%s: not microseconds up to 10000", arg)
		}
		f.IPI.Delay = time.Duration(us) * time.Microsecond
	default:
		return fmt.Errorf("%q: IPIs can be lost (drop), doubled (dup) or late (delay)", name)
	}
	return nil
}
