package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"muster/kernel/ktest"
)

func commands() []command {
	list := []command{
		{name: "help", usage: "[COMMAND]", about: "list commands, or explain one", json: true, run: help, words: commandNames},
		{name: "cpus", options: []option{{name: "-topology", about: "packages, dies, cores, threads and nodes"}, {name: "-features", about: "mitigations, and why one is off"}}, about: "CPUs and what they did, their packages and nodes, their mitigations", json: true, run: cpus},
		{name: "smp", usage: "trace | start CPU", about: "the time line of the CPUs' start; start one that is not online", json: true, run: smp, words: func(*Shell) []string { return []string{"trace", "start"} }},
		{name: "ipi", about: "IPIs: how many of each kind, and what happened to them", json: true, run: ipis},
		{name: "audit", about: "privileged operations by class, in a debug build", json: true, run: audit},
		{name: "acpi", usage: "[TABLE|dump]", about: "the firmware's tables: a list, one decoded, or all in acpidump's form", json: true, run: acpi, words: tableNames},
		{name: "irq", about: "interrupts by vector and CPU", json: true, run: irq},
		{name: "ps", about: "threads, where they run and for how long", json: true, run: ps},
		{name: "mem", about: "memory in use and free", json: true, run: mem},
		{name: "dmesg", about: "the kernel log", json: true, run: dmesg},
		{name: "uptime", about: "time since the first instruction, and the date", json: true, run: uptime},
		{name: "trace", usage: "[N]", options: []option{
			{name: "-kind", value: "NAME", about: "only events of this kind; may be a list: switch,wake", words: kindNames},
			{name: "-cpu", value: "N", about: "only events of this CPU"},
			{name: "-thread", value: "N", about: "only events while this thread ran"},
		}, about: "the last N events of all CPUs, newest first; 32 without N", json: true, run: traceEvents},
		{name: "test", usage: "[NAME|list] [SECONDS]", about: "run a test inside the kernel, or all short ones", json: true, run: test, words: testNames},
		{name: "bench", usage: "[NAME|list]", about: "measure the cost of the kernel's operations", json: true, run: bench, words: benchNames},
		{name: "crash", usage: "KIND", about: "break the core on purpose, to see the report of a panic", run: crash, words: func(s *Shell) []string { return s.sys.CrashKinds() }},
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
	case a.flag("-topology") && a.flag("-features"):
		return errors.New("-topology and -features are two listings: give one of them")
	case a.flag("-topology"):
		return topology(s, a)
	case a.flag("-features"):
		return features(s, a)
	}
	return list(s, a, s.sys.CPUs(), "CPU APIC-ID ACPI-ID BSP STATE STAGE TICKS SWITCHES IDLE-S", func(w io.Writer, c CPU) {
		bsp := ""
		if c.BSP {
			bsp = "*"
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%s\t%s\t%d\t%d\t%s\t", c.CPU, c.APICID, c.UID, bsp, c.State, c.Stage, c.Ticks, c.Switches, seconds(c.IdleNS))
	})
}

func irq(_ context.Context, s *Shell, a args) error {
	rows := s.sys.IRQs()
	head := "VECTOR NAME"
	if len(rows) > 0 {
		for i := range rows[0].Counts {
			head += fmt.Sprintf(" CPU%d", i)
		}
	}
	return list(s, a, rows, head, func(w io.Writer, r IRQ) {
		fmt.Fprintf(w, "%#02x\t%s\t", r.Vector, r.Name)
		for _, n := range r.Counts {
			fmt.Fprintf(w, "%d\t", n)
		}
	})
}

// ipis prints what has happened to IPIs of each kind, a column for each CPU.
func ipis(_ context.Context, s *Shell, a args) error {
	if len(a.list) > 0 {
		return errUsage
	}
	rows := s.sys.IPIs()
	if a.json {
		return s.printJSON(rows)
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "IPI\tCOUNTER\t")
	for i := range s.sys.CPUs() {
		fmt.Fprintf(w, "CPU%d\t", i)
	}
	fmt.Fprintln(w)
	for _, m := range rows {
		for _, n := range m.Counters {
			if slices.Max(n.Counts) == 0 {
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t", m.Kind, n.Name)
			for _, v := range n.Counts {
				fmt.Fprintf(w, "%d\t", v)
			}
			fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

func audit(_ context.Context, s *Shell, a args) error {
	rows := s.sys.Audit()
	if rows == nil {
		return errors.New("this is not a debug build; use make debug and scripts/qemu-run.sh --kernel build/kernel-debug.elf")
	}
	return list(s, a, rows, "CLASS COUNT", func(w io.Writer, x Audited) { fmt.Fprintf(w, "%s\t%d\t", x.Class, x.Count) })
}

func ps(_ context.Context, s *Shell, a args) error {
	return list(s, a, s.sys.Threads(), "ID PROCESS NAME RING CPU STATE RUN-S SWITCHES", func(w io.Writer, t Thread) {
		fmt.Fprintf(w, "%d\t%d\t%s\t%d\t%d\t%s\t%s\t%d\t", t.ID, t.Process, t.Name, t.Ring, t.CPU, t.State, seconds(t.RunNS), t.Switches)
	})
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
	return w.Flush()
}

func dmesg(_ context.Context, s *Shell, a args) error {
	lines := s.sys.Log()
	if a.json {
		return s.printJSON(lines)
	}
	for _, l := range lines {
		fmt.Fprintf(s.out, "[%5d.%06d] cpu%d: %s\n", l.TimeNS/1e9, l.TimeNS/1000%1e6, l.CPU, l.Text)
	}
	return nil
}

func uptime(_ context.Context, s *Shell, a args) error {
	u := s.sys.Uptime()
	if a.json {
		return s.printJSON(u)
	}
	fmt.Fprintf(s.out, "up %v, %s\n", time.Duration(u.UpNS).Round(time.Millisecond), u.Date)
	return nil
}

func testNames(*Shell) (names []string) {
	for _, t := range ktest.Tests() {
		names = append(names, t.Name)
	}
	return append(names, "list")
}

// maxSeconds bounds the time of a test, because a time.Duration holds 292 years.
const maxSeconds = 1_000_000

func test(ctx context.Context, s *Shell, a args) error {
	if len(a.list) > 2 {
		return errUsage
	}
	name := ""
	if len(a.list) > 0 {
		var ok bool
		if name, ok = match(a.first(), testNames(s)); !ok {
			return fmt.Errorf("no test %q%s; test list shows all", a.first(), suggest(a.first(), testNames(s)))
		}
	}
	if name == "list" {
		return list(s, a, ktest.Tests(), "TEST ABOUT", func(w io.Writer, t ktest.Test) {
			fmt.Fprintf(w, "%s\t%s\t", t.Name, t.About)
		})
	}
	tests := ktest.Select(name)
	if len(a.list) > 1 {
		n, err := strconv.Atoi(a.list[1])
		switch {
		case err != nil || n < 1 || n > maxSeconds:
			return fmt.Errorf("%q is not a number of seconds from 1 to %d", a.list[1], maxSeconds)
		case tests[0].For == nil:
			return fmt.Errorf("test %s runs to its end: it takes no number of seconds", name)
		}
		tests[0].Run = tests[0].For(time.Duration(n) * time.Second)
	}
	return runTests(ctx, s, a, tests)
}

// runTests runs tests. The document has the results even if some of the tests
// failed.
func runTests(ctx context.Context, s *Shell, a args, tests []ktest.Test) error {
	w := s.out
	if a.json {
		w = io.Discard
	}
	results := ktest.Run(ctx, w, tests)
	if a.json {
		if err := s.printJSON(results); err != nil {
			return err
		}
	}
	failed := 0
	for _, r := range results {
		if !r.OK {
			failed++
		}
	}
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case failed > 0:
		return fmt.Errorf("%d of %d failed", failed, len(results))
	}
	return nil
}

// errInterrupted says that control-C ended a command.
var errInterrupted = errors.New("interrupted")

func benchNames(*Shell) (names []string) {
	for _, b := range ktest.Benchmarks() {
		names = append(names, b.Name)
	}
	return append(names, "list")
}

func bench(ctx context.Context, s *Shell, a args) error {
	if len(a.list) > 1 {
		return errUsage
	}
	name := ""
	if len(a.list) > 0 {
		var ok bool
		if name, ok = match(a.first(), benchNames(s)); !ok {
			return fmt.Errorf("no benchmark %q%s; bench list shows all", a.first(), suggest(a.first(), benchNames(s)))
		}
	}
	if name == "list" {
		return list(s, a, ktest.Benchmarks(), "BENCHMARK ABOUT", func(w io.Writer, b ktest.Benchmark) {
			fmt.Fprintf(w, "%s\t%s\t", b.Name, b.About)
		})
	}
	w := s.out
	if a.json {
		w = io.Discard
	}
	all, err := ktest.RunBenchmarks(ctx, w, name, s.sys.Instructions())
	if ctx.Err() != nil {
		err = errInterrupted
	}
	if a.json && (err == nil || len(all) > 0) {
		err = errors.Join(err, s.printJSON(all))
	}
	return err
}

func crash(_ context.Context, s *Shell, a args) error {
	if len(a.list) != 1 {
		return fmt.Errorf("usage: crash KIND: one of %s", strings.Join(s.sys.CrashKinds(), ", "))
	}
	kind, ok := match(a.first(), s.sys.CrashKinds())
	if !ok {
		return fmt.Errorf("no kind %q%s; the kinds are %s", a.first(), suggest(a.first(), s.sys.CrashKinds()), strings.Join(s.sys.CrashKinds(), ", "))
	}
	return s.sys.Crash(kind)
}
