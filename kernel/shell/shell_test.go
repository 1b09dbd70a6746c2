package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	tables "muster/kernel/acpi"
	"muster/kernel/freq"
)

// fake is a machine with two CPUs and fixed answers.
type fake struct {
	ended   []int
	events  [2][]Event   // by CPU, newest first
	kinds   uint32       // of the events that are recorded
	rate    int          // of the profile, 0 for none
	samples []abi.Sample // of the next CPU that is read
	stops   int          // of the profile
	noisy   int          // how many of them find an NMI that may still come

	affinity []int // of line 4

	last     *LastBoot
	programs []string
	started  []*fakeProgram
	standing Standing         // of the program that was started last
	done     []string         // what Bind and Nice did
	refuse   map[uint32]error // by thread, for them
}

func (f *fake) CPUs() []CPU {
	return []CPU{{CPU: 0, BSP: true, State: "online"}, {CPU: 1, APICID: 4, State: "offline"}}
}
func (f *fake) Features() []Features {
	return []Features{{CPU: 0, Words: []uint32{1}, Mitigations: []Mitigation{{"SMEP", true, ""}, {"IBT", false, "old"}}, Slower: []Lack{{"XSAVE", "no AVX"}}},
		{CPU: 1, Words: []uint32{2}, Mitigations: []Mitigation{{"SMEP", false, "odd"}, {"IBT", false, "old"}}}}
}
func (f *fake) BringUp() []BringUp {
	return []BringUp{{CPU: 1, APICID: 4, Steps: []Step{{"INIT", 0}, {"RealMode16", 12.34}}}}
}
func (f *fake) StopCPU(n int) error {
	if n == 7 {
		return errors.New("there is no CPU 7")
	}
	if n == 0 {
		return errors.New("cpu 0 is the boot CPU")
	}
	return nil
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
func (f *fake) Locks() []LockClass {
	return []LockClass{{"tasks", []LockCounts{{1, 0, 1500, 1500, 0}, {2, 1, 3000, 2500, 0}}}, {"frames", make([]LockCounts, 2)}}
}
func (f *fake) Audit() []Audited { return nil }
func (f *fake) IRQs() []IRQ      { return nil }
func (f *fake) SerialPorts() []SerialPort {
	return []SerialPort{{Address: 0x3f8, For: "console", Received: 12, Overruns: 1}}
}

func (f *fake) ResumeIRQ(line string) error { return f.Affinity(line, nil) }

func (f *fake) DrainCPU(cpu int) error { return f.AdmitCPU(cpu) }

func (f *fake) AdmitCPU(cpu int) error {
	if cpu > 1 {
		return fmt.Errorf("there is no cpu%d", cpu)
	}
	return nil
}

func (f *fake) Affinity(line string, cpus []int) error {
	if line != "4" {
		return fmt.Errorf("no line %q; irq lists them", line)
	}
	f.affinity = cpus
	return nil
}
func (f *fake) PCI() []PCI {
	return []PCI{{Function: "00:01.0", Vendor: 0x8086, Device: 0xd, Class: 0xc0330, Name: "xHCI", BARs: []BAR{{Base: 0xfe000000, Size: 0x4000}, {Index: 2, Base: 0xc000, IO: true}}, Capabilities: []string{"MSI-X"}},
		{Function: "00:02.0", Name: "PCI bridge", Below: 3}}
}
func (f *fake) Threads() []Thread { return nil }
func (f *fake) Sched(cpu int) (SchedCPU, error) {
	if cpu > 1 {
		return SchedCPU{}, syscall.EINVAL
	}
	c := SchedCPU{CPU: cpu, Thread: 7, Class: "fair", Waiting: 1, Switches: 40, Counts: [abi.SchedCounters]uint64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}}
	c.Runs = &SchedThread{ID: 7, Class: "fair", Weight: 1024, AheadNS: 1500, DueNS: -2_000_000}
	c.List = []SchedThread{{ID: 9, Class: "kernel"}}
	return c, nil
}
func (f *fake) Memory() Memory   { return Memory{Total: 1 << 20} }
func (f *fake) Temperature() int { return 0 }
func (f *fake) Log() []LogLine   { return nil }
func (f *fake) LastBoot() LastBoot {
	if f.last != nil {
		return *f.last
	}
	return LastBoot{Why: "cold"}
}
func (f *fake) Machine() Machine {
	return Machine{Version: "0.1", Go: "go1", Loader: "PVH", CPU: "Fast CPU", TSCHz: 2e9, TSCFrom: "PIT", Screen: "no framebuffer", Free: []Range{{1 << 20, 2 << 20}}}
}
func (f *fake) Uptime() Uptime { return Uptime{UpNS: 1500e6, Date: "2025-01-01T00:00:00Z"} }
func (f *fake) Time() Time {
	return Time{Uptime: f.Uptime(), Hz: 2_600_000_123, From: "HPET", Why: "it counts",
		Sources:  []TimeSource{{Name: "CPUID 15H", Kind: "exact", State: "absent"}, {Name: "HPET", Kind: "measured", Hz: 2_600_000_123, Bound: 70, State: "chosen"}},
		Counters: []TimeCounter{{Name: "HPET", Bits: 64, Hz: 100e6, State: "counts"}}, Timer: TimeTimer{Hz: 62_500_001, Bound: 90, State: "measured", Mode: "one-shot"},
		Clock:  "time-stamp counter",
		Keeper: TimeKeeper{Reference: "HPET", Checks: 5, Hz: 2_600_000_100, SlowNS: -12, SlewPPB: -12, Watch: "on", Windows: 4, Bad: 1, ApartNS: 2500000, OverNS: 1001000000},
		CPUs:   []TimeCPU{{CPU: 1, Compared: true, State: "agrees"}, {CPU: 2, Compared: true, State: "agrees"}, {CPU: 4, State: "not compared yet", Adjust: "odd"}}}
}
func (f *fake) Freq() Freq {
	return Freq{Frequencies: freq.Frequencies{Base: 3600e6, Bus: 100e6, P: []uint64{3600e6, 2200e6}, From: "P-states", Turbo: true},
		Idle: freq.Idle{Monitor: true, Smallest: 64, Largest: 64, States: []freq.IdleState{{Name: "C1", Subs: 2}}},
		Firmware: FirmwareIdle{Named: 2, Methods: 1, C2: 101, C3: 57,
			States: []tables.IdleState{{Type: 1, Entry: tables.GAS{Space: tables.SpaceFixed}, Latency: 1}, {Type: 2, Entry: tables.GAS{Space: tables.SpaceIO, BitWidth: 8, Address: 0x414}, Latency: 20, Power: 500}}}}
}
func (f *fake) Trace(cpu int, from uint64) (list []Event) {
	for _, e := range f.events[cpu] {
		if e.Seq >= from {
			list = append(list, e)
		}
	}
	return list
}
func (f *fake) TraceKinds(kinds uint32) (old uint32) { old, f.kinds = f.kinds, kinds; return old }
func (f *fake) StartProfile(cpu, rate int) error {
	f.rate = rate
	return nil
}
func (f *fake) StopProfile() (quiet bool) {
	f.rate = 0
	f.stops++
	return f.stops > f.noisy
}
func (f *fake) Samples(cpu int) (list []abi.Sample) {
	list, f.samples = f.samples, nil
	return list
}
func (f *fake) SampleCounts(int) abi.SampleCounts { return abi.SampleCounts{Lost: 3, Busy: 1, Late: 1} }
func (f *fake) End(status int)                    { f.ended = append(f.ended, status) }
func (f *fake) Reboot()                           {}
func (f *fake) Crash(kind string) error {
	f.ended = append(f.ended, -2)
	return errors.New(kind + " survived")
}
func (f *fake) CrashKinds() []OptionHelp {
	return []OptionHelp{{Name: "panic", About: "by call"}, {Name: "nil", About: "a pointer"}}
}
func (f *fake) Instructions() bool     { return false }
func (f *fake) ProgramNames() []string { return f.programs }
func (f *fake) Bind(thread uint32, cpus []int) error {
	f.done = append(f.done, fmt.Sprintf("bind %d%v", thread, cpus))
	return f.refuse[thread]
}
func (f *fake) Nice(thread uint32, nice int) error {
	f.done = append(f.done, fmt.Sprint("nice ", thread, " ", nice))
	return f.refuse[thread]
}
func (f *fake) SetPolicy(thread uint32, p Policy) error {
	f.done = append(f.done, fmt.Sprint("policy ", thread, " ", p))
	return f.refuse[thread]
}
func (f *fake) Start(st Standing, args []string) (Program, error) {
	f.standing = st
	if !slices.Contains(f.programs, args[0]) {
		return nil, ErrNoProgram
	}
	if args[0] == "broken" {
		return nil, errors.New("not a program")
	}
	p := &fakeProgram{number: 10 + len(f.started), args: args, end: make(chan int, 1)}
	f.started = append(f.started, p)
	if args[0] == "short" {
		p.end <- len(args) - 1
	}
	return p, nil
}
func (f *fake) Programs(_ context.Context, lists [][]string) (statuses []int, err error) {
	for _, args := range lists {
		statuses = append(statuses, len(args))
	}
	return statuses, nil
}

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

const irqUsage = "usage: irq [-json] [affinity LINE CPUS | drain CPU | admit CPU | resume LINE]\n"

func TestCommands(t *testing.T) {
	tests := map[string]struct {
		want string
		bad  bool
	}{
		"":       {want: ""},
		`""`:     {want: "\"\": unknown command; help lists all\n", bad: true},
		"uptime": {want: "up 1.5s, 2025-01-01T00:00:00Z\n"},
		"time":   {want: "2025-01-01T00:00:00Z, time-stamp counter at 2600.000123 MHz by HPET\n"},
		"time -v": {want: "2025-01-01T00:00:00Z, time-stamp counter at 2600.000123 MHz by HPET\nchosen: HPET: it counts\n" +
			"SOURCE     KIND      SAYS             BOUND   APART  STATE\nCPUID 15H  exact     -                -       -      absent\n" +
			"HPET       measured  2600.000123 MHz  70 ppm  -      chosen\n\nCOUNTER  BITS  COUNTS AT       STATE\n" +
			"HPET     64    100.000000 MHz  counts\n\ntimer interrupts: one-shot\ntimer of the local APICs: measured, 62.500001 MHz, bound 90 ppm\n" +
			"clock: time-stamp counter\ntimekeeper: cpu0, compares with HPET: 2600.000100 MHz since boot, checks: 5\n" +
			"  the clock was 12 ns fast: it runs slower by 12 ppb until the next check\n" +
			"watchdog: on\n  comparisons: 4, disagreements: 1, last by 2.500 ms in 1.001 s\ncounter of cpu1 to cpu2: agrees\ncounter of cpu4: not compared yet; IA32_TSC_ADJUST: odd\n"},
		"freq": {want: "frequencies by P-states\n  base   3600.000000 MHz\n  bus    100.000000 MHz\n  turbo: yes\n" +
			"  P-state 0: 3600.000000 MHz\n  P-state 1: 2200.000000 MHz\n" +
			"MWAIT\n  states, with the number of substates: C1 (2)\n  monitored line: 64 bytes\n" +
			"  an interrupt ends it also while interrupts are off: no\n  the local APIC's timer runs in all states: no\n" +
			"_CST: 2 packages, 1 made by AML\n  C1 by MWAIT 0x0: at most 1 us to leave, 0 mW\n  C2 by I/O 0x414, 8 bits: at most 20 us to leave, 500 mW\n" +
			"FADT: C2 absent, C3 57 us\nthe kernel reads all this and drives none of it: idle CPUs halt\n"},
		"irq -json":      {want: "[]\n"},
		"serial":         {want: "   PORT      FOR  RECEIVED  OVERRUNS  DROPPED\n  0x3f8  console        12         1        0\n"},
		"irq affinity 4": {want: "irq: usage: irq affinity LINE CPUS\n", bad: true},
		"irq list":       {want: "irq: no \"list\"; " + irqUsage, bad: true},
		"irq drain":      {want: "irq: usage: irq drain CPU\n", bad: true},
		"irq drain 1":    {want: ""},
		"irq drain 7":    {want: "irq: there is no cpu7\n", bad: true},
		"irq resume 4":   {want: ""},
		"irq resume":     {want: "irq: usage: irq resume LINE\n", bad: true},
		"irq admit x":    {want: "irq: \"x\" is not a CPU number; cpus lists them\n", bad: true},
		"dmesg -last":    {want: "nothing kept: cold\n"},
		"ipi":            {want: "   IPI  COUNTER  CPU0  CPU1\n  call     sent     3     0\n"},
		"locks":          {want: "  CLASS  CONTENDED  OUT-OF-TURN  WAIT-US  LONGEST-WAIT-US\n  tasks          3            1      4.5              2.5\n"},
		"smp start 1":    {want: ""},
		"smp start 9":    {want: "smp: no such CPU\n", bad: true},
		"acpi":           {want: "acpi: RSDP+0x0: not found\n", bad: true},
		"upttime":        {want: "upttime: unknown command, nearest is \"uptime\"; help lists all\n", bad: true},
		"frobnicate":     {want: "frobnicate: unknown command; help lists all\n", bad: true},
		"cpus x":         {want: "cpus: \"x\" is one word too many; usage: cpus [-topology] [-features] [-idle] [-json]\n", bad: true},
		"smp trace":      {want: "cpu 1, APIC ID 4, us: INIT 0.0, RealMode16 12.3\n"},
		"smp":            {want: "smp: usage: smp [-json] trace | start CPU\n", bad: true},
		"cpus -tree":     {want: "cpus: unknown option -tree; usage: cpus [-topology] [-features] [-idle] [-json]\n", bad: true},
		"cpus -topology": {want: drawn},
		"cpus -features": {want: "MITIGATION  CPU0  CPU1  WHY NOT\nSMEP        on    -     odd\nIBT         -     -     old\nslower without XSAVE: no AVX\ncpu 1 differs from cpu 0 in CPUID\n"},
		"smp trace x":    {want: "smp: \"x\" is one word too many; usage: smp [-json] trace | start CPU\n", bad: true},
		"kill 1 2 3":     {want: "kill: \"3\" is one word too many; usage: kill JOB [SIGNAL]\n", bad: true},
		"exit":           {want: "exit: unknown command; poweroff ends the machine\n", bad: true},
		"ls -l":          {want: "ls: unknown command; there are no files; run NAME runs a program of the image or the stick\n", bad: true},
		"crash -h":       {want: "usage: crash KIND\nbreak the core on purpose, to see the report of a panic\nfirst argument:\n  panic  by call\n  nil    a pointer\noptions:\n  -h  print this and do nothing else\n"},
		"help a b":       {want: "help: \"b\" is one word too many; usage: help [-json] [COMMAND]\n", bad: true},
		"CPUS -JSN":      {want: "CPUS: unknown option -JSN, nearest is \"-json\"; usage: cpus [-topology] [-features] [-idle] [-json]\n", bad: true},
		"smp start x":    {want: "smp: \"x\" is not a CPU number; cpus lists them\n", bad: true},
		"smp start -1":   {want: "smp: unknown option -1; usage: smp [-json] trace | start CPU\n", bad: true},
		"app":            {want: "app: usage: app [-json] ARGUMENTS [/ ARGUMENTS]...\n", bad: true},
		"app a b / c":    {want: "app: a b: status 2\napp: c: status 1\n", bad: true},
		"app a /":        {want: "app: usage: app [-json] ARGUMENTS [/ ARGUMENTS]...\n", bad: true},
		"crash nul":      {want: "crash: no kind \"nul\", nearest is \"nil\"; crash -h explains all\n", bad: true},
		"crash NIL":      {want: "crash: nil survived\n", bad: true},
		"test stres":     {want: "test: no test \"stres\", nearest is \"stress\"; test list shows all\n", bad: true},
		"bench nosuch":   {want: "bench: no benchmark \"nosuch\"; bench list shows all\n", bad: true},
		"crash":          {want: "crash: usage: crash KIND: one of panic, nil; crash -h explains them\n", bad: true},
		"cpus --json": {want: `[{"cpu":0,"apic_id":0,"acpi_id":0,"bsp":true,"state":"online","stage":"","ticks":0,"switches":0,"interrupts":0,"idle_ns":0,"run_ns":0,"wakes":[0,0,0,0,0]},` +
			`{"cpu":1,"apic_id":4,"acpi_id":0,"bsp":false,"state":"offline","stage":"","ticks":0,"switches":0,"interrupts":0,"idle_ns":0,"run_ns":0,"wakes":[0,0,0,0,0]}]` + "\n"},

		"cpus -topology -features":  {want: "cpus: -topology, -features and -idle are listings of their own: give one of them\n", bad: true},
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
		"p":               {"pci", "poweroff", "profile", "ps"},
		"cpus ":           {"-features", "-h", "-idle", "-json", "-topology"},
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
	require.Contains(t, out.String(), "cpus: \"a;b\" is one word too many")
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

// Two sessions have jobs and output of their own; tests run in one at a time, and there is one recorder.
func TestBeside(t *testing.T) {
	f := &fake{programs: []string{"long"}}
	var out, other bytes.Buffer
	a := New(f, &out)
	b := a.Beside(f, &other)
	ctx := context.Background()
	require.NoError(t, a.Run(ctx, "run long &; jobs"))
	require.Contains(t, out.String(), "long\n")
	require.Empty(t, other.String())
	require.NoError(t, b.Run(ctx, "jobs"))
	require.NotContains(t, other.String(), "long")

	require.True(t, a.shared.begin())
	require.ErrorIs(t, b.Run(ctx, "test basics"), errBusy)
	require.ErrorIs(t, b.Run(ctx, "bench"), errBusy)
	require.NoError(t, b.Run(ctx, "test list"), "lists nothing that runs")
	ended, end := context.WithCancel(ctx)
	end()
	require.False(t, b.shared.wait(ended), "the other session has not ended")
	a.shared.end()
	require.True(t, b.shared.wait(ctx))
	b.shared.end()

	require.NoError(t, a.Run(ctx, "trace start"))
	require.ErrorContains(t, b.Run(ctx, "trace start"), "are being recorded")
	require.NoError(t, b.Run(ctx, "trace stop"))
	require.ErrorContains(t, a.Run(ctx, "trace stop"), "no events are being recorded")
}
