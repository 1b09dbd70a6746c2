package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tables "muster/kernel/acpi"
)

// fake is a machine with two CPUs and nothing to say.
type fake struct{ ended []int }

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
func (f *fake) Messages() []Message {
	return []Message{{"call", []Counter{{"sent", []uint64{3, 0}}, {"lost", []uint64{0, 0}}}}}
}
func (f *fake) Audit() []Audited       { return nil }
func (f *fake) IRQs() []IRQ            { return nil }
func (f *fake) Threads() []Thread      { return nil }
func (f *fake) Memory() Memory         { return Memory{Total: 1 << 20} }
func (f *fake) Log() []LogLine         { return nil }
func (f *fake) Uptime() Uptime         { return Uptime{UpNS: 1500e6, Date: "2025-01-01T00:00:00Z"} }
func (f *fake) Trace(int, int) []Event { return nil }
func (f *fake) End(status int)         { f.ended = append(f.ended, status) }
func (f *fake) Reboot()                {}
func (f *fake) Crash(string) error     { return errors.New("survived") }
func (f *fake) CrashKinds() []string   { return []string{"panic", "nil"} }
func (f *fake) Instructions() bool     { return false }

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
		"uptime":         {want: "up 1.5s, 2025-01-01T00:00:00Z\n"},
		"irq -json":      {want: "[]\n"},
		"ipi":            {want: "  MESSAGE  COUNTER  CPU0  CPU1\n     call     sent     3     0\n"},
		"smp start 1":    {want: ""},
		"smp start 9":    {want: "smp: no such CPU\n", bad: true},
		"acpi":           {want: "acpi: RSDP+0x0: not found\n", bad: true},
		"upttime":        {want: "upttime: unknown command, nearest is \"uptime\"; help lists all\n", bad: true},
		"cpus x":         {want: "cpus: usage: cpus [-json] [-topology|-features]\n", bad: true},
		"smp trace":      {want: "cpu 1, APIC ID 4, us: INIT 0.0, RealMode16 12.3\n"},
		"smp":            {want: "smp: usage: smp [-json] trace | start CPU\n", bad: true},
		"cpus -tree":     {want: "cpus: unknown option -tree; cpus [-json] [-topology|-features]\n", bad: true},
		"cpus -topology": {want: drawn},
		"cpus -features": {want: "PROTECTION  CPU0  CPU1  WHY NOT\nSMEP        on    -     odd\nIBT         -     -     old\ncpu 1 differs from cpu 0 in CPUID\n"},
		"help -json":     {want: "help: usage: help [COMMAND]\n", bad: true},
		"crash":          {want: "crash: usage: crash KIND: one of panic, nil\n", bad: true},
		"cpus --json": {want: `[{"cpu":0,"apic_id":0,"acpi_id":0,"bsp":true,"state":"online","stage":"","ticks":0,"switches":0,"idle_ns":0},` +
			`{"cpu":1,"apic_id":4,"acpi_id":0,"bsp":false,"state":"offline","stage":"","ticks":0,"switches":0,"idle_ns":0}]` + "\n"},
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
	require.Equal(t, []string{"poweroff", "ps"}, s.Complete("p"))
	require.Equal(t, []string{"-features", "-json", "-topology"}, s.Complete("cpus "))
	require.Equal(t, []string{"nil", "panic"}, s.Complete("crash "))
	require.Equal(t, []string{"stacks", "storm", "stress"}, s.Complete("test st"))
	require.Empty(t, s.Complete("nosuch "))
	require.Contains(t, s.Complete(""), "help")
}

func TestRunAll(t *testing.T) {
	var out bytes.Buffer
	s := New(&fake{}, &out)
	require.Zero(t, s.RunAll([]string{"uptime", "irq -json"}))
	require.Equal(t, 1, s.RunAll([]string{"nosuch", "uptime"}))
	require.Equal(t, 3, strings.Count(out.String(), "up 1.5s")+strings.Count(out.String(), "nosuch: unknown"))
}

// terminal is a keyboard and a screen for Serve.
type terminal struct {
	io.Reader
	mu  sync.Mutex
	out bytes.Buffer
}

func (x *terminal) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out.Write(p)
}

func (x *terminal) shows(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return strings.Contains(x.out.String(), text)
	}, 5*time.Second, time.Millisecond, text)
}

func TestServe(t *testing.T) {
	in, keys := io.Pipe()
	x := &terminal{Reader: in}
	s := New(&fake{}, x)
	started, stopped := make(chan struct{}), make(chan struct{})
	s.commands = append(s.commands, command{name: "sleep", run: func(ctx context.Context, s *Shell, a args) error {
		close(started)
		<-ctx.Done()
		close(stopped)
		return errors.New("interrupted")
	}})
	done := make(chan error)
	go func() { done <- s.Serve(in) }()
	x.shows(t, Prompt)
	io.WriteString(keys, "upt\t\r")
	x.shows(t, "up 1.5s")
	io.WriteString(keys, "half a line\x03\x04upttime\x7f\r") // dropped; control-D is nothing
	x.shows(t, "upttim: unknown command")
	io.WriteString(keys, "sleep\r")
	<-started
	io.WriteString(keys, "\x03")
	<-stopped
	x.shows(t, "sleep: interrupted")
	keys.CloseWithError(errors.New("unplugged"))
	require.EqualError(t, <-done, "unplugged")
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
