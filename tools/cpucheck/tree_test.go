package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// variants are the builds of the kernel.
var variants = []string{"", "debug", "explore"}

func TestTreeIsClean(t *testing.T) {
	for _, tags := range variants {
		r, err := tree{dir: "../..", patterns: []string{"./..."}}.check(tags)
		require.NoError(t, err, "tags %q", tags)
		require.Empty(t, r.findings, "tags %q", tags)
	}
}

// mutation is one change of a file of the kernel, and what must be found then:
// each finding contains one of want, and each of want is in a finding.
type mutation struct {
	file, old, new string
	want           []string
}

// Negative control: the kernel's own files with one mistake each, looked at in the
// same way as without it.
func TestMutationsAreFound(t *testing.T) {
	mutations := map[string]mutation{
		"park: assignment dropped": {"kernel/linux/sigmask.go", "c = sched.Park(c)", "sched.Park(c)", []string{
			"the CPU that sched.Park returns is dropped", "c is stale: sched.Park"}},
		"breathe: result to blank": {"kernel/linux/pipeio.go", "c = sched.Breathe(c)", "_ = sched.Breathe(c)", []string{
			"the CPU that sched.Breathe returns is dropped", "c is stale: sched.Breathe"}},
		"one of several results dropped": {"kernel/linux/futex.go", "c, expired = sched.ParkUntil(c, deadline)", "_, expired = sched.ParkUntil(c, deadline)", []string{
			"the CPU that sched.ParkUntil returns is dropped", "c is stale: sched.ParkUntil"}},
		"result in another variable": {"kernel/linux/vm.go", "c = p.maps.lock(c, which)\n\tc, ok = p.unmap(", "d := p.maps.lock(c, which)\n\td.Resched = 0\n\tc, ok = p.unmap(", []string{
			"c is stale: linux.lock"}},
		"old value returned": {"kernel/linux/thread.go", "return sched.Yield(c), 0", "d := sched.Yield(c)\n\td.Resched = 0\n\treturn c, 0", []string{
			"c is stale: sched.Yield"}},
		"stale in the next round": {"kernel/linux/vm.go", "Space.Zap(c, start, end); start < end {\n\t\t\tc = sched.Breathe(c)", "Space.Zap(c, start, end); start < end {\n\t\t\td := sched.Breathe(c)\n\t\t\td.Resched = 0", []string{
			"c is stale: sched.Breathe"}},
		"a handler's result dropped": {"kernel/linux/syscall.go", "\tc, r := handlerOf(t, n)(c, t, f)\n", "\t_, r := handlerOf(t, n)(c, t, f)\n", []string{
			"the CPU that a function value returns is dropped", "c is stale: a function value"}},
		"a callback's result dropped": {"kernel/mem/percpu.go", "c = breathe(c)\n\t\t}\n\t}\n\treturn c, p, true", "breathe(c)\n\t\t}\n\t}\n\treturn c, p, true", []string{
			"the CPU that breathe returns is dropped", "c is stale: breathe"}},
		"block not read anew after the switch": {"kernel/sched/seam.go", "func switchTo(_ *percpu.CPU, prev, next *Thread) *percpu.CPU {\n\treturn switchStack(&prev.sp, next.sp, next.g.FSBase())\n", "func switchTo(c *percpu.CPU, prev, next *Thread) *percpu.CPU {\n\tswitchStack(&prev.sp, next.sp, next.g.FSBase())\n\treturn c\n", []string{
			"the CPU that sched.switchStack returns is dropped", "c is stale: sched.switchStack"}},
		"old CPU after the switch": {"kernel/sched/switch.go", "\tc = switchTo(c, prev, next)\n", "\tswitchTo(c, prev, next)\n", []string{
			"the CPU that sched.switchTo returns is dropped", "c is stale: sched.switchTo"}},
		"old CPU's queue used": {"kernel/sched/switch.go", "c = switchTo(c, prev, next)\n", "c = switchTo(c, prev, next)\n\tq.how = leaveReady\n", []string{
			"this address in a CPU's block is stale: sched.switchTo"}},
		"block kept over an upward call": {"kernel/trap/trap.go", "how := upcall.To.Syscall(c, f)\n\tif lock.Checked {\n\t\tLeft(percpu.This())", "how := upcall.To.Syscall(c, f)\n\tif lock.Checked {\n\t\tLeft(c)", []string{
			"c is stale: upcall.Syscall"}},
		"a switch that the signature hides": {"kernel/sched/switch.go", "{ Current(c).bindTo(c, boundNowhere) }", "{ Current(c).bindTo(c, boundNowhere); c = Yield(c); c.Resched = 0 }", []string{
			"Unpin may switch threads in sched.Yield"}},
		"mark removed from a function": {"kernel/linux/syscall.go", "//cpucheck:switches the entry stub goes on, and finds the block by GS\n", "", []string{
			"Syscall may switch threads"}},
		"mark removed from a call": {"kernel/sched/idle.go", " //cpucheck:stays the idle thread never moves to another CPU", "", []string{
			"runFromIdle may switch threads in sched.switchTo", "the CPU that sched.switchTo returns is dropped", "c is stale: sched.switchTo"}},
		"mark without a reason": {"kernel/sched/idle.go", " the idle thread never moves to another CPU", "", []string{
			"cpucheck:stays without a reason"}},
		"mark removed from another's function": {"kernel/sched/watch.go", "//cpucheck:other the CPU to watch\n", "", []string{
			"watch may switch threads in sched.neighbour", "c is stale: sched.neighbour"}},
		"assert removed": {"kernel/linux/watch.go", "func (ep *epoll) find(c *percpu.CPU, f *File, fd uint64) *watch {\n\tep.mu.AssertHeld(c)\n", "func (ep *epoll) find(c *percpu.CPU, f *File, fd uint64) *watch {\n", []string{
			"find: held by its comment: ep.mu; asserted first: none"}},
		"one assert of two removed": {"kernel/linux/watch.go", "(free bool) {\n\tw.file.mu.AssertHeld(c)\n\tw.ep.mu.AssertHeld(c)\n", "(free bool) {\n\tw.file.mu.AssertHeld(c)\n", []string{
			"unlink: held by its comment: w.file.mu, w.ep.mu; asserted first: w.file.mu"}},
		"comment removed": {"kernel/mem/kmap.go", "// Locks: mapped.mu held.\n", "", []string{
			"cut: held by its comment: none; asserted first: mapped.mu"}},
		"reason removed": {"kernel/startcpus.go", "; not asserted: a sync.Mutex does not record its holder.", ".", []string{
			"catch: held by its comment: m.starting; asserted first: none"}},
	}
	for name, m := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each loads its packages anew
			m.check(t)
		})
	}
}

// tags returns the build in which a mutation is looked at. Asserts count in debug builds.
func (m mutation) tags() string {
	if strings.Contains(m.want[0], "asserted first") {
		return "debug"
	}
	return ""
}

// check checks the file's package with the mutation. TestTreeIsClean has it without.
func (m mutation) check(t *testing.T) {
	file, err := filepath.Abs("../../" + m.file)
	require.NoError(t, err)
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, bytes.Contains(good, []byte(m.old)), "%s: the text to change is not there: %q", m.file, m.old)
	look := tree{dir: "../..", patterns: []string{"./" + filepath.Dir(m.file)}}
	if look.patterns[0] == "./kernel" {
		look.patterns = append(look.patterns, "./kernel/sched") // package main is not a core package
	}
	look.overlay = map[string][]byte{file: bytes.Replace(good, []byte(m.old), []byte(m.new), 1)}
	r, err := look.check(m.tags())
	require.NoError(t, err)
	all := strings.Join(r.findings, "\n")
	for _, want := range m.want {
		require.Contains(t, all, want)
	}
	for _, f := range r.findings {
		require.True(t, m.expects(f), f)
		require.True(t, strings.HasPrefix(f, "../../"+m.file+":"), f)
	}
}

func (m mutation) expects(finding string) bool {
	for _, want := range m.want {
		if strings.Contains(finding, want) {
			return true
		}
	}
	return false
}

// A check that looked at nothing is an error, not a success.
func TestNothingToCheck(t *testing.T) {
	for patterns, want := range map[string]string{
		"./kernel/acpi":       "no core package",
		"./kernel/cpu":        "no call that may switch threads",
		"./kernel/nowhere":    "nowhere",
		"./tools/layers ./no": "no",
	} {
		_, err := tree{dir: "../..", patterns: strings.Fields(patterns)}.check("")
		require.ErrorContains(t, err, want, patterns)
	}
	broken, err := filepath.Abs("../../kernel/sched/park.go")
	require.NoError(t, err)
	_, err = tree{dir: "../..", patterns: []string{"./kernel/sched"},
		overlay: map[string][]byte{broken: []byte("package sched\n\nfunc Park( {\n")}}.check("")
	require.ErrorContains(t, err, "park.go:3")
}
