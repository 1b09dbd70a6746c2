package shell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// How programs share the CPUs, and on which they run: nice and taskset for programs that begin, renice and taskset -p
// for those that run. Their policies are in chrt.go.

// Standing is what a program begins with, and hands down to its threads.
type Standing struct {
	Nice   int
	Policy Policy
	CPUs   []int // on which it may run; nil for all
}

// Bounds of a nice value, and what nice adds without -n.
const (
	lowestNice  = -20
	highestNice = 19
	usualNice   = 10
)

// nice starts a program with a nice value.
func nice(ctx context.Context, s *Shell, a args) error { return s.launch(ctx, "nice", a) }

// taskset starts a program that may run on some CPUs alone. With -p it shows or changes the CPUs of a program that runs.
func taskset(ctx context.Context, s *Shell, a args) error {
	if a.flag("-p") {
		return s.tasksetRunning(a)
	}
	return s.launch(ctx, "taskset", a)
}

// launchers are the commands that say what a program begins with.
var launchers = []string{"nice", "taskset", "chrt"}

// launch starts a program with what launchers say before its name, in any order: nice -n 5 taskset 0-1 NAME. The word
// run may stand before the name.
func (s *Shell) launch(ctx context.Context, name string, a args) error {
	var st Standing
	for {
		var rest []string
		var err error
		switch name {
		case "nice":
			rest, err = st.takeNice(a)
		case "chrt":
			rest, err = st.takePolicy(a)
		default:
			rest, err = s.takeCPUs(&st, a)
		}
		if errors.Is(err, errUsage) {
			err = s.find(name).misuse(s, a)
		}
		if err != nil {
			return err
		}
		if len(rest) > 1 && rest[0] == "run" && !slices.Contains(s.sys.ProgramNames(), "run") {
			rest = rest[1:]
		}
		if !slices.Contains(launchers, rest[0]) {
			return s.runWith(ctx, st, rest)
		}
		name = rest[0]
		if a, err = s.find(name).parse(rest[1:]); err != nil {
			return err
		}
		if a.flag("-p") {
			return fmt.Errorf("%s -p is about a program that runs: it starts none", name)
		}
	}
}

// takeNice adds the nice value that the words of nice say to that of st, and returns the words of the program.
func (st *Standing) takeNice(a args) (rest []string, err error) {
	by := usualNice
	if text, ok := a.options["-n"]; ok {
		if by, err = parseNice(text); err != nil {
			return nil, err
		}
	}
	if len(a.list) == 0 {
		return nil, errUsage
	}
	if _, err := strconv.Atoi(a.first()); err == nil {
		return nil, fmt.Errorf("%q is not a program; nice -n N starts one, renice N PROCESS is for one that runs", a.first())
	}
	st.Nice = max(min(st.Nice+by, highestNice), lowestNice)
	return a.list, nil
}

// parseNice reads a nice value.
func parseNice(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < lowestNice || n > highestNice {
		return 0, fmt.Errorf("%q is not a nice value: %d, the largest share, to %d, the smallest", text, lowestNice, highestNice)
	}
	return n, nil
}

// takeCPUs reads the CPUs that the words of taskset say, and returns the words of the program.
func (s *Shell) takeCPUs(st *Standing, a args) (rest []string, err error) {
	if len(a.list) == 0 {
		return nil, errUsage
	}
	st.CPUs, err = s.onlineSet(a.first())
	if err == nil && len(a.list) == 1 {
		err = fmt.Errorf("the name of a program is missing after the CPUs; taskset -p %s is for one that runs", a.first())
	}
	return a.list[1:], err
}

// onlineSet reads a set of CPUs, of which at least one is online; nil for all.
func (s *Shell) onlineSet(text string) (list []int, err error) {
	if strings.HasPrefix(strings.ToLower(text), "0x") {
		return nil, fmt.Errorf("%q is a mask; CPUs are a list here, as 2, 0-3,6 or all", text)
	}
	cpus := s.sys.CPUs()
	list, err = parseCPUs(text, len(cpus))
	if err != nil || list == nil {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(n int) bool { return cpus[n].State == "online" }) {
		return nil, fmt.Errorf("no CPU of %s is online; cpu online %s brings them", text, text)
	}
	return list, nil
}

// tasksetRunning shows the CPUs of a program that runs, or sets them.
func (s *Shell) tasksetRunning(a args) error {
	if n := len(a.list); n == 0 || n > 2 {
		return errors.New("usage: taskset -p [CPUS] PROCESS")
	}
	m, err := s.target(a.list[len(a.list)-1])
	if err != nil {
		return err
	}
	if len(a.list) == 1 {
		m.show(s)
		return nil
	}
	cpus, err := s.onlineSet(a.first())
	if err != nil {
		return err
	}
	if cpus == nil {
		for i := range s.sys.CPUs() {
			cpus = append(cpus, i)
		}
	}
	return m.each(s, func(id uint32) error { return s.sys.Bind(id, cpus) })
}

// renice changes the nice value of programs that run.
func renice(_ context.Context, s *Shell, a args) error {
	words := a.list
	text, ok := a.options["-n"]
	if !ok && len(words) > 0 {
		text, words = words[0], words[1:]
	}
	if len(words) == 0 {
		return errUsage
	}
	n, err := parseNice(text)
	if err != nil {
		return err
	}
	var failed []error
	for _, w := range words {
		m, err := s.target(w)
		if err == nil {
			err = m.each(s, func(id uint32) error { return s.sys.Nice(id, n) })
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// member is the threads that a number means: all of a process, or one.
type member struct {
	what    string // "process 12"
	process bool
	number  uint32
	rows    []Thread
}

// target returns the threads that a word means.
func (s *Shell) target(word string) (m member, err error) {
	n, err := strconv.ParseUint(word, 10, 31)
	if err != nil || n == 0 {
		return m, fmt.Errorf("%q is not the number of a process; ps -processes lists them", word)
	}
	m = member{number: uint32(n)}
	for _, t := range s.sys.Threads() {
		m.process = m.process || t.Process == m.number
		if t.Process == m.number || t.ID == m.number {
			m.rows = append(m.rows, t)
		}
	}
	m.what = fmt.Sprintf("thread %d", n)
	if m.process {
		m.what = fmt.Sprintf("process %d", n)
	}
	if m.rows == nil {
		return m, fmt.Errorf("no process %d; ps -processes lists them", n)
	}
	return m, nil
}

// show prints the CPUs of the threads, in one line if they are the same.
func (m member) show(s *Shell) {
	first := m.rows[0].CPUs
	if !slices.ContainsFunc(m.rows, func(t Thread) bool { return !slices.Equal(t.CPUs, first) }) {
		fmt.Fprintln(s.out, hang(fmt.Sprintf("%s may run on the CPUs %s", m.what, spaced(cpuSet(first)))))
		return
	}
	for _, t := range m.rows {
		fmt.Fprintln(s.out, hang(fmt.Sprintf("thread %d may run on the CPUs %s", t.ID, spaced(cpuSet(t.CPUs)))))
	}
}

// eachRounds is how often each looks for threads that were made meanwhile.
const eachRounds = 10

// each changes the threads, also those that the process makes meanwhile: a new one has what its maker had.
func (m member) each(s *Shell, change func(id uint32) error) error {
	done := map[uint32]bool{}
	changed := 0
	for round := 0; ; round++ {
		if round == eachRounds {
			return fmt.Errorf("%s makes threads faster than they can be changed; try again", m.what)
		}
		found := false
		for _, t := range m.rows {
			if done[t.ID] {
				continue
			}
			found, done[t.ID] = true, true
			switch err := change(t.ID); {
			case err == nil:
				changed++
			case errors.Is(err, syscall.EPERM):
				return fmt.Errorf("%s is of the kernel itself, whose threads come first and run on all CPUs", m.what)
			case !errors.Is(err, syscall.ESRCH): // that one has ended
				return fmt.Errorf("%s: %w", m.what, err)
			}
		}
		if !found || !m.process {
			break
		}
		m.rows = slices.DeleteFunc(s.sys.Threads(), func(t Thread) bool { return t.Process != m.number })
	}
	if changed == 0 {
		return fmt.Errorf("%s has ended", m.what)
	}
	return nil
}

// programsRunning returns the numbers of the processes that are programs.
func programsRunning(s *Shell) (words []string) {
	for _, p := range sums(slices.DeleteFunc(s.sys.Threads(), func(t Thread) bool { return t.Ring == 0 })) {
		words = append(words, strconv.Itoa(int(p.Process)))
	}
	return words
}

// tasksetWords are the words that may follow a set of CPUs: with -p processes, else programs.
func tasksetWords(s *Shell, before []string) []string {
	if len(before) > 1 {
		return nil
	}
	return append(slices.Clone(s.sys.ProgramNames()), programsRunning(s)...)
}
