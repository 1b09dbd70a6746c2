//go:build qemu

package test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
	"muster/tools/profile/convert"
)

// selves returns the time of each function itself, and the one that has most.
func selves(p *profile.Profile) (most string, self map[string]int64) {
	self = map[string]int64{}
	for _, s := range p.Sample {
		self[s.Location[0].Line[0].Function.Name] += s.Value[1]
	}
	for name, n := range self {
		if n > self[most] {
			most = name
		}
	}
	return most, self
}

// stackOf returns the functions that have called the function in which each sample was
// recorded, the innermost first.
func stackOf(s *profile.Sample) (names []string) {
	for _, l := range s.Location {
		for _, line := range l.Line {
			names = append(names, line.Function.Name)
		}
	}
	return names
}

// A profile shows the function in which a program spends its time, on all CPUs: the second
// one is the control, with another function. A program that spends its time in system calls
// has the core's functions, which run with interrupts off, below its own. Frame pointers
// that lie end a stack and nothing else. After the end of a profile no CPU gets an NMI.
func TestSampling(t *testing.T) {
	program := build(t, "build", "./testdata/hot")
	stop := "profile stop -json"
	var run []string
	acts := []string{"sum", "mix", "calls", "lies"}
	for _, act := range acts {
		run = append(run, "profile start 500", "app hot "+act, stop)
	}
	run = append(run, "irq -json", "test timers", "irq  -json")
	r := boot(t, "--cpus", "4", "--mem", "512", "--timeout", "200", "--qemu", "-initrd "+program, "--run", strings.Join(run, "; ")).ok().lacks("not sent by a CPU")

	kernel, err := convert.Open(filepath.Join(root, "build", "kernel.elf"))
	require.NoError(t, err)
	names, err := convert.Open(program)
	require.NoError(t, err)
	profiles := map[string]*profile.Profile{}
	rest := r.log
	for _, act := range acts {
		_, after, ok := strings.Cut(rest, "muster> "+stop+"\n")
		require.True(t, ok, act)
		rest = after
		p, err := convert.Read(rest)
		require.NoError(t, err)
		accounted(t, p)
		profiles[act], err = convert.To(p, kernel, names)
		require.NoError(t, err)
	}
	for _, act := range []string{"sum", "mix"} {
		most, self := selves(profiles[act])
		require.Equal(t, "main."+act, most, "%v", self)
		cpus := map[string]bool{}
		for _, s := range profiles[act].Sample {
			if stack := stackOf(s); stack[0] == most {
				cpus[s.Label["cpu"][0]] = true
				require.Equal(t, []string{"sync.(*WaitGroup).Go.func1", "runtime.goexit", "program hot"}, stack[len(stack)-3:])
			}
		}
		require.ElementsMatch(t, []string{"0", "1", "2", "3"}, slices.Collect(maps.Keys(cpus)))
	}
	require.True(t, slices.ContainsFunc(profiles["calls"].Sample, func(s *profile.Sample) bool {
		stack := stackOf(s)
		i := slices.Index(stack, "muster/kernel/trap.syscallEntry")
		return i > 0 && stack[i-1] == "muster/kernel/linux.sysGetrusage" && slices.Contains(stack[i+1:], "main.main.func1")
	}), "from the core to the program")
	lies := func(s *profile.Sample) bool { return slices.Contains(stackOf(s), "main.lie") }
	require.True(t, slices.ContainsFunc(profiles["lies"].Sample, lies))

	nmis := func(command string) []uint64 {
		for _, row := range decode[[]shell.IRQ](r, command) {
			if row.Vector == 2 {
				return row.Counts
			}
		}
		return nil
	}
	require.Equal(t, nmis("irq -json"), nmis("irq  -json"))

	file := filepath.Join(t.TempDir(), "profile.pb.gz")
	f, err := os.Create(file)
	require.NoError(t, err)
	require.NoError(t, profiles["sum"].Write(f))
	require.NoError(t, f.Close())
	top, err := exec.Command("go", "tool", "pprof", "-top", file).CombinedOutput()
	require.NoError(t, err, "%s", top)
	require.Regexp(t, `(?m)%\s+main\.sum$`, string(top))
}

// A profile has all CPUs that are online: one that goes offline and comes back, and one that comes online for the first time.
func TestSamplingAcrossHotplug(t *testing.T) {
	program := build(t, "build", "./testdata/hot")
	stop := "profile stop -json"
	r := boot(t, "--cpus", "4", "--mem", "512", "--append", "maxcpus=3", "--qemu", "-initrd "+program,
		"--run", "profile start 500; cpu offline 1; cpu online 1; cpu online 3; app hot sum; "+stop).ok()
	_, rest, ok := strings.Cut(r.log, "muster> "+stop+"\n")
	require.True(t, ok)
	p, err := convert.Read(rest)
	require.NoError(t, err)
	require.Equal(t, 4, p.CPUs)
	kernel, err := convert.Open(filepath.Join(root, "build", "kernel.elf"))
	require.NoError(t, err)
	names, err := convert.Open(program)
	require.NoError(t, err)
	all, err := convert.To(p, kernel, names)
	require.NoError(t, err)
	cpus := map[string]bool{}
	for _, s := range all.Sample {
		if stackOf(s)[0] == "main.sum" {
			cpus[s.Label["cpu"][0]] = true
		}
	}
	require.ElementsMatch(t, []string{"0", "1", "2", "3"}, slices.Collect(maps.Keys(cpus)))
}

// accounted requires that the samples of all CPUs and those that are said to be missing are
// as many as the time of the machine has room for.
func accounted(t *testing.T, p shell.Profile) {
	t.Helper()
	n := int(p.Lost + p.Missed + p.Dropped)
	for _, s := range p.Stacks {
		n += s.Count
	}
	all := int(p.SpanNS/1e6) * p.Rate / 1000 * p.CPUs
	require.InDelta(t, all, n, float64(all)/2, "of "+strconv.Itoa(all))
}
