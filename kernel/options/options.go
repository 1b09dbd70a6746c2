// Package options parses the kernel command line into settings.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Chapter: docs/01-boot.md.
package options

import (
	"fmt"
	"net/url"
	"strings"

	"muster/kernel/inject"
	"muster/kernel/setting"
)

// Options is the settings of the command line.
type Options struct {
	NoSMP    bool          // nosmp: use only the boot CPU
	MaxCPUs  int           // maxcpus=N; 0 without the word
	Run      []string      // run="cmd; cmd": commands to run unattended
	HasRun   bool          // run= was given, perhaps empty
	LogLevel int           // loglevel=N
	TickMS   int           // tick=N
	Scale    int           // deadline-scale=N
	Full     bool          // mitigations=full, not auto: clear CPU buffers even where the CPU does not need it
	Serial   bool          // smp=serial, not parallel: start the CPUs one after the other
	Faults   inject.Faults // fault=..., may be repeated
	Physical bool          // ipi=physical, not logical: address each CPU by itself
	Share    int           // callshare=N: percent of a CPU's time that calls of other CPUs may take
	Counted  bool          // icount: the clock counts instructions
	App      string        // app=NAME: run the first module as a program of this name
	Args     []string      // arg=...: its arguments, percent-encoded
	Env      []string      // env=K=V: its environment, percent-encoded
}

// Default is the settings of an empty command line.
func Default() Options {
	return Options{
		MaxCPUs:  int(setting.MaxCPUs.Default),
		LogLevel: int(setting.LogLevel.Default),
		TickMS:   int(setting.TickMS.Default),
		Scale:    int(setting.DeadlineScale.Default),
		Share:    int(setting.CallShare.Default),
	}
}

// Parse reads the command line. Each problem is one sentence; its setting keeps the
// default. It is long because each word has its case.
func Parse(line string) (o Options, problems []string) {
	o = Default()
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	numbers := []struct {
		*setting.Number
		to *int
	}{
		{&setting.MaxCPUs, &o.MaxCPUs}, {&setting.LogLevel, &o.LogLevel}, {&setting.TickMS, &o.TickMS},
		{&setting.DeadlineScale, &o.Scale}, {&setting.CallShare, &o.Share},
	}
	number := func(word, name, value string) bool {
		for _, s := range numbers {
			if s.Name != name {
				continue
			}
			n, ok := s.Parse([]byte(value))
			if !ok {
				complain("%s: not a number from %d to %d, using the default", word, s.Lowest, s.Highest)
				n = s.Default
			}
			*s.to = int(n)
			return true
		}
		return false
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
		case number(word, name, value):
		case word == "ipi=logical" || word == "ipi=physical":
			o.Physical = value == "physical"
		case name == "ipi":
			complain("%s: not logical or physical, using the default", word)
		case word == "mitigations=auto" || word == "mitigations=full":
			o.Full = value == "full"
		case word == "smp=serial" || word == "smp=parallel":
			o.Serial = value == "serial"
		case name == "smp":
			complain("%s: not serial or parallel, using the default", word)
		case name == "fault":
			if err := o.Faults.Add(value); err != nil {
				complain("%s: %v, ignored", word, err)
			}
		case word == "trace=all": // for the core
		case name == "trace":
			complain("%s: not trace=all, ignored", word)
		case name == "mitigations":
			complain("%s: not auto or full, using the default", word)
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
