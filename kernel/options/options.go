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
	"slices"
	"strings"

	"muster/kernel/inject"
	"muster/kernel/keymap"
	"muster/kernel/near"
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
	Static   bool          // irq=static, not balance: lines stay where they are
	Physical bool          // ipi=physical, not logical: address each CPU by itself
	Share    int           // callshare=N: percent of a CPU's time that calls of other CPUs may take
	Stretch  int           // stretch=N, in debug builds: the longest time with interrupts off, in nanoseconds; 0 without the word
	Counted  bool          // icount: the clock counts instructions
	Stdio    Port          // stdio=PORT/IRQ: the serial port of programs' descriptors 0 and 1
	Control  Port          // control=PORT/IRQ: the serial port of what the other end says about them
	OwnErrs  bool          // stderr=control, not console: descriptor 2 has the control port
	Layout   string        // keys=NAME: the keyboards' layout
	PS2      string        // ps2=auto, set2 or off: use of the PS/2 controller
	Status   string        // status=auto, on or off: the status screen before the first prompt
	App      string        // app=NAME: run the first module as a program of this name
	Copies   int           // copies=N: that many processes of the program at once
	Rounds   int           // rounds=N: that many times over
	Args     []string      // arg=...: its arguments, percent-encoded
	Env      []string      // env=K=V: its environment, percent-encoded
}

// names are the words that take a value.
var names = []string{"maxcpus", "run", "loglevel", "tick", "deadline-scale", "mitigations", "smp", "fault", "irq", "ipi", "callshare", "stretch",
	"stdio", "control", "stderr", "keys", "ps2", "status", "app", "copies", "rounds", "arg", "env", "timer", "nohz", "placement", "zeropool", "tsc", "crlf", "console", "trace"}

// Default is the settings of an empty command line.
func Default() Options {
	return Options{
		MaxCPUs:  int(setting.MaxCPUs.Default),
		LogLevel: int(setting.LogLevel.Default),
		TickMS:   int(setting.TickMS.Default),
		Scale:    int(setting.DeadlineScale.Default),
		Share:    int(setting.CallShare.Default),
		Copies:   int(setting.Copies.Default),
		Rounds:   int(setting.Rounds.Default),
		Layout:   keymap.Names()[0],
		PS2:      "auto",
		Status:   "auto",
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
		{&setting.DeadlineScale, &o.Scale}, {&setting.CallShare, &o.Share}, {&setting.Stretch, &o.Stretch},
		{&setting.Copies, &o.Copies}, {&setting.Rounds, &o.Rounds},
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
	variables := 0
	for _, word := range Words(line) {
		name, value, hasValue := strings.Cut(word, "=")
		switch {
		case word == "nosmp":
			o.NoSMP = true
		case word == "icount":
			o.Counted = true
		case !hasValue && slices.Contains(names, word):
			complain("%s: needs a value, as in %s=, ignored", word, word)
		case !hasValue:
			complain("%s: unknown word%s, ignored", word, near.Suggest(word, append([]string{"nosmp", "icount"}, names...)))
		case number(word, name, value):
		case word == "ipi=logical" || word == "ipi=physical":
			o.Physical = value == "physical"
		case word == "irq=balance" || word == "irq=static":
			o.Static = value == "static"
		case name == "irq":
			complain("%s: not balance or static, using the default", word)
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
		case name == "stdio" || name == "control":
			p, err := parsePort(value)
			if err != nil {
				complain("%s: %v, ignored", word, err)
			} else if name == "stdio" {
				o.Stdio = p
			} else {
				o.Control = p
			}
		case word == "stderr=console" || word == "stderr=control":
			o.OwnErrs = value == "control"
		case name == "stderr":
			complain("%s: not console or control, using the default", word)
		case name == "keys" && keymap.Find(value) != nil:
			o.Layout = value
		case name == "keys":
			complain("%s: not one of %s, using the default", word, strings.Join(keymap.Names(), ", "))
		case word == "ps2=auto" || word == "ps2=set2" || word == "ps2=off":
			o.PS2 = value
		case name == "ps2":
			complain("%s: not auto, set2 or off, using the default", word)
		case word == "status=auto" || word == "status=on" || word == "status=off":
			o.Status = value
		case name == "status":
			complain("%s: not auto, on or off, using the default", word)
		case word == "timer=auto" || word == "timer=oneshot" || word == "timer=deadline" || word == "timer=periodic": // for the core
		case name == "timer":
			complain("%s: not auto, oneshot, deadline or periodic, using the default", word)
		case word == "nohz=on" || word == "nohz=off": // for the core
		case name == "nohz":
			complain("%s: not on or off, using the default", word)
		case word == "placement=near" || word == "placement=pack": // for the core
		case name == "placement":
			complain("%s: not near or pack, using the default", word)
		case word == "zeropool=on" || word == "zeropool=off": // for the core
		case name == "zeropool":
			complain("%s: not on or off, using the default", word)
		case word == "tsc=auto" || word == "tsc=reliable" || word == "tsc=off": // for the core
		case name == "tsc":
			complain("%s: not auto, reliable or off, using the default", word)
		case word == "crlf=on" || word == "crlf=off": // for the core
		case name == "crlf":
			complain("%s: not on or off, using the default", word)
		case word == "console=both" || word == "console=serial" || word == "console=screen": // for the core
		case name == "console":
			complain("%s: not serial, screen or both, using the default", word)
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
			if len(word) > setting.VariableBytes {
				complain("%s: %d bytes with its name, at most %d are passed on", name, len(word), setting.VariableBytes)
			} else if variables++; variables > setting.Variables {
				complain("%s: variable number %d, at most %d are passed on", name, variables, setting.Variables)
			}
		default:
			complain("%s: unknown word%s, ignored", word, near.Suggest(name, names))
		}
	}
	return o, problems
}

// variable reports whether a name is an environment variable's, in capitals.
func variable(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}
