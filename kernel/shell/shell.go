// Package shell is the kernel's command line on the serial console.
//
// Layer: service.
// Context: one goroutine runs commands; another reads the keyboard.
// Locks: none.
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

	"github.com/agnivade/levenshtein"

	"muster/kernel/options"
)

// System is what commands need to know of the machine.
type System interface {
	CPUs() []CPU
	Firmware() Firmware
	BringUp() []BringUp
	Features() []Features
	StartCPU(cpu int) error // one that does not take part
	Messages() []Message
	Audit() []Audited // nil without a debug build
	IRQs() []IRQ
	Threads() []Thread
	Memory() Memory
	Log() []LogLine
	Uptime() Uptime
	Trace(cpu, n int) []Event
	End(status int)
	Reboot()
	Crash(kind string) error
	CrashKinds() []string
	Instructions() bool // the clock counts instructions
}

// Shell runs commands.
type Shell struct {
	sys      System
	out      io.Writer
	commands []command
}

// New returns a shell that writes to out.
func New(sys System, out io.Writer) *Shell {
	s := &Shell{sys: sys, out: out}
	s.commands = commands()
	return s
}

// command is one command. Listing commands take -json.
type command struct {
	name  string
	usage string // arguments
	flags []string
	about string
	json  bool
	run   func(ctx context.Context, s *Shell, a args) error
	words func(s *Shell) []string // completions of the first argument
}

// args is what follows the command's name.
type args struct {
	list  []string
	flags []string
	json  bool
}

// flag reports whether an option was given.
func (a args) flag(name string) bool { return slices.Contains(a.flags, name) }

// first returns the first argument, "" if there is none.
func (a args) first() string {
	if len(a.list) == 0 {
		return ""
	}
	return a.list[0]
}

// errUsage says that the arguments do not fit.
var errUsage = errors.New("usage")

// Run executes one line. The error has been printed.
func (s *Shell) Run(ctx context.Context, line string) error {
	list := options.Words(line)
	if len(list) == 0 {
		return nil
	}
	err := s.dispatch(ctx, list)
	if err != nil {
		name := list[0] + ": "
		fmt.Fprintln(s.out, name+strings.TrimPrefix(err.Error(), name)) // some say it themselves
	}
	return err
}

func (s *Shell) dispatch(ctx context.Context, words []string) error {
	c := s.find(words[0])
	if c == nil {
		return fmt.Errorf("unknown command, nearest is %q; help lists all", s.nearest(words[0]))
	}
	var a args
	for _, w := range words[1:] {
		switch {
		case w == "-json" || w == "--json":
			a.json = true
		case slices.Contains(c.flags, w):
			a.flags = append(a.flags, w)
		case strings.HasPrefix(w, "-") && len(w) > 1:
			return fmt.Errorf("unknown option %s; %s", w, c.synopsis())
		default:
			a.list = append(a.list, w)
		}
	}
	if a.json && !c.json || len(a.list) > 0 && c.usage == "" {
		return fmt.Errorf("usage: %s", c.synopsis())
	}
	err := c.run(ctx, s, a)
	if errors.Is(err, errUsage) {
		return fmt.Errorf("usage: %s", c.synopsis())
	}
	return err
}

func (c *command) synopsis() string {
	parts := []string{c.name}
	if c.json {
		parts = append(parts, "[-json]")
	}
	if c.usage != "" {
		parts = append(parts, c.usage)
	}
	return strings.Join(parts, " ")
}

func (s *Shell) find(name string) *command {
	for i := range s.commands {
		if s.commands[i].name == name {
			return &s.commands[i]
		}
	}
	return nil
}

// nearest returns the command whose name takes the fewest edits to reach.
func (s *Shell) nearest(word string) string {
	return slices.MinFunc(s.commands, func(a, b command) int {
		return levenshtein.ComputeDistance(word, a.name) - levenshtein.ComputeDistance(word, b.name)
	}).name
}

// Complete returns what the last word of a line may become.
func (s *Shell) Complete(line string) (candidates []string) {
	words := strings.Fields(line)
	last := ""
	if len(words) > 0 && !strings.HasSuffix(line, " ") {
		last = words[len(words)-1]
		words = words[:len(words)-1]
	}
	var all []string
	if len(words) == 0 {
		for _, c := range s.commands {
			all = append(all, c.name)
		}
	} else if c := s.find(words[0]); c != nil {
		if c.words != nil {
			all = c.words(s)
		}
		all = append(all, c.flags...)
		if c.json {
			all = append(all, "-json")
		}
	}
	for _, w := range all {
		if strings.HasPrefix(w, last) {
			candidates = append(candidates, w)
		}
	}
	slices.Sort(candidates)
	return candidates
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

func (s *Shell) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s\n", b)
	return err
}
