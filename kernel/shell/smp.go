package shell

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// BringUp is the start of one CPU.
type BringUp struct {
	CPU    int    `json:"cpu"`
	APICID uint32 `json:"apic_id"`
	Steps  []Step `json:"steps"` // in the order of time
}

// Step is an action on a CPU, or an action of the CPU itself.
type Step struct {
	Name   string  `json:"name"`
	Micros float64 `json:"us"` // from the first INIT
}

// startable are the CPUs that may follow start.
func startable(s *Shell, before []string) []string {
	if before[0] != "start" || len(before) > 1 {
		return nil
	}
	return cpuNumbers(s, func(c CPU) bool { return changeable(c, "online") })
}

// smp prints the time line of the start of all CPUs, or starts one.
func smp(_ context.Context, s *Shell, a args) error {
	switch {
	case a.first() == "trace" && len(a.list) > 1:
		return s.find("smp").surplus(a.list[1])
	case a.first() == "trace":
		return smpTrace(s, a)
	case a.first() == "start" && len(a.list) == 2:
		return smpStart(s, a)
	}
	return errUsage
}

// smpStart starts one CPU. With -json its row of the listing is the document.
func smpStart(s *Shell, a args) error {
	n, err := strconv.ParseUint(a.list[1], 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a CPU number; cpus lists them", a.list[1])
	}
	if err := s.sys.StartCPU(int(n)); err != nil {
		return err
	}
	for _, c := range s.sys.CPUs() {
		if a.json && c.CPU == int(n) {
			return s.printJSON(c)
		}
	}
	return nil
}

func smpTrace(s *Shell, a args) error {
	rows := s.sys.BringUp()
	if a.json {
		if rows == nil {
			rows = []BringUp{}
		}
		return s.printJSON(rows)
	}
	if len(rows) == 0 {
		fmt.Fprintln(s.out, "no AP was started")
	}
	for _, r := range rows {
		var steps []string
		for _, x := range r.Steps {
			steps = append(steps, fmt.Sprintf("%s %.1f", x.Name, x.Micros))
		}
		fmt.Fprintf(s.out, "cpu %d, APIC ID %d, us: %s\n", r.CPU, r.APICID, strings.Join(steps, ", "))
	}
	return nil
}
