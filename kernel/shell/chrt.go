package shell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// By what rule a program's threads get a CPU: chrt for programs that begin, chrt -p for those that run. The options are those
// of Linux's command.

// Policy is such a rule. The zero value is the usual one.
type Policy struct {
	Class    string // FIFO, RR, idle; "" for fair
	Priority int    // of FIFO and RR, from 1 to highestPriority
}

const highestPriority = 99

// chrt starts a program with a policy. With -p it shows or changes the policy of a program that runs.
func chrt(ctx context.Context, s *Shell, a args) error {
	if a.flag("-p") {
		return s.chrtRunning(a)
	}
	return s.launch(ctx, "chrt", a)
}

// takePolicy reads the policy that the words of chrt say, and returns the words of the program.
func (st *Standing) takePolicy(a args) (rest []string, err error) {
	if len(a.list) == 0 {
		return nil, errUsage
	}
	st.Policy, rest, err = parsePolicy(a)
	if err == nil && len(rest) == 0 {
		err = errors.New("the name of a program is missing; chrt -p is for one that runs")
	}
	return rest, err
}

// policyOptions returns the options of a that name policies.
func policyOptions(a args) (given []string) {
	for _, o := range []string{"-f", "-r", "-o", "-i"} {
		if a.flag(o) {
			given = append(given, o)
		}
	}
	return given
}

// parsePolicy reads a policy, and returns the words that follow. The priority 0 may be missing.
func parsePolicy(a args) (p Policy, rest []string, err error) {
	given := policyOptions(a)
	if len(given) > 1 {
		return p, nil, fmt.Errorf("%s and %s are two policies", given[0], given[1])
	}
	rest = a.list
	switch {
	case a.flag("-o") || a.flag("-i"):
		if a.flag("-i") {
			p.Class = "idle"
		}
		if n, err := strconv.Atoi(rest[0]); err == nil && n != 0 && len(rest) > 1 {
			return p, nil, fmt.Errorf("%d is not a priority of %s: its only one is 0, which may be missing", n, given[0])
		} else if err == nil && n == 0 {
			rest = rest[1:]
		}
		return p, rest, nil
	case a.flag("-f"):
		p.Class = "FIFO"
	default:
		p.Class = "RR"
	}
	p.Priority, err = strconv.Atoi(rest[0])
	if err != nil || p.Priority < 1 || p.Priority > highestPriority {
		return p, nil, fmt.Errorf("%q is not a priority: that is a number from 1 to %d, and comes first", rest[0], highestPriority)
	}
	return p, rest[1:], nil
}

// chrtRunning shows the policy of a program that runs, or sets it.
func (s *Shell) chrtRunning(a args) error {
	n := len(a.list)
	if n == 0 {
		return errors.New("usage: chrt -p [-f|-r|-o|-i] [PRIORITY] PROCESS")
	}
	m, err := s.target(a.list[n-1])
	if err != nil {
		return err
	}
	if n == 1 && policyOptions(a) == nil {
		m.showPolicy(s)
		return nil
	}
	p, rest, err := parsePolicy(a)
	switch {
	case err != nil:
		return err
	case len(rest) != 1:
		return errors.New("usage: chrt -p [-f|-r|-o|-i] [PRIORITY] PROCESS")
	}
	return m.each(s, func(id uint32) error { return s.sys.SetPolicy(id, p) })
}

// showPolicy prints the policy of the threads, in one line if it is the same.
func (m member) showPolicy(s *Shell) {
	of := func(t Thread) string {
		switch t.Class {
		case "FIFO", "RR":
			return fmt.Sprintf("is of the class %s, priority %d", t.Class, t.Priority)
		case "fair", "idle":
			return fmt.Sprintf("is of the class %s, nice value %d", t.Class, t.Priority)
		}
		return "is of the class " + t.Class
	}
	first := of(m.rows[0])
	if !slices.ContainsFunc(m.rows, func(t Thread) bool { return of(t) != first }) {
		fmt.Fprintln(s.out, m.what, first)
		return
	}
	for _, t := range m.rows {
		fmt.Fprintln(s.out, "thread", t.ID, of(t))
	}
}

// chrtWords are the words that may follow a priority: with -p processes, else programs.
func chrtWords(s *Shell, _ []string) []string {
	return append(slices.Clone(s.sys.ProgramNames()), programsRunning(s)...)
}
