// Package options turns the kernel command line into settings.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Chapter: docs/01-boot.md.
package options

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"muster/kernel/inject"
)

// Options is what the command line asks for.
type Options struct {
	NoSMP    bool          // nosmp: one CPU
	MaxCPUs  int           // maxcpus=N, at least 1; 0 without the word
	Run      []string      // run="cmd; cmd": commands to run unattended
	HasRun   bool          // run= was given, perhaps empty
	LogLevel int           // loglevel=0..8
	TickMS   int           // tick=1..1000
	Scale    int           // deadline-scale=1..1000
	Full     bool          // mitigations=full, not auto: clear CPU buffers without need
	Serial   bool          // smp=serial, not parallel: start the CPUs one after the other
	Faults   inject.Faults // fault=..., may be repeated
	Physical bool          // ipi=physical, not logical: address each CPU by itself
	Share    int           // callshare=1..100: percent of a CPU's time that others' calls may take
	Counted  bool          // icount: the clock counts instructions
	App      string        // app=NAME: run the first module as a program of this name
	Args     []string      // arg=...: its arguments, percent-encoded
	Env      []string      // env=K=V: its environment, percent-encoded
}

// Default is what an empty command line means.
func Default() Options { return Options{LogLevel: 7, TickMS: 10, Scale: 1, Share: 50} }

// Parse reads the command line. Each problem is one sentence; the setting then
// keeps its default.
func Parse(line string) (o Options, problems []string) {
	o = Default()
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	number := func(word, value string, lo, hi int, to *int, usual int) {
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil || int(n) < lo || int(n) > hi {
			complain("%s: not a number from %d to %d, using the default", word, lo, hi)
			n = uint64(usual)
		}
		*to = int(n)
	}
	for _, word := range Words(line) {
		name, value, hasValue := strings.Cut(word, "=")
		switch {
		case word == "nosmp":
			o.NoSMP = true
		case word == "icount":
			o.Counted = true
		case !hasValue:
			complain("%s: unknown word, ignored", word)
		case name == "maxcpus":
			number(word, value, 1, 4096, &o.MaxCPUs, 0)
		case name == "loglevel":
			number(word, value, 0, 8, &o.LogLevel, Default().LogLevel)
		case name == "tick":
			number(word, value, 1, 1000, &o.TickMS, Default().TickMS)
		case name == "deadline-scale":
			number(word, value, 1, 1000, &o.Scale, Default().Scale)
		case name == "callshare":
			number(word, value, 1, 100, &o.Share, Default().Share)
		case word == "ipi=logical" || word == "ipi=physical":
			o.Physical = value == "physical"
		case name == "ipi":
			complain("%s: neither logical nor physical, using the default", word)
		case word == "mitigations=auto" || word == "mitigations=full":
			o.Full = value == "full"
		case word == "smp=serial" || word == "smp=parallel":
			o.Serial = value == "serial"
		case name == "smp":
			complain("%s: neither serial nor parallel, using the default", word)
		case name == "fault":
			if err := o.Faults.Add(value); err != nil {
				complain("%s: %v, ignored", word, err)
			}
		case word == "trace=all": // for the core
		case name == "trace":
			complain("%s: only trace=all is known, ignored", word)
		case name == "mitigations":
			complain("%s: neither auto nor full, using the default", word)
		case name == "run":
			o.HasRun = true
			o.Run = append(o.Run, Commands(value)...)
		case name == "app", name == "arg", name == "env":
			text, err := url.PathUnescape(value)
			if err != nil {
				complain("%s: %v, ignored", word, err)
				break
			}
			switch name {
			case "app":
				o.App = text
			case "arg":
				o.Args = append(o.Args, text)
			case "env":
				o.Env = append(o.Env, text)
			}
		case variable(name): // goes to the kernel's own Go runtime
		default:
			complain("%s: unknown word, ignored", word)
		}
	}
	return o, problems
}

// variable reports whether a name is an environment variable's, in capitals.
func variable(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}
