// Package setting is the table of the command line's numbers: name, range and
// default of each word name=N. The core reads some of them before the runtime
// starts; package options reads all of them afterwards, and reports the bad ones.
//
// Layer: core; no allocation.
// Context: any.
// Locks: none.
// Chapter: docs/01-boot.md.
package setting

import (
	"muster/kernel/cmdline"
	"muster/kernel/console"
	"muster/kernel/percpu"
)

// Number is one setting that has a number for a value.
type Number struct {
	Name            string
	Lowest, Highest uint64
	Default         uint64 // without the word, or with a bad value
}

// The numbers. Their parts are constants, so the compiler fills them in: the core
// reads them before package initialisers run.
var (
	MaxCPUs       = Number{Name: "maxcpus", Lowest: 1, Highest: percpu.Max} // default 0: no limit
	LogLevel      = Number{Name: "loglevel", Lowest: 0, Highest: uint64(console.Debug) + 1, Default: uint64(console.DefaultLevel)}
	TickMS        = Number{Name: "tick", Lowest: 1, Highest: 1000, Default: 10}
	DeadlineScale = Number{Name: "deadline-scale", Lowest: 1, Highest: 1000, Default: 1}
	CallShare     = Number{Name: "callshare", Lowest: 1, Highest: 100, Default: 50} // percent of a CPU's time
	Copies        = Number{Name: "copies", Lowest: 1, Highest: 64, Default: 1}
	Rounds        = Number{Name: "rounds", Lowest: 1, Highest: 1_000_000, Default: 1}
	Stretch       = Number{Name: "stretch", Lowest: 1000, Highest: 1e12}       // nanoseconds; default 0: no limit
	DenyEvery     = Number{Name: "fault=alloc:every", Lowest: 2, Highest: 1e9} // one in so many allocations fails; default 0: none
	DenyAfter     = Number{Name: "fault=alloc:after", Highest: 1e9}            // a program's first ones do not
	TimerLate     = Number{Name: "fault=timer:late", Lowest: 1, Highest: 1000} // milliseconds; default 0: not late
)

// Limits of the variables for the kernel's own runtime, NAME=VALUE: how many there
// are, and how long one is with its name. The core leaves the others out, and package
// options reports them.
const (
	Variables     = 14
	VariableBytes = 255
)

// Parse reads a value. ok is false when it contains anything but decimal digits, or
// is outside the range.
func (s *Number) Parse(text []byte) (v uint64, ok bool) {
	if len(text) == 0 {
		return 0, false
	}
	for _, b := range text {
		if b < '0' || b > '9' {
			return 0, false
		}
		if v = v*10 + uint64(b-'0'); v > s.Highest {
			return 0, false
		}
	}
	return v, v >= s.Lowest
}

// Read returns the value of the last word of line that has the setting's name.
// given is false when there is no such word or its value is bad; v is then the default.
func (s *Number) Read(line []byte) (v uint64, given bool) {
	var text [24]byte
	if n, ok := cmdline.Value(line, s.Name, text[:]); ok && n < len(text) { // a longer value is cut
		if v, ok := s.Parse(text[:n]); ok {
			return v, true
		}
	}
	return s.Default, false
}
