// Package shell is the kernel's command line, with a session on the screen and one on the serial port.
//
// Layer: service.
// Context: each session has two goroutines: one runs commands, another reads the keyboard.
// Locks: shared.mu guards what sessions share; jobs.mu the jobs of a session.
// Chapter: docs/12-shell-and-tests.md.
// Left out: pipes, variables, files.
package shell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"muster/kernel/abi"
	"muster/kernel/options"
)

// System is the interface of the commands to the machine.
type System interface {
	CPUs() []CPU
	Firmware() Firmware
	BringUp() []BringUp
	Features() []Features
	StartCPU(cpu int) error // one that is not online
	StopCPU(cpu int) error  // takes one offline
	IPIs() []IPI
	Locks() []LockClass
	Audit() []Audited // nil without a debug build
	IRQs() []IRQ
	SerialPorts() []SerialPort
	Affinity(line string, cpus []int) error // the CPUs to which a device's line may go
	DrainCPU(cpu int) error                 // leads all lines away from a CPU
	AdmitCPU(cpu int) error                 // ends that
	ResumeIRQ(line string) error            // lets a stuck line interrupt again
	PCI() []PCI
	Threads() []Thread
	Sched(cpu int) (SchedCPU, error)
	Memory() Memory
	Temperature() (celsius int) // 0: no sensor that the kernel can read
	Log() []LogLine
	LastBoot() LastBoot
	Machine() Machine
	Uptime() Uptime
	Time() Time
	Freq() Freq
	Trace(cpu int, from uint64) []Event // from number from on, without their texts, newest first
	TraceKinds(kinds uint32) (old uint32)
	StartProfile(cpu, rate int) error // samples a second
	StopProfile() (quiet bool)
	Samples(cpu int) []abi.Sample // that were not taken yet
	SampleCounts(cpu int) abi.SampleCounts
	End(status int)
	Reboot()
	Crash(kind string) error
	CrashKinds() []OptionHelp // without values
	Instructions() bool       // the clock counts instructions
	// Programs runs the first module several times at once, each with arguments of its
	// own, and returns how each ended. When ctx ends, each gets SIGINT.
	Programs(ctx context.Context, lists [][]string) (statuses []int, err error)
	ProgramNames() []string
	// Start starts the program with the name args[0]. ErrNoProgram: there is none.
	Start(standing Standing, args []string) (Program, error)
	Bind(thread uint32, cpus []int) error    // ESRCH: no such thread; EPERM: one of the kernel's own; EINVAL: no CPU is online
	Nice(thread uint32, nice int) error      // ESRCH, EPERM
	SetPolicy(thread uint32, p Policy) error // ESRCH, EPERM
}

// Shell runs commands.
type Shell struct {
	sys      System
	out      io.Writer
	commands []command
	document []byte        // of the command that runs, with -json
	shared   *shared       // what all sessions share
	interval time.Duration // between two views of top
	jobs     jobs
}

// New returns a shell that writes to out.
func New(sys System, out io.Writer) *Shell {
	return newShell(sys, out, new(shared))
}

// Beside returns the shell of another session of the same machine, which has jobs and a history of its own.
func (s *Shell) Beside(sys System, out io.Writer) *Shell {
	return newShell(sys, out, s.shared)
}

func newShell(sys System, out io.Writer, c *shared) *Shell {
	s := &Shell{sys: sys, out: out, shared: c, interval: time.Second}
	s.commands = commands()
	return s
}

// Run executes the commands of a line, one after the other. After a command that
// fails the next one runs; after a cancelled ctx none runs. The errors have been
// printed.
func (s *Shell) Run(ctx context.Context, line string) error {
	var failed []error
	list := options.Commands(line)
	for i, c := range list {
		if i > 0 && ctx.Err() != nil {
			err := fmt.Errorf("interrupted, not run: %s", strings.Join(list[i:], "; "))
			fmt.Fprintln(s.out, err)
			failed = append(failed, err)
			break
		}
		failed = append(failed, s.runOne(ctx, options.Words(c)))
	}
	return errors.Join(failed...)
}

// runOne executes one command and prints its error. With -json the error is the
// document, even if the command is unknown or does not accept -json.
func (s *Shell) runOne(ctx context.Context, words []string) error {
	s.document = nil
	err := s.dispatch(ctx, words)
	if err != nil {
		name := words[0] + ": "
		if words[0] == "" {
			name = `"": `
		}
		text := name + strings.TrimPrefix(err.Error(), name) // some errors begin with the name
		own := words[1:]
		if c := s.find(words[0]); c != nil {
			own = c.own(own)
		}
		if slices.ContainsFunc(own, wantsJSON) {
			s.document = failure(text, s.document)
		} else {
			fmt.Fprintln(s.out, strings.ReplaceAll(text, "\n", "\n"+name)) // of several errors each has the name
		}
	}
	if s.document != nil {
		fmt.Fprintf(s.out, "%s\n", s.document)
	}
	return err
}

// Failure is the JSON document of a command that failed.
type Failure struct {
	Error  string          `json:"error"`
	Output json.RawMessage `json:"output,omitempty"` // the command's output before the error
}

func failure(text string, output []byte) []byte {
	b, err := json.Marshal(Failure{text, output})
	if err != nil { // output came from json.Marshal
		panic(err)
	}
	return b
}

func (s *Shell) dispatch(ctx context.Context, words []string) error {
	c := s.find(words[0])
	if c == nil {
		return fmt.Errorf("unknown command%s", instead(words[0], commandNames(s)))
	}
	if own := c.own(words[1:]); slices.ContainsFunc(own, wantsHelp) {
		return s.describe(c, slices.ContainsFunc(own, wantsJSON))
	}
	a, err := c.parse(words[1:])
	if err == nil {
		err = c.run(ctx, s, a)
	}
	if errors.Is(err, errUsage) {
		return c.misuse(s, a)
	}
	return err
}

func (s *Shell) find(name string) *command {
	for i := range s.commands {
		if strings.EqualFold(s.commands[i].name, name) {
			return &s.commands[i]
		}
	}
	return nil
}

// list prints rows as a table, or with -json as one JSON array on one line.
func list[T any](s *Shell, a args, rows []T, head string, row func(w io.Writer, r T)) error {
	if a.json {
		if rows == nil {
			rows = []T{}
		}
		return s.printJSON(rows)
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t")+"\t")
	for _, r := range rows {
		row(w, r)
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// printJSON makes v the command's document. It is printed when the command has
// ended: there is one document for each command, whether it fails or not.
func (s *Shell) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.document = b
	return nil
}
