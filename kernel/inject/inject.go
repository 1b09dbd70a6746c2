// Package inject reads the faults that the kernel command line asks for: what
// firmware and hardware do when they fail, at will. They are compiled in always,
// so that the kernel which is tested is the kernel which runs.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Chapter: docs/08-starting-cpus.md.
package inject

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"muster/trampoline"
)

// AP is what one CPU does wrong when it is started.
type AP struct {
	Silent bool          // it never gets the start-up message
	Late   time.Duration // it takes so long before it reports in
	Stage  uint32        // it halts when it reaches this stage, 0 for never
}

// IPI is what happens to messages between CPUs.
type IPI struct {
	Drop  uint64        // each so-many-th is lost, 0 for none
	Dup   uint64        // each so-many-th is sent twice
	Delay time.Duration // each waits so long before it is sent
}

// Page is what happens to the page that CPUs start through.
type Page struct {
	Spoil int // so often it is written over when it has been built
}

// Faults is all that was asked for.
type Faults struct {
	AP   map[int]AP // by CPU number
	IPI  IPI
	Page Page
}

// Add reads the value of one word fault=: apN:silent, apN:late=MS, apN:stageK,
// ipi:drop=1/K, ipi:dup=1/K, ipi:delay=US or page:spoil=N.
func (f *Faults) Add(value string) error {
	who, what, _ := strings.Cut(value, ":")
	name, arg, hasArg := strings.Cut(what, "=")
	if who == "ipi" && hasArg {
		return f.addIPI(name, arg)
	}
	if who == "page" {
		n, err := strconv.ParseUint(arg, 10, 8)
		if name != "spoil" || err != nil || n == 0 {
			return fmt.Errorf("%q: a page can be written over, spoil=N, N from 1 to 255", what)
		}
		f.Page.Spoil = int(n)
		return nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(who, "ap"), 10, 16)
	if !strings.HasPrefix(who, "ap") || err != nil || n == 0 {
		return fmt.Errorf("%q is neither apN, N from 1 on, nor ipi, nor page", who)
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
	case strings.HasPrefix(what, "stage"):
		k, err := strconv.ParseUint(strings.TrimPrefix(what, "stage"), 10, 8)
		if err != nil || k < 1 || k > trampoline.StageIdleLoop {
			return fmt.Errorf("%s: stages are 1 to %d", what, trampoline.StageIdleLoop)
		}
		a.Stage = uint32(k)
	default:
		return fmt.Errorf("%q: a CPU can be silent, late=MS or stageK", what)
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
		return fmt.Errorf("%q: messages can be lost (drop), doubled (dup) or late (delay)", name)
	}
	return nil
}
