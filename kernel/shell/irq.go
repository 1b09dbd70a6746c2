package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// irq lists interrupts, or restricts a line to CPUs.
func irq(_ context.Context, s *Shell, a args) error {
	switch {
	case len(a.list) == 0:
		return listIRQs(s, a)
	case a.first() == "affinity" && len(a.list) == 3:
		return affinity(s, a)
	case a.first() == "drain" && len(a.list) == 2:
		return withCPU(a.list[1], s.sys.DrainCPU)
	case a.first() == "admit" && len(a.list) == 2:
		return withCPU(a.list[1], s.sys.AdmitCPU)
	case a.first() == "resume" && len(a.list) == 2:
		return named(s, a.list[1], s.sys.ResumeIRQ(a.list[1]))
	}
	return errUsage
}

// withCPU calls f with the number of a CPU.
func withCPU(text string, f func(cpu int) error) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a CPU number; cpus lists them", text)
	}
	return f(int(n))
}

// listIRQs prints how often each CPU was interrupted, then where the lines of devices go.
func listIRQs(s *Shell, a args) error {
	rows := s.sys.IRQs()
	if a.json {
		if rows == nil {
			rows = []IRQ{}
		}
		return s.printJSON(rows)
	}
	cpus := s.sys.CPUs()
	var table []counted
	var lines []IRQ
	for _, r := range rows {
		number := ""
		if r.Vector >= 0 {
			number = fmt.Sprintf("%#02x", r.Vector)
		}
		table = append(table, counted{[]string{number, r.Name, r.Line}, r.Counts})
		if r.Line != "" {
			lines = append(lines, r)
		}
	}
	if err := perCPU(s.out, []string{"VECTOR", "NAME", "LINE"}, table, len(cpus)); err != nil || len(lines) == 0 {
		return err
	}
	fmt.Fprintln(s.out)
	err := list(s, a, lines, "LINE NAME TRIGGER GOES-TO STATE STRAYS MOVES", func(w io.Writer, r IRQ) {
		trigger, to := strings.TrimSuffix(r.Trigger+","+r.Polarity, ","), ""
		if r.CPU != nil {
			to = fmt.Sprintf("cpu%d of %s", *r.CPU, shortSet(r.Allowed))
		}
		strays := ""
		if r.Trigger == "level" {
			strays = strconv.FormatUint(r.Strays, 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t", r.Line, r.Name, trigger, to, r.State, strays, r.Balanced)
	})
	exceptions(s.out, lines, cpus)
	return err
}

// exceptions says what the table of lines does not show: why a line goes elsewhere, what to do about a stuck
// one, and which CPUs get none.
func exceptions(w io.Writer, lines []IRQ, cpus []CPU) {
	for _, r := range lines {
		if set := cpuSet(r.Allowed); r.CPU != nil && set != shortSet(r.Allowed) {
			fmt.Fprintln(w, hang(fmt.Sprintf("line %s may go to the CPUs %s", r.Line, spaced(set))))
		}
		if r.CPU != nil && r.Allowed != nil && !slices.Contains(r.Allowed, *r.CPU) {
			fmt.Fprintln(w, hang(fmt.Sprintf("line %s goes to cpu%d while none of its CPUs (%s) takes interrupts", r.Line, *r.CPU, spaced(cpuSet(r.Allowed)))))
		}
		if r.State == "stuck" {
			fmt.Fprintf(w, "line %s is stuck: masked, its driver polls; irq resume %s lets it interrupt\n", r.Line, r.Line)
		}
	}
	for _, c := range cpus {
		if c.Drained {
			fmt.Fprintf(w, "cpu%d was drained: it gets no lines; irq admit %d ends that\n", c.CPU, c.CPU)
		}
	}
}

// irqWords are the words that may follow those of a command.
func irqWords(s *Shell, before []string) (words []string) {
	switch {
	case (before[0] == "affinity" || before[0] == "resume") && len(before) == 1:
		for _, r := range s.sys.IRQs() {
			if r.Line != "" && (before[0] == "affinity" || r.State == "stuck") {
				words = append(words, r.Line)
			}
		}
	case before[0] == "affinity" && len(before) == 2:
		return append(cpuNumbers(s, func(c CPU) bool { return c.State == "online" && !c.Drained }), "all")
	case before[0] == "drain" && len(before) == 1:
		return cpuNumbers(s, func(c CPU) bool { return c.State == "online" && !c.Drained })
	case before[0] == "admit" && len(before) == 1:
		return cpuNumbers(s, func(c CPU) bool { return c.Drained })
	}
	return words
}

// cpuNumbers returns the numbers of some CPUs.
func cpuNumbers(s *Shell, which func(c CPU) bool) (words []string) {
	for _, c := range s.sys.CPUs() {
		if which(c) {
			words = append(words, strconv.Itoa(c.CPU))
		}
	}
	return words
}

// affinity lets a line go to some CPUs alone. With -json its row of the listing is the
// document.
func affinity(s *Shell, a args) error {
	label := a.list[1]
	cpus, err := parseCPUs(a.list[2], len(s.sys.CPUs()))
	if err != nil {
		return err
	}
	if err := s.sys.Affinity(label, cpus); err != nil {
		return named(s, label, err)
	}
	for _, r := range s.sys.IRQs() {
		if a.json && r.Line == label {
			return s.printJSON(r)
		}
	}
	return nil
}

// named adds to an error about a line the line's label, if the command has the name of its device instead.
func named(s *Shell, word string, err error) error {
	if err == nil {
		return nil
	}
	for _, r := range s.sys.IRQs() {
		if r.Line != "" && strings.EqualFold(r.Name, word) {
			return fmt.Errorf("no line %q: %s is line %s", word, r.Name, r.Line)
		}
	}
	return err
}

// parseCPUs reads a set of CPUs below n: numbers and ranges with commas between them, or
// all, which is nil. The list is ascending, and has each CPU once.
func parseCPUs(text string, n int) (list []int, err error) {
	if text == "all" {
		return nil, nil
	}
	named := make([]bool, n)
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.ParseUint(low, 10, 31)
		to, also := strconv.ParseUint(high, 10, 31)
		if err := errors.Join(err, also); err != nil || from > to {
			return nil, fmt.Errorf("%q is not a set of CPUs, as 2, 0-3,6 or all", text)
		}
		if int(to) >= n {
			return nil, fmt.Errorf("there is no cpu%d; cpus lists them", to)
		}
		for i := from; i <= to; i++ {
			named[i] = true
		}
	}
	for i, is := range named {
		if is {
			list = append(list, i)
		}
	}
	return list, nil
}

// mostSet is the longest set of CPUs in a column.
const mostSet = 12

// shortSet is cpuSet for a column: the number of CPUs if the set is long.
func shortSet(list []int) string {
	if set := cpuSet(list); len(set) <= mostSet {
		return set
	}
	return fmt.Sprintf("%d CPUs", len(list))
}

// spaced returns a set of CPUs as words that wrap may divide.
func spaced(set string) string { return strings.ReplaceAll(set, ",", ", ") }

// cpuSet writes a set of CPUs, ascending, in the shortest way; "all" for nil.
func cpuSet(list []int) string {
	if list == nil {
		return "all"
	}
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		part := strconv.Itoa(list[i])
		if j > i {
			part += "-" + strconv.Itoa(list[j])
		}
		parts, i = append(parts, part), j+1
	}
	return strings.Join(parts, ",")
}
