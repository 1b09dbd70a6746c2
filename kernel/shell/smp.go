package shell

import (
	"context"
	"fmt"
	"strings"
)

// BringUp is the start of one CPU.
type BringUp struct {
	CPU    int    `json:"cpu"`
	APICID uint32 `json:"apic_id"`
	Steps  []Step `json:"steps"` // in the order of time
}

// Step is one thing that was done to a CPU, or that it did.
type Step struct {
	Name   string  `json:"name"`
	Micros float64 `json:"us"` // from the first INIT
}

// smpTrace prints the time line of the start of all CPUs.
func smpTrace(_ context.Context, s *Shell, a args) error {
	if a.first() != "trace" || len(a.list) > 1 {
		return errUsage
	}
	rows := s.sys.BringUp()
	if a.json {
		if rows == nil {
			rows = []BringUp{}
		}
		return s.printJSON(rows)
	}
	if len(rows) == 0 {
		fmt.Fprintln(s.out, "no other CPU was started")
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
