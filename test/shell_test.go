//go:build qemu

package test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/ktest"
	"muster/kernel/shell"
)

var interrupt = os.Interrupt

// Every listing, in words and as JSON.
func TestListings(t *testing.T) {
	r := boot(t, "--run", "help; cpus; cpus -json; acpi; acpi -json; irq; irq -json; ps; ps -json; mem; mem -json; "+
		"dmesg; dmesg -json; uptime; uptime -json; trace -cpu 0 5; trace -json -cpu 1 3; serial; serial -json; test list -json; bench list -json").ok()

	for _, c := range []string{"acpi", "bench", "cpus", "dmesg", "help", "irq", "mem", "poweroff", "ps", "reboot", "test", "top", "uptime"} {
		require.Regexp(t, "(?m)^"+c+"\\b", r.output("help"))
	}
	require.Regexp(t, `(?m)^ +0 +0 +0 +\* +online +IdleLoop +\d+ +\d+ +\d+\.\d{3}$`, r.output("cpus"))
	cpus := decode[[]shell.CPU](r, "cpus -json")
	require.Len(t, cpus, 4)
	require.Equal(t, []uint32{0, 1, 2, 3}, []uint32{cpus[0].APICID, cpus[1].APICID, cpus[2].APICID, cpus[3].APICID})
	require.Equal(t, "IdleLoop", cpus[3].Stage)
	require.Positive(t, cpus[2].IdleNS)

	require.Regexp(t, `(?m)^ +APIC +0x[0-9a-f]+ +\d+ +\d+ +BOCHS +BXPC +ok$`, r.output("acpi"))
	tables := decode[shell.ACPI](r, "acpi -json")
	var signatures []string
	for _, table := range tables.Tables {
		signatures = append(signatures, table.Signature)
		require.NotZero(t, table.Address)
	}
	require.Subset(t, signatures, []string{"FACP", "APIC", "HPET"})

	names := map[string]uint64{}
	for _, q := range decode[[]shell.IRQ](r, "irq -json") {
		require.Len(t, q.Counts, 4)
		for _, n := range q.Counts {
			names[q.Name] += n
		}
	}
	for _, name := range []string{"page fault", "reschedule", "local timer", "console"} {
		require.Positive(t, names[name], name)
	}

	ports := decode[[]shell.SerialPort](r, "serial -json")
	require.Equal(t, []shell.SerialPort{{Address: 0x3f8, For: "console", Received: ports[0].Received}}, ports)

	threads := decode[[]shell.Thread](r, "ps -json")
	require.NotEmpty(t, threads)
	require.Equal(t, uint32(1), threads[0].ID)
	require.Equal(t, "kernel", threads[0].Name)
	require.Positive(t, threads[0].RunNS)

	mem := decode[shell.Memory](r, "mem -json")
	require.Greater(t, mem.Total, uint64(240<<20))
	require.Less(t, mem.Free, mem.Total)
	require.Len(t, mem.Nodes, 1)
	require.Equal(t, mem.Total, mem.Nodes[0].Total)
	last := mem.Caches[len(mem.Caches)-1]
	require.Equal(t, "kernel stack", last.Name)
	require.GreaterOrEqual(t, last.InUse, uint64(len(threads)))
	require.Positive(t, mem.StackHigh)
	require.Less(t, mem.StackHigh, mem.StackSize)

	log := decode[[]shell.LogLine](r, "dmesg -json")
	require.Contains(t, log[0].Text, "muster: Muster")
	require.Contains(t, r.output("dmesg"), "smp: 4 of 4 CPUs online")

	require.Positive(t, decode[shell.Uptime](r, "uptime -json").UpNS)
	require.Len(t, decode[[]shell.Event](r, "trace -json -cpu 1 3"), 3)
	require.Len(t, strings.Split(strings.TrimSpace(r.output("trace -cpu 0 5")), "\n"), 6)
	require.Len(t, decode[[]ktest.Test](r, "test list -json"), len(ktest.Tests()))
	require.Len(t, decode[[]ktest.Benchmark](r, "bench list -json"), len(ktest.Benchmarks()))
}

// What is wrong with a command is said in one line, and the status tells.
func TestShellErrors(t *testing.T) {
	tests := map[string]string{
		"cpsu":                `cpsu: unknown command, nearest is "cpus"; help lists all`,
		"cpus -jsn":           `cpus: unknown option -jsn, nearest is "-json"; usage: cpus `,
		"cpus 3":              `cpus: "3" is one word too many; usage: cpus [-topology] [-features] [-idle] [-json]`,
		"poweroff -json":      `{"error":"poweroff: unknown option -json; usage: poweroff"}`,
		"trace -cpu 99":       "trace: there is no CPU 99",
		"trace x":             `trace: "x" is not a number of events`,
		"test nosuch":         `test: no test "nosuch"; test list shows all`,
		"bench nosuch":        `bench: no benchmark "nosuch"`,
		"crash":               "crash: usage: crash KIND: one of panic,",
		"help nosuch":         `help: no command "nosuch"; help lists all`,
		"frobnicate":          "frobnicate: unknown command; help lists all",
		"trace -cpu 99 -json": `{"error":"trace: there is no CPU 99"}`,
		"smp start 0":         "smp: cpu 0 is online already",
		"smp start 4":         "smp: there is no CPU 4",
		"smp start x":         `smp: "x" is not a CPU number`,
		"poweroff -h":         "usage: poweroff\nend the machine\n",
		"acpi WAETT":          `acpi: no table "WAETT", nearest is "WAET"`,
	}
	var commands []string
	for c := range tests {
		commands = append(commands, c)
	}
	r := boot(t, "--run", strings.Join(commands, ";"))
	require.Equal(t, 1, r.status, "poweroff -h has not ended the machine")
	for c, want := range tests {
		require.True(t, strings.HasPrefix(r.output(c), want), "%s: %s", c, r.output(c))
	}
}

func TestEmptyRun(t *testing.T) { boot(t, "--run", " ; ").ok() }

// Tests of the kernel in itself, on the ordinary and on the debug build: there
// with lock order and other checks on.
func TestSelfTests(t *testing.T) {
	for _, kernel := range []string{"kernel", "kernel-debug"} {
		t.Run(kernel, func(t *testing.T) {
			r := boot(t, "--kernel", root+"/build/"+kernel+".elf", "--timeout", "120", "--run", "test -json; uptime").ok()
			results := decode[[]ktest.Result](r, "test -json")
			require.Len(t, results, len(ktest.Select("")))
			for _, one := range results {
				require.True(t, one.OK, one.Error)
			}
		})
	}
}

// Every CPU is protected alike.
func TestFeatures(t *testing.T) {
	r := boot(t, "--run", "cpus -features -json; cpus -features").ok()
	list := decode[[]shell.Features](r, "cpus -features -json")
	require.Len(t, list, 4)
	for _, f := range list {
		require.Equal(t, list[0].Mitigations, f.Mitigations)
		require.Equal(t, list[0].Words, f.Words)
		for _, g := range f.Mitigations {
			require.Equal(t, g.On, g.Reason == "", g.Name)
		}
	}
	require.Regexp(t, `(?m)^SMAP +on +on +on +on *$`, r.output("cpus -features"))
}

// System calls are recorded on request alone.
func TestTraceSystemCalls(t *testing.T) {
	r := boot(t, "--run", "trace -kind syscall").ok()
	r.has("no system calls: they are recorded with trace=all")
	r = boot(t, "--append", "trace=all", "--run", "trace -kind syscall 500").ok()
	r.matches(`(?m) syscall futex = 0x0$`, `(?m) syscall CPUInfo = 0x0$`)
}

// While all CPUs work, a listing has each event once, in the order of time, and the
// addresses of interrupts have names.
func TestTraceIsConsistent(t *testing.T) {
	r := boot(t, "--run", "test ipi; trace -json 2000; trace -kind interrupt 20").ok()
	events := decode[[]shell.Event](r, "trace -json 2000")
	require.Greater(t, len(events), 500)
	last := events[0].TimeNS
	seen := map[[2]uint64]bool{}
	for _, e := range events {
		require.LessOrEqual(t, e.TimeNS, last)
		require.NotContains(t, []string{"none", "unknown"}, e.Event)
		key := [2]uint64{uint64(e.CPU), e.Seq}
		require.False(t, seen[key], "%v", e)
		last, seen[key] = e.TimeNS, true
	}
	r.matches(`(?m) interrupt 0x[0-9a-f]+, .*, at [a-z]+[\w/.()*]*\.\S+\+0x[0-9a-f]+$`)
}

// A recording has a row for each CPU, in which one thread runs after the other, and what
// happened meanwhile: system calls too, which are not recorded otherwise.
func TestRecordedEvents(t *testing.T) {
	r := boot(t, "--cpus", "2", "--run", "trace start; test ipi; test threads; trace stop").ok()
	_, text, ok := strings.Cut(r.output("trace stop"), "{")
	require.True(t, ok)
	var got shell.Timeline
	require.NoError(t, json.NewDecoder(strings.NewReader("{"+text)).Decode(&got))
	end, kinds := map[int]float64{}, map[string]int{}
	for _, e := range got.Events {
		switch e.Kind {
		case "X":
			require.InDelta(t, e.Time, max(end[e.TID], e.Time), 0.001, "%v begins before the CPU has left another thread", e)
			require.NotNil(t, e.Span)
			end[e.TID] = e.Time + *e.Span
			kinds["span"]++
		case "i":
			kinds[e.Name]++
		}
	}
	require.Len(t, end, 2)
	for _, kind := range []string{"span", "wake", "interrupt", "ipi", "syscall", "fault"} {
		require.Greater(t, kinds[kind], 10, kind)
	}
}

// The line editor: echo, editing, history, completion, control-C.
func TestLineEditor(t *testing.T) {
	m := start(t)
	m.expect("muster> ").say("uptimx\x7fe\r").expect("\nup ").expect("muster> ") // backspace
	m.say("\x1b[A\r").expect("uptime").expect("\nup ").expect("muster> ")        // history
	m.say("upt\t\r").expect("uptime ").expect("\nup ").expect("muster> ")        // completion
	m.say("cpus -j\t\r").expect("cpus -json ").expect(`[{"cpu":0`).expect("muster> ")
	m.say("p\t").expect("poweroff  profile  ps").say("\x03").expect("muster> ") // candidates; give up
	m.say("test\r").expect("ok   basics")
	m.say("\x03").expect("test: interrupted").expect("muster> ")
	m.say("\r").expect("muster> ").say("poweroff\r").end(0)
}

// What is typed before the kernel runs is not lost.
func TestTypedAhead(t *testing.T) {
	start(t).say("uptime; cpus\rpoweroff\r").expect("muster> uptime; cpus\n").expect("IdleLoop").expect("muster> poweroff").end(0)
}

// Control-C sends SIGINT to every program that the shell's app runs.
func TestShellInterruptsPrograms(t *testing.T) {
	m := start(t, "--qemu", "-initrd "+build(t, "build", "./testdata/stdio"))
	m.expect("muster> ").say("app stdio signal / stdio signal\r").expect("stdio: waiting").expect("stdio: waiting")
	m.say("\x03").expect("stdio signal: status 5").expect("stdio signal: status 5")
	m.expect("muster> ").say("poweroff\r").end(0)
}

// Keys that have ended or stopped the shell: the command after them still answers. The
// semicolon separates commands at the prompt as in run=.
func TestShellSurvivesInput(t *testing.T) {
	m := start(t)
	m.expect("muster> ")
	for i, keys := range []string{"\x1b[200~", "\x1b[200~x\x1b", "\x04", "\x1b", "\xff\xfe", "\x00", "\x1b[" + strings.Repeat("9", 300), strings.Repeat("x", 5000)} {
		name := fmt.Sprintf("nosuch%d", i)
		m.say(keys + "\r").say(name + "; uptime\r").expect(name + ": unknown command").expect("\nup ").expect("muster> ")
	}
	m.say("poweroff\r").end(0)
}

// Every table that the firmware of this machine has can be shown by the name that the
// list gives it, and in small letters.
func TestListedTables(t *testing.T) {
	names := []string{"RSDT", "FACP", "APIC", "HPET", "MCFG", "WAET", "DSDT"}
	var commands []string
	for _, n := range names {
		commands = append(commands, "acpi "+n, "acpi "+strings.ToLower(n)+" -json")
	}
	r := boot(t, "--run", "acpi -json; "+strings.Join(commands, ";")).ok()
	var listed []string
	for _, x := range decode[shell.ACPI](r, "acpi -json").Tables {
		listed = append(listed, x.Signature)
	}
	require.ElementsMatch(t, names, listed)
	for _, n := range names {
		require.NotEmpty(t, strings.TrimSpace(r.output("acpi "+n)))
		require.NotEmpty(t, decode[[]any](r, "acpi "+strings.ToLower(n)+" -json"))
	}
}

// A reboot starts over: the machine prints its first line twice.
func TestReboot(t *testing.T) {
	r := boot(t, "--run", "reboot")
	require.Equal(t, 125, r.status, "unattended, a reset is an end without a status")
	require.Contains(t, r.stderr, "the guest reset without a status")
	r.has("muster> reboot\n")
}

// Input arrives by interrupt: the device's line counts with every key.
func TestKeyboardInterrupts(t *testing.T) {
	m := start(t)
	m.expect("muster> ").say("irq -json\r").expect(`"name":"console"`).expect("muster> ")
	m.say("poweroff\r").end(0)
}
