package shell

import (
	"context"
	"errors"
	"slices"

	"muster/kernel/percpu"
)

// changeable reports whether a CPU can go offline, or come online.
func changeable(c CPU, to string) bool { return !c.BSP && (c.State == "online") == (to == "offline") }

// pluggable are the words that may follow offline or online.
func pluggable(s *Shell, before []string) []string {
	if len(before) > 1 {
		return nil
	}
	return append(cpuNumbers(s, func(c CPU) bool { return changeable(c, before[0]) }), "all")
}

// hotplug takes CPUs offline, or brings them online. A CPU for which that fails does not keep the others from
// it. With -json the document is the rows of the CPUs in the listing.
func hotplug(_ context.Context, s *Shell, a args) error {
	if len(a.list) != 2 {
		return errUsage
	}
	change := s.sys.StartCPU
	switch a.first() {
	case "offline":
		change = s.sys.StopCPU
	case "online":
	default:
		return errUsage
	}
	list, err := parseCPUs(a.list[1], percpu.Max) // CPUs that maxcpus left out can come online
	if err != nil {
		return err
	}
	if list == nil {
		for _, c := range s.sys.CPUs() { // those that can change
			if changeable(c, a.first()) {
				list = append(list, c.CPU)
			}
		}
	}
	var failed []error
	for _, n := range list {
		failed = append(failed, change(n))
	}
	if err := errors.Join(failed...); err != nil || !a.json {
		return err
	}
	rows := []CPU{}
	for _, c := range s.sys.CPUs() {
		if slices.Contains(list, c.CPU) {
			rows = append(rows, c)
		}
	}
	return s.printJSON(rows)
}
