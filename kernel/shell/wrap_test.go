package shell

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// fits reports that each line of an output fits the narrowest terminal.
func fits(t *testing.T, out string) {
	t.Helper()
	for line := range strings.SplitSeq(out, "\n") {
		require.LessOrEqual(t, utf8.RuneCountInString(line), width, line)
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("word ", 40)
	require.Equal(t, "short  text", "short  "+wrap("text", 7))
	require.Equal(t, strings.Fields(long), strings.Fields(wrap(long, 20)))
	fits(t, strings.Repeat(" ", 20)+wrap(long, 20))
	require.Contains(t, wrap(long, 20), "\n"+strings.Repeat(" ", 20)+"word")
	alone := strings.Repeat("x", 200)
	full := strings.Repeat("x", width-2) + " y"
	require.Equal(t, full, hang(full), "the first line has the whole width")
	require.Equal(t, full+"\n  z", hang(full+" z"))
	require.Equal(t, "a\n"+alone+"\nb", wrap("a "+alone+" b", 0), "a word is not divided")
}

// The list of commands, and the help for each, fits.
func TestHelpFits(t *testing.T) {
	out, err := run(t, "help")
	require.NoError(t, err)
	fits(t, out)
	s := New(&fake{}, io.Discard)
	require.Equal(t, len(s.commands)+2, strings.Count(out, "\n"), "a line for each")
	for _, c := range s.commands {
		require.NotEmpty(t, brief(c.about, width-10), c.name)
		require.NotContains(t, out, c.name+" \n")
		out, _ := run(t, "help "+c.name)
		fits(t, out)
	}
	require.Equal(t, "one thing", brief("one thing; and "+strings.Repeat("another ", 20), 70))
	require.Equal(t, "one, two", brief("one, two, "+strings.Repeat("three", 20), 70))
}

// CPUs that do not fit beside one another come in a table below, with the names of the rows.
func TestPerCPU(t *testing.T) {
	head := []string{"VECTOR", "NAME", "LINE"}
	for _, cpus := range []int{0, 1, 4, 16, 255} {
		counts := make([]uint64, cpus)
		for i := range counts {
			counts[i] = uint64(i * i * i)
		}
		var out bytes.Buffer
		require.NoError(t, perCPU(&out, head, []counted{{[]string{"0xf8", "local timer", ""}, counts}, {[]string{"0xdd", "console", "4"}, counts}}, cpus))
		fits(t, out.String())
		for i := range cpus {
			require.Equal(t, 1, strings.Count(out.String(), " CPU"+strconv.Itoa(i)+"\n")+strings.Count(out.String(), " CPU"+strconv.Itoa(i)+" "), "%d of %d", i, cpus)
		}
	}
	var out bytes.Buffer
	require.NoError(t, perCPU(&out, head, []counted{{[]string{"0xf8", "local timer", ""}, []uint64{3, 1 << 60}}}, 2))
	require.Equal(t, "  VECTOR         NAME  LINE  CPU0                 CPU1\n    0xf8  local timer           3  1152921504606846976\n", out.String())
}

// busy is a machine whose lines are in each state that has a remark.
type busy struct{ fake }

func (b *busy) CPUs() []CPU {
	return []CPU{{CPU: 0, BSP: true, State: "online"}, {CPU: 1, State: "online", Drained: true}, {CPU: 2, State: "offline"}}
}

func (b *busy) IRQs() []IRQ {
	zero, one := 0, 1
	return []IRQ{
		{Vector: 0xf8, Name: "local timer", Counts: []uint64{7, 8, 9}},
		{Vector: 0xdd, Name: "console", Counts: []uint64{1, 2, 0}, Line: "4", Trigger: "edge", Polarity: "high", CPU: &zero, Allowed: []int{1}, State: "open", Balanced: 2},
		{Vector: 0xdc, Name: "storm", Counts: []uint64{9, 0, 0}, Line: "8", Trigger: "level", Polarity: "low", CPU: &one, State: "stuck", Strays: 5},
	}
}

func TestIRQListing(t *testing.T) {
	out, err := runOn(&busy{}, "irq")
	require.NoError(t, err)
	require.Equal(t, `  VECTOR         NAME  LINE  CPU0  CPU1  CPU2
    0xf8  local timer           7     8     9
    0xdd      console     4     1     2     0
    0xdc        storm     8     9     0     0

  LINE     NAME    TRIGGER      GOES-TO  STATE  STRAYS  MOVES
     4  console  edge,high    cpu0 of 1   open              2
     8    storm  level,low  cpu1 of all  stuck       5      0
line 4 goes to cpu0 while none of its CPUs (1) takes interrupts
line 8 is stuck: masked, its driver polls; irq resume 8 lets it interrupt
cpu1 was drained: it gets no lines; irq admit 1 ends that
`, out)
	out, err = runOn(&busy{}, "irq affinity Storm 1")
	require.Error(t, err)
	require.Equal(t, "irq: no line \"Storm\": storm is line 8\n", out)
}

// large is a machine with many CPUs, whose sets of CPUs are as long as they can be, and a clock with large numbers.
type large struct{ fake }

const largeCPUs = 256

func (l *large) CPUs() (list []CPU) {
	for i := range largeCPUs {
		list = append(list, CPU{CPU: i, BSP: i == 0, State: "online"})
	}
	return list
}

func (l *large) IRQs() []IRQ {
	last, all := largeCPUs-1, make([]uint64, largeCPUs)
	var odd []int
	for i := range largeCPUs {
		all[i] = 1 << 40
		if i%2 == 1 && i != last {
			odd = append(odd, i)
		}
	}
	return []IRQ{
		{Vector: 0xf8, Name: "local timer", Counts: all},
		{Vector: 0xdd, Name: "console", Counts: all, Line: "4", Trigger: "edge", Polarity: "high", CPU: &last, Allowed: odd, State: "open", Balanced: 2},
	}
}

func (l *large) Time() Time {
	t := l.fake.Time()
	t.Keeper.SlowNS, t.Keeper.SlewPPB = -1_000_000_000, -500_000
	t.Keeper.Windows, t.Keeper.Bad, t.Keeper.ApartNS, t.Keeper.OverNS = 1_000_000, 100_000, -100_000e6, 1000e9
	t.CPUs = []TimeCPU{{CPU: 254, State: "differs from the boot CPU's by 100000.000 ms", Adjust: "it is -1152921504606846976, and did not take the boot CPU's value 1152921504606846976"}}
	return t
}

// Listings fit with as many CPUs as there may be.
func TestListingsFit(t *testing.T) {
	out, err := runOn(&large{}, "irq")
	require.NoError(t, err)
	fits(t, out)
	require.Contains(t, out, "cpu255 of 127 CPUs")
	require.Contains(t, out, "line 4 may go to the CPUs 1, 3, 5,")
	require.Contains(t, out, "line 4 goes to cpu255 while none of its CPUs (1, 3, 5,")
	out, err = runOn(&large{}, "time -v")
	require.NoError(t, err)
	fits(t, out[strings.Index(out, "\nclock: "):])
	require.Contains(t, out, "disagreements: 100000, last by")
}

// Each argument has candidates of its own.
func TestCompleteArguments(t *testing.T) {
	s := New(&busy{}, io.Discard)
	for line, want := range map[string][]string{
		"irq ":                       {"-h", "-json", "admit", "affinity", "drain", "resume"},
		"irq affinity ":              {"-h", "-json", "4", "8"},
		"irq affinity 4 ":            {"-h", "-json", "0", "all"},
		"irq affinity 4 0 ":          {"-h", "-json"},
		"irq -json resume ":          {"-h", "-json", "8"},
		"irq drain ":                 {"-h", "-json", "0"},
		"irq admit ":                 {"-h", "-json", "1"},
		"cpu offline ":               {"-h", "-json", "1", "all"},
		"cpu online ":                {"-h", "-json", "2", "all"},
		"cpu online 2 ":              {"-h", "-json"},
		"smp start ":                 {"-h", "-json", "2"},
		"smp trace ":                 {"-h", "-json"},
		"kill 1 T":                   {"TERM"},
		"trace -cpu 1 st":            {"start", "stop"},
		"trace -cpu=1 st":            {"start", "stop"},
		"test stress ":               {"-h", "-json"},
		"run hello ":                 nil,
		"uptime; cpu off":            {"offline"},
		"irq affinity 4 0; cpu onli": {"online"},
	} {
		got, _ := s.Complete(line)
		require.Equal(t, want, got, line)
	}
}
