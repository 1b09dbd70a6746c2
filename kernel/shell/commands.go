package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func commands() []command {
	list := []command{
		{name: "help", usage: "[COMMAND]", most: 1, about: "list commands, or explain one", json: true, run: help, words: commandNames},
		{name: "cpus", options: []option{{name: "-topology", about: "packages, dies, cores, threads and nodes"}, {name: "-features", about: "mitigations, and why one is off"}, {name: "-idle", about: "how long each CPU ran threads and was idle, and what woke it up"}}, about: "CPUs and what they did, their packages and nodes, their mitigations", json: true, run: cpus},
		{name: "cpu", usage: "offline CPUS | online CPUS", most: 2, about: "take CPUs offline, and bring them online again: CPUS is a list such as 2 or 1-3,6, or all that can change", json: true, run: hotplug, words: func(*Shell) []string { return []string{"offline", "online"} }, more: pluggable},
		{name: "smp", usage: "trace | start CPU", most: 2, about: "the time line of the CPUs' start; start one that is not online", json: true, run: smp, words: func(*Shell) []string { return []string{"trace", "start"} }, more: startable},
		{name: "ipi", about: "IPIs: how many of each kind, and what happened to them", json: true, run: ipis},
		{name: "locks", about: "spinlocks by class: how often a CPU has waited for one, and for how long; in a debug build also how long one was held", json: true, run: locks},
		{name: "audit", about: "privileged operations by class, in a debug build", json: true, run: audit},
		{name: "acpi", usage: "[TABLE|dump]", most: 1, about: "the firmware's tables: a list, one decoded, or all in acpidump's form", json: true, run: acpi, words: tableNames},
		{name: "irq", usage: "[affinity LINE CPUS | drain CPU | admit CPU | resume LINE]", most: 3, about: "interrupts by source and CPU, and where lines go; let a line go to CPUS alone, as 2, 0-3,6 or all; lead all lines away from a CPU, or end that; let a stuck line interrupt again", json: true, run: irq, words: func(*Shell) []string { return []string{"affinity", "drain", "admit", "resume"} }, more: irqWords},
		{name: "pci", about: "functions on the PCI buses: class, addresses, capabilities", json: true, run: pci},
		{name: "serial", about: "serial ports from which the kernel receives, and bytes that were lost", json: true, run: serial},
		{name: "ps", options: []option{
			{name: "-p", value: "PROCESS", about: "only the threads of this process", words: processes},
			{name: "-processes", about: "one row for each process, with the sums of its threads"},
		}, about: "threads: state, class and priority or nice value; CPU and the CPUs on which they may run; how long they ran and waited for a CPU", json: true, run: ps},
		{name: "sched", usage: "[CPU]", most: 1, about: "queues of the CPUs: thread that runs, threads that wait, switches, preemptions, steals; to which CPU threads went that became ready: the SAME as before, one NEAR it (core, die, package), one FAR from it, or a BUSY one, as none was idle. With CPU: its threads, by how much each is ahead of its share, and its deadline, both in virtual time", json: true, run: schedule, words: func(s *Shell) []string { return cpuNumbers(s, func(c CPU) bool { return c.State == "online" }) }},
		{name: "numa", about: "nodes: CPUs and memory that are near each other; free memory, and the distances between nodes", json: true, run: numa},
		{name: "mem", about: "memory in use and free; pages that idle CPUs have cleared ahead of time; by node, without these, with the free blocks of each size; and the kernel's objects and stacks: in use, free, and of the free ones those that CPUs have of their own", json: true, run: mem},
		{name: "dmesg", options: []option{{name: "-last", about: "the log of the boot before, and the report of its panic, if memory kept them over a reset"}}, about: "the kernel log", json: true, run: dmesg},
		{name: "uptime", about: "time since the first instruction, and the date", json: true, run: uptime},
		{name: "freq", about: "frequencies and idle states of a CPU: read by CPUID, registers and the firmware, not driven", json: true, run: frequencies},
		{name: "time", options: []option{{name: "-v", about: "where the time comes from: every source and counter, what it says, which one was chosen and why"}}, about: "the date, and the frequency of the time-stamp counter with its source", json: true, run: timing},
		{name: "trace", usage: "[N] | start | stop", most: 1, options: []option{
			{name: "-kind", value: "NAME", about: "only events of this kind; may be a list: switch,wake", words: kindNames},
			{name: "-cpu", value: "N", about: "only events of this CPU"},
			{name: "-thread", value: "N", about: "only events while this thread ran"},
		}, about: "the last N events of all CPUs, newest first, 32 without N; record all, and print them for Perfetto (make events makes a file)", json: true, run: traceEvents, words: func(*Shell) []string { return []string{"start", "stop"} }},
		{name: "profile", usage: "start [RATE] | stop", most: 2, about: "record what all CPUs execute, RATE times a second, and print the functions that they spend time in (make profile makes a file for go tool pprof)", json: true, run: profile, words: func(*Shell) []string { return []string{"start", "stop"} }},
		{name: "test", usage: "[NAME|list] [SECONDS]", most: 2, about: "run a test inside the kernel, or all short ones", json: true, run: test, words: testNames},
		{name: "bench", usage: "[NAME|list]", most: 1, about: "measure the cost of the kernel's operations", json: true, run: bench, words: benchNames},
		{name: "app", usage: "ARGUMENTS [/ ARGUMENTS]...", about: "run the first module in ring 3, several times at once with / between", json: true, run: app},
		{name: "run", usage: "NAME [ARGUMENTS] [&]", about: "run a program of the image or the stick in ring 3, with & in the background", verbatim: true, run: runProgram, words: func(s *Shell) []string { return s.sys.ProgramNames() }},
		{name: "nice", usage: "PROGRAM [ARGUMENTS] [&]", options: []option{{name: "-n", value: "N", about: "the nice value, from -20 (the largest share) to 19; 10 without this option"}},
			about: "run a program with a nice value: one step more is about a fifth less of a CPU that it shares; taskset may stand before the name, too", verbatim: true, run: nice, words: func(s *Shell) []string { return s.sys.ProgramNames() }},
		{name: "renice", usage: "N PROCESS...", negative: true, options: []option{{name: "-n", value: "N", about: "the same, before the processes"}, {name: "-p", about: "changes nothing: a number always means a process or a thread"}},
			about: "set the nice value of programs that run, from -20 to 19: of all threads of a process, or of the thread with that number", run: renice, more: func(s *Shell, _ []string) []string { return programsRunning(s) }},
		{name: "taskset", usage: "CPUS PROGRAM [ARGUMENTS] [&] | -p [CPUS] PROCESS", verbatim: true, options: []option{
			{name: "-p", about: "show or set the CPUs of a program that runs: of all threads of a process, or of the thread with that number"},
			{name: "-c", about: "changes nothing: CPUS is always a list"},
		}, about: "run a program on some CPUs alone, or show or change the CPUs of one that runs; CPUS is a list such as 2 or 0-3,7, or all, and not a mask", run: taskset,
			words: func(s *Shell) []string {
				return append(cpuNumbers(s, func(c CPU) bool { return c.State == "online" }), "all")
			}, more: tasksetWords},
		{name: "chrt", usage: "PRIORITY PROGRAM [ARGUMENTS] [&] | -p [PRIORITY] PROCESS", verbatim: true, options: []option{
			{name: "-f", about: "SCHED_FIFO: a thread runs until it gives the CPU up, or one of a higher priority is ready"},
			{name: "-r", about: "SCHED_RR: the same, and threads of one priority take turns; the default"},
			{name: "-o", about: "SCHED_OTHER: shares by nice values, as without chrt; no priority"},
			{name: "-i", about: "SCHED_IDLE: what the others leave; no priority"},
			{name: "-p", about: "show or set the policy of a program that runs: of all threads of a process, or of the thread with that number"},
		}, about: "run a program with a real-time priority from 1 to 99, or show or change the policy of one that runs; such programs get at most 95% of a CPU that others want to use", run: chrt,
			words: func(s *Shell) []string { return append([]string{"1", "50", "99"}, programsRunning(s)...) }, more: chrtWords},
		{name: "jobs", about: "programs that run started; one that has ended is listed once", json: true, run: listJobs},
		{name: "kill", usage: "JOB [SIGNAL]", most: 2, about: "send a job a signal, TERM without one", run: kill, words: jobNumbers, more: signalNames},
		{name: "wait", usage: "[JOB]", most: 1, about: "wait until a job, or all, have ended", run: wait, words: jobNumbers},
		{name: "crash", usage: "KIND", most: 1, about: "break the core on purpose, to see the report of a panic", run: crash, words: crashKinds, explain: func(s *Shell) []OptionHelp { return s.sys.CrashKinds() }},
		{name: "top", usage: "[N]", most: 1, about: "the machine at a glance, each second anew, until control-C or N times", run: top},
		{name: "report", usage: "[N]", most: 1, options: []option{{name: "-qr", about: "as QR codes for a phone; N: only that one"}}, about: "what a maintainer needs for this machine, without serial numbers", json: true, run: report},
		{name: "reboot", about: "restart the machine", run: func(_ context.Context, s *Shell, _ args) error { s.sys.Reboot(); return errStill }},
		{name: "poweroff", about: "end the machine", run: func(_ context.Context, s *Shell, _ args) error { s.sys.End(0); return errStill }},
	}
	slices.SortFunc(list, func(a, b command) int { return strings.Compare(a.name, b.name) })
	return list
}

var errStill = errors.New("the machine still runs")

func seconds(ns uint64) string { return fmt.Sprintf("%.3f", float64(ns)/1e9) }

func cpus(_ context.Context, s *Shell, a args) error {
	switch {
	case a.flag("-topology") && a.flag("-features") || a.flag("-idle") && (a.flag("-topology") || a.flag("-features")):
		return errors.New("-topology, -features and -idle are listings of their own: give one of them")
	case a.flag("-topology"):
		return topology(s, a)
	case a.flag("-features"):
		return features(s, a)
	case a.flag("-idle"):
		return list(s, a, s.sys.CPUs(), "CPU RUN-S IDLE-S TICK TIMER THREAD IPI DEVICE", func(w io.Writer, c CPU) {
			fmt.Fprintf(w, "%d\t%s\t%s\t", c.CPU, seconds(c.RunNS), seconds(c.IdleNS))
			for _, n := range c.Wakes {
				fmt.Fprintf(w, "%d\t", n)
			}
		})
	}
	rows := s.sys.CPUs()
	hybrid := slices.ContainsFunc(rows, func(c CPU) bool { return c.Core != "" })
	head := "CPU APIC-ID ACPI-ID BSP STATE STAGE TICKS SWITCHES IDLE-S"
	if hybrid {
		head += " CORE"
	}
	return list(s, a, rows, head, func(w io.Writer, c CPU) {
		bsp := ""
		if c.BSP {
			bsp = "*"
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%s\t%s\t%d\t%d\t%s\t", c.CPU, c.APICID, c.UID, bsp, c.State, c.Stage, c.Ticks, c.Switches, seconds(c.IdleNS))
		if hybrid {
			fmt.Fprintf(w, "%s\t", c.Core)
		}
	})
}

func serial(_ context.Context, s *Shell, a args) error {
	return list(s, a, s.sys.SerialPorts(), "PORT FOR RECEIVED OVERRUNS DROPPED", func(w io.Writer, p SerialPort) {
		fmt.Fprintf(w, "%#x\t%s\t%d\t%d\t%d\t", p.Address, p.For, p.Received, p.Overruns, p.Dropped)
	})
}

// ipis prints what has happened to IPIs of each kind, a column for each CPU.
func ipis(_ context.Context, s *Shell, a args) error {
	rows := s.sys.IPIs()
	if a.json {
		return s.printJSON(rows)
	}
	var table []counted
	for _, m := range rows {
		for _, n := range m.Counters {
			if slices.Max(n.Counts) > 0 {
				table = append(table, counted{[]string{m.Kind, n.Name}, n.Counts})
			}
		}
	}
	return perCPU(s.out, []string{"IPI", "COUNTER"}, table, len(s.sys.CPUs()))
}

// locks prints the classes of spinlocks for which a CPU has waited, in the order in which they are taken.
func locks(_ context.Context, s *Shell, a args) error {
	all := s.sys.Locks()
	if a.json {
		return s.printJSON(all)
	}
	type row struct {
		class string
		LockCounts
	}
	var rows []row
	for _, class := range all {
		r := row{class: class.Class}
		for _, c := range class.CPUs {
			r.Contended += c.Contended
			r.OutOfTurn += c.OutOfTurn
			r.Wait += c.Wait
			r.LongestWait = max(r.LongestWait, c.LongestWait)
			r.LongestHold = max(r.LongestHold, c.LongestHold)
		}
		if r.LockCounts != (LockCounts{}) {
			rows = append(rows, r)
		}
	}
	if rows == nil {
		fmt.Fprintln(s.out, "no CPU has waited for a lock")
		return nil
	}
	head := "CLASS CONTENDED OUT-OF-TURN WAIT-US LONGEST-WAIT-US"
	held := slices.ContainsFunc(rows, func(r row) bool { return r.LongestHold != 0 })
	if held {
		head += " LONGEST-HOLD-US"
	}
	return list(s, a, rows, head, func(w io.Writer, r row) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t", r.class, r.Contended, r.OutOfTurn, microseconds(r.Wait), microseconds(r.LongestWait))
		if held {
			fmt.Fprintf(w, "%s\t", microseconds(r.LongestHold))
		}
	})
}

func microseconds(ns uint64) string { return fmt.Sprintf("%.1f", float64(ns)/1e3) }

func audit(_ context.Context, s *Shell, a args) error {
	rows := s.sys.Audit()
	if rows == nil {
		return errors.New("this is not a debug build; use make debug and scripts/qemu-run.sh --kernel build/kernel-debug.elf")
	}
	return list(s, a, rows, "CLASS COUNT", func(w io.Writer, x Audited) { fmt.Fprintf(w, "%s\t%d\t", x.Class, x.Count) })
}

func mem(_ context.Context, s *Shell, a args) error {
	m := s.sys.Memory()
	if a.json {
		return s.printJSON(m)
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', tabwriter.AlignRight)
	for _, row := range []struct {
		what  string
		bytes uint64
	}{
		{"total", m.Total}, {"free", m.Free}, {"reserved for the kernel", m.Reserve},
		{"kernel's Go runtime", m.Kernel}, {"its heap, live", m.HeapAlloc}, {"its heap, in all", m.HeapSys},
	} {
		fmt.Fprintf(w, "%s\t%d KiB\t\n", row.what, row.bytes>>10)
	}
	fmt.Fprintf(w, "kernel stacks\t%d of %d KiB, deepest use %d bytes\t\n", m.Stacks, m.StackSize>>10, m.StackHigh)
	fmt.Fprintf(w, "goroutines\t%d\t\ncollections\t%d\t\npage faults\t%d\t\n", m.Goroutines, m.GCs, m.Faults)
	fmt.Fprintf(w, "cleared ahead\t%d of %d KiB, %d pages of %d used\t\n", m.Zeroed.Bytes>>10, m.Zeroed.Most>>10, m.Zeroed.Used, m.Zeroed.Cleared)
	w.Flush()
	return s.printParts(m)
}

func dmesg(_ context.Context, s *Shell, a args) error {
	if a.flag("-last") {
		return lastBoot(s, a)
	}
	lines := s.sys.Log()
	if a.json {
		return s.printJSON(lines)
	}
	s.printLog(lines)
	return nil
}

func (s *Shell) printLog(lines []LogLine) {
	for _, l := range lines {
		fmt.Fprintf(s.out, "[%5d.%06d] cpu%d: %s\n", l.TimeNS/1e9, l.TimeNS/1000%1e6, l.CPU, l.Text)
	}
}

func uptime(_ context.Context, s *Shell, a args) error {
	u := s.sys.Uptime()
	if a.json {
		return s.printJSON(u)
	}
	fmt.Fprintf(s.out, "up %v, %s\n", time.Duration(u.UpNS).Round(time.Millisecond), u.Date)
	return nil
}
