package shell

import (
	"context"
	"fmt"
	"io"
)

// Counters of a SchedCPU, in the order of sched's deeds: kernel/sched/view.go.
const (
	schedBefore = iota
	schedCore
	schedDie
	schedPackage
	schedNode
	schedOther
	schedBusy
	schedSteals
	schedPreempted
	schedBalanced
)

// schedule lists the queues of the CPUs, or the threads that wait for one.
func schedule(_ context.Context, s *Shell, a args) error {
	if a.first() != "" {
		return withCPU(a.first(), func(cpu int) error { return s.oneQueue(a, cpu) })
	}
	rows := []SchedCPU{}
	for _, c := range s.sys.CPUs() {
		if row, err := s.sys.Sched(c.CPU); err == nil {
			rows = append(rows, row)
		}
	}
	return list(s, a, rows, "CPU THREAD CLASS WAIT SWITCHES PREEMPT STEALS SAME NEAR FAR BUSY", func(w io.Writer, c SchedCPU) {
		thread, class, n := "-", "-", &c.Counts
		if c.Thread != 0 {
			thread, class = fmt.Sprint(c.Thread), c.Class
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t", c.CPU, thread, class, c.Waiting, c.Switches, n[schedPreempted],
			n[schedSteals], n[schedBefore], n[schedCore]+n[schedDie]+n[schedPackage], n[schedNode]+n[schedOther], n[schedBusy])
	})
}

// oneQueue lists the thread that runs on a CPU, and those that wait for it.
func (s *Shell) oneQueue(a args, cpu int) error {
	c, err := s.sys.Sched(cpu)
	if err != nil {
		return fmt.Errorf("there is no cpu%d; cpus lists them", cpu)
	}
	if a.json {
		return s.printJSON(c)
	}
	n := &c.Counts
	fmt.Fprintln(s.out, hang(fmt.Sprintf("threads that became ready went to: the CPU before %d, its core %d, die %d, package %d, node %d, other idle CPUs %d, none was idle %d",
		n[schedBefore], n[schedCore], n[schedDie], n[schedPackage], n[schedNode], n[schedOther], n[schedBusy])))
	type row struct {
		what string
		SchedThread
	}
	var rows []row
	switch {
	case c.Runs != nil:
		rows = append(rows, row{"runs", *c.Runs})
	case c.Thread != 0:
		rows = append(rows, row{"runs", SchedThread{ID: c.Thread, Class: c.Class}})
	}
	for _, t := range c.List {
		rows = append(rows, row{"waits", t})
	}
	if n[schedBalanced] != 0 {
		fmt.Fprintf(s.out, "threads that waited here went to a CPU with less load: %d\n", n[schedBalanced])
	}
	if rows == nil {
		fmt.Fprintln(s.out, "no thread runs or waits")
		return nil
	}
	if err := list(s, a, rows, "THREAD IS CLASS WEIGHT AHEAD-US DUE-US", func(w io.Writer, r row) {
		if r.Weight == 0 {
			fmt.Fprintf(w, "%d\t%s\t%s\t-\t-\t-\t", r.ID, r.what, r.Class)
			return
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%.1f\t%.1f\t", r.ID, r.what, r.Class, r.Weight, float64(r.AheadNS)/1e3, float64(r.DueNS)/1e3)
	}); err != nil {
		return err
	}
	if more := int(c.Waiting) - len(c.List); more > 0 {
		fmt.Fprintf(s.out, "%d more wait\n", more)
	}
	return nil
}
