package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	tables "muster/kernel/acpi"
)

// fake is a machine with two CPUs and fixed answers.
type fake struct {
	ended  []int
	events [2][]Event // by CPU
}

func (f *fake) CPUs() []CPU {
	return []CPU{{CPU: 0, BSP: true, State: "online"}, {CPU: 1, APICID: 4, State: "offline"}}
}
func (f *fake) Features() []Features {
	return []Features{{CPU: 0, Words: []uint32{1}, Mitigations: []Mitigation{{"SMEP", true, ""}, {"IBT", false, "old"}}},
		{CPU: 1, Words: []uint32{2}, Mitigations: []Mitigation{{"SMEP", false, "odd"}, {"IBT", false, "old"}}}}
}
func (f *fake) BringUp() []BringUp {
	return []BringUp{{CPU: 1, APICID: 4, Steps: []Step{{"INIT", 0}, {"RealMode16", 12.34}}}}
}
func (f *fake) StartCPU(n int) error {
	if n != 1 {
		return errors.New("no such CPU")
	}
	return nil
}
func (f *fake) IPIs() []IPI {
	return []IPI{{"call", []Counter{{"sent", []uint64{3, 0}}, {"lost", []uint64{0, 0}}}}}
}
func (f *fake) Audit() []Audited      { return nil }
func (f *fake) IRQs() []IRQ           { return nil }
func (f *fake) Threads() []Thread     { return nil }
func (f *fake) Memory() Memory        { return Memory{Total: 1 << 20} }
func (f *fake) Log() []LogLine        { return nil }
func (f *fake) Uptime() Uptime        { return Uptime{UpNS: 1500e6, Date: "2025-01-01T00:00:00Z"} }
func (f *fake) Trace(cpu int) []Event { return f.events[cpu] }
func (f *fake) End(status int)        { f.ended = append(f.ended, status) }
func (f *fake) Reboot()               {}
func (f *fake) Crash(kind string) error {
	f.ended = append(f.ended, -2)
	return errors.New(kind + " survived")
}
func (f *fake) CrashKinds() []string { return []string{"panic", "nil"} }
func (f *fake) Instructions() bool   { return false }

// Firmware is that of a machine without ACPI: two packages, two nodes.
func (f *fake) Firmware() Firmware {
	m := &tables.MADT{CPUs: []tables.CPU{{APICID: 0, Enabled: true}, {APICID: 4, Enabled: true}, {APICID: 5, Enabled: true}, {APICID: 6, OnlineCapable: true}}}
	srat := &tables.SRAT{CPUs: []tables.CPUAffinity{{APICID: 0, Enabled: true}, {APICID: 4, Domain: 1, Enabled: true}},
		Memory: []tables.MemoryAffinity{{Base: 0, Size: 64 << 20, Enabled: true}}}
	top, _ := tables.NewTopology(tables.Sources{MADT: m, SRAT: srat, Levels: tables.Levels{Core: 1, Die: 2, Package: 2}})
	return Firmware{Err: &tables.TableError{Table: "RSDP", Err: tables.ErrMissing}, Topology: top}
}

const drawn = `package 0
    core 0
      thread 0: cpu 0, APIC ID 0, node 0, online
package 1
    core 0
      thread 0: cpu 1, APIC ID 4, node 1, offline
      thread 1: cpu 2, APIC ID 5, not started
node 0: domain 0, distances []
  memory 0x0 to 0x3ffffff, 64 MiB
node 1: domain 1, distances []
1 more CPUs can be enabled
`

func run(t *testing.T, line string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := New(&fake{}, &out).Run(context.Background(), line)
	return out.String(), err
}

func TestCommands(t *testing.T) {
	tests := map[string]struct {
		want string
		bad  bool
	}{
		"":               {want: ""},
		`""`:             {want: "\"\": unknown command; help lists all\n", bad: true},
		"uptime":         {want: "up 1.5s, 2025-01-01T00:00:00Z\n"},
		"irq -json":      {want: "[]\n"},
		"ipi":            {want: "   IPI  COUNTER  CPU0  CPU1\n  call     sent     3     0\n"},
		"smp start 1":    {want: ""},
		"smp start 9":    {want: "smp: no such CPU\n", bad: true},
		"acpi":           {want: "acpi: RSDP+0x0: not found\n", bad: true},
		"upttime":        {want: "upttime: unknown command, nearest is \"uptime\"; help lists all\n", bad: true},
		"frobnicate":     {want: "frobnicate: unknown command; help lists all\n", bad: true},
		"cpus x":         {want: "cpus: usage: cpus [-topology] [-features] [-json]\n", bad: true},
		"smp trace":      {want: "cpu 1, APIC ID 4, us: INIT 0.0, RealMode16 12.3\n"},
		"smp":            {want: "smp: usage: smp [-json] trace | start CPU\n", bad: true},
		"cpus -tree":     {want: "cpus: unknown option -tree; usage: cpus [-topology] [-features] [-json]\n", bad: true},
		"cpus -topology": {want: drawn},
		"cpus -features": {want: "MITIGATION  CPU0  CPU1  WHY NOT\nSMEP        on    -     odd\nIBT         -     -     old\ncpu 1 differs from cpu 0 in CPUID\n"},
		"help a b":       {want: "help: usage: help [-json] [COMMAND]\n", bad: true},
		"CPUS -JSN":      {want: "CPUS: unknown option -JSN, nearest is \"-json\"; usage: cpus [-topology] [-features] [-json]\n", bad: true},
		"smp start x":    {want: "smp: \"x\" is not a CPU number; cpus lists them\n", bad: true},
		"smp start -1":   {want: "smp: unknown option -1; usage: smp [-json] trace | start CPU\n", bad: true},
		"crash nul":      {want: "crash: no kind \"nul\", nearest is \"nil\"; the kinds are panic, nil\n", bad: true},
		"crash NIL":      {want: "crash: nil survived\n", bad: true},
		"test stres":     {want: "test: no test \"stres\", nearest is \"stress\"; test list shows all\n", bad: true},
		"bench nosuch":   {want: "bench: no benchmark \"nosuch\"; bench list shows all\n", bad: true},
		"crash":          {want: "crash: usage: crash KIND: one of panic, nil\n", bad: true},
		"cpus --json": {want: `[{"cpu":0,"apic_id":0,"acpi_id":0,"bsp":true,"state":"online","stage":"","ticks":0,"switches":0,"idle_ns":0},` +
			`{"cpu":1,"apic_id":4,"acpi_id":0,"bsp":false,"state":"offline","stage":"","ticks":0,"switches":0,"idle_ns":0}]` + "\n"},

		"cpus -topology -features":  {want: "cpus: -topology and -features are two listings: give one of them\n", bad: true},
		"test stress 9999999999999": {want: "test: \"9999999999999\" is not a number of seconds from 1 to 1000000\n", bad: true},
	}
	for line, tc := range tests {
		t.Run(line, func(t *testing.T) {
			out, err := run(t, line)
			require.Equal(t, tc.want, out)
			require.Equal(t, tc.bad, err != nil)
		})
	}
}

func TestComplete(t *testing.T) {
	s := New(&fake{}, io.Discard)
	for line, want := range map[string][]string{
		"p":               {"poweroff", "ps"},
		"cpus ":           {"-features", "-h", "-json", "-topology"},
		"crash ":          {"-h", "nil", "panic"},
		"test st":         {"stacks", "storm", "stress"},
		"acpi mad":        {"MADT"},
		"uptime; cpus -t": {"-topology"},
		"uptime;up":       {"uptime"},
		`uptime ";" up`:   nil,
		"nosuch ":         nil,
		"  upt":           {"uptime"},
	} {
		got, _ := s.Complete(line)
		require.Equal(t, want, got, line)
	}
	all, _ := s.Complete("")
	require.Equal(t, commandNames(s), all)
}

func TestRunAll(t *testing.T) {
	var out bytes.Buffer
	s := New(&fake{}, &out)
	require.Zero(t, s.RunAll([]string{"uptime", "irq -json"}))
	require.Equal(t, 1, s.RunAll([]string{"nosuch", "uptime"}))
	require.Equal(t, 1, s.RunAll([]string{"uptime; nosuch", "cpus 'a;b'"}))
	require.Contains(t, out.String(), "cpus: usage")
	require.Equal(t, 5, strings.Count(out.String(), "up 1.5s")+strings.Count(out.String(), "nosuch: unknown"))
}

// A table is listed with the names of its JSON form.
func TestRender(t *testing.T) {
	var out bytes.Buffer
	nothing := (*uint8)(nil)
	require.NoError(t, render(&out, &struct {
		Addr   uint64          `json:"address"`
		Minor  *uint8          `json:"minor"`
		Hidden int             `json:"-"`
		List   []tables.IOAPIC `json:"ioapics"`
		None   []tables.CPU    `json:"cpus"`
	}{Addr: 0xfee00000, Minor: nothing, List: []tables.IOAPIC{{ID: 2, Addr: 0xfec00000, GSIBase: 24}}}))
	require.Equal(t, "address  0xfee00000\nminor    absent\nioapics:\n  IOAPIC_ID     ADDRESS  GSI_BASE\n          2  0xfec00000        24\n", out.String())
}
