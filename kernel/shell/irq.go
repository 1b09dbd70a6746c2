package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
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
		return s.sys.ResumeIRQ(a.list[1])
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

func listIRQs(s *Shell, a args) error {
	rows := s.sys.IRQs()
	head := "VECTOR NAME LINE TRIGGER GOES-TO STATE STRAYS"
	if len(rows) > 0 {
		for i := range rows[0].Counts {
			head += fmt.Sprintf(" CPU%d", i)
		}
	}
	return list(s, a, rows, head, func(w io.Writer, r IRQ) {
		trigger, to := strings.TrimSuffix(r.Trigger+","+r.Polarity, ","), ""
		if r.CPU != nil {
			to = fmt.Sprintf("cpu%d of %s", *r.CPU, cpuSet(r.Allowed))
		}
		strays := ""
		if r.Trigger == "level" {
			strays = strconv.FormatUint(r.Strays, 10)
		}
		number := ""
		if r.Vector >= 0 {
			number = fmt.Sprintf("%#02x", r.Vector)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t", number, r.Name, r.Line, trigger, to, r.State, strays)
		for _, n := range r.Counts {
			fmt.Fprintf(w, "%d\t", n)
		}
	})
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
		return err
	}
	for _, r := range s.sys.IRQs() {
		if a.json && r.Line == label {
			return s.printJSON(r)
		}
	}
	return nil
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
