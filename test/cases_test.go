//go:build qemu

package test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared is a program of ../shared/cases that once broke the kernel, and what it must do
// now.
type shared struct {
	program string
	args    string // %d is the time that it takes, in seconds
	seconds int    // in make test; the soak takes ten times as long
	cpus    int    // in make test, in place of 4
	options []string
	long    bool // too long for make test
	counted bool // on one CPU that counts instructions, with stretchLimit
	status  []int
	want    func(r *result)
}

// sharedCases is every case that a program alone can show. The others are
// TestWholeLines, the tests of the command line and the host tests of package boot.
var sharedCases = map[string]shared{
	"epolluaf":  {program: "attack", args: "epolluaf %d", seconds: 3, want: ended},
	"pipeclose": {program: "attack", args: "pipeclose %d", seconds: 3, want: ended},
	"piperead":  {program: "attack", args: "piperead %d", seconds: 2, want: ended},
	// Its threads have the TLS of the thread that made them, so a signal's handler can damage
	// the program's runtime, on Linux too. SIGTRAP would say that exit returned.
	"clonekill":  {program: "attack", args: "clonekill %d", seconds: 3, status: []int{0, 2}, want: func(r *result) { r.lacks("SIGTRAP", "breakpoint") }},
	"treap":      {program: "attack", args: "treap 40", cpus: 1, want: ended},
	"epollclose": {program: "attack", args: "epollclose 50000", cpus: 2, want: func(r *result) { ended(r); r.has("watches 50000\n") }},
	"xrstor":     {program: "attack", args: "xrstor", options: []string{"--cpu", "max,-avx"}, status: []int{2, 42, 139}},
	"leak":       {program: "attack", args: "leak", want: noLeak},
	"mprotect":   {program: "attack", args: "mprotect 32000", counted: true, want: ended},
	"pipebuf":    {program: "attack", args: "pipebuf", want: func(r *result) { ended(r); r.has("records 500 torn 0\n") }},
	"sleep":      {program: "attack", args: "sleep 4", want: ended},
	"threads":    {program: "attack", args: "threads 2000", options: []string{"--mem", "1024"}, want: func(r *result) { ended(r); r.has("threads 2000\n") }},
	"touch":      {program: "attack", args: "touch 200", want: func(r *result) { ended(r); r.has("touched all 200\n") }},
	"fair":       {program: "attack", args: "fair 5 %d", seconds: 2, want: ended},
	"sigscan":    {program: "attack", args: "sigscan 1000", want: ended},
	"capture":    {program: "pipeidiom", args: "capture", want: func(r *result) { r.has("captured 10000\n") }},
	"records":    {program: "pipeidiom", args: "records", want: func(r *result) { r.has("bytes 2240000 of 2240000\n", "torn records: 0\n") }},
	"sysprobe":   {program: "sysprobe", args: "all", want: likeLinux},
	// "attack multi" has no end, on Linux either: its pipebuf leaves writers at a full pipe, by
	// system calls of which the runtime is not told, and the next act waits for them to reach
	// a safe point. The acts run one by one.
	"sleep0":      {program: "attack", args: "sleep 0", long: true, want: ended},
	"sleep12":     {program: "attack", args: "sleep 12", long: true, want: ended},
	"multi2":      {program: "attack", args: "multi2", long: true, want: ended},
	"manythreads": {program: "attack", args: "threads 5000", long: true, options: []string{"--mem", "1024"}, want: ended},
}

// ended says that the program came to its end.
func ended(r *result) { r.ok().has("poc done ") }

// noLeak looks at the words that the program found in its signal frames, from byte 416 of
// the XSAVE area on: where nothing was saved they are zero, and what follows, which Linux
// fills in, is the same each time.
func noLeak(r *result) {
	ended(r)
	lines := regexp.MustCompile(`(?m)^\d:(.*)$`).FindAllStringSubmatch(r.log, -1)
	require.Len(r.t, lines, 6)
	first := strings.Fields(lines[0][1])
	require.Len(r.t, first, 12)
	require.Equal(r.t, []string{"0", "0", "0", "0", "0", "0"}, first[:6], "bytes of the kernel's in a signal frame")
	for _, l := range lines {
		require.Equal(r.t, first, strings.Fields(l[1]), "bytes of the kernel's in a signal frame")
	}
}

// likeLinux compares the answers of sysprobe with Linux's, line by line. The recording is
// of an emulator that lacks the answers after one line. There is no fork here.
func likeLinux(r *result) {
	want, err := os.ReadFile(filepath.Join(sharedDir(r.t), "ring3", "sysprobe", "linux.txt"))
	require.NoError(r.t, err)
	_, list, _ := strings.Cut(r.log, "eventfd2 initval")
	have := map[string]bool{}
	for line := range strings.Lines("eventfd2 initval" + list) {
		have[strings.TrimSpace(line)] = true
	}
	var missing []string
	for line := range strings.Lines(strings.ReplaceAll(string(want), "\r", "")) {
		if line = strings.TrimSpace(line); line != "" && !have[line] && !strings.Contains(line, "HUNG") && !strings.HasPrefix(line, "fork-like clone") {
			missing = append(missing, line)
		}
	}
	require.Empty(r.t, missing, "lines of Linux's that are not here")
}

// sharedDir is the folder of the cases, which is not part of the project.
func sharedDir(t *testing.T) string {
	dir := os.Getenv("MUSTER_CASES")
	if dir == "" {
		dir = filepath.Join(root, "..", "shared", "cases")
	}
	if _, err := os.Stat(filepath.Join(dir, "ring3")); err != nil {
		t.Skipf("no cases: %v; MUSTER_CASES names their folder", err)
	}
	return dir
}

// runShared runs one case on a number of CPUs; longer multiplies its time.
func runShared(t *testing.T, exe string, tc shared, kernel string, cpus, longer int) {
	args := tc.args
	if strings.Contains(args, "%d") {
		args = fmt.Sprintf(args, tc.seconds*longer)
	}
	all := append([]string{"--mem", "512", "--timeout", strconv.Itoa(60 + tc.seconds*longer*2)}, tc.options...)
	all = append(all, "--app", exe)
	all = append(all, strings.Fields(args)...)
	var r *result
	if tc.counted {
		r = counted(t, all...)
	} else {
		r = boot(t, append([]string{"--kernel", root + "/build/" + kernel, "--cpus", strconv.Itoa(cpus)}, all...)...)
	}
	r.lacks("PANIC")
	if tc.status == nil {
		r.ok()
	} else {
		require.Contains(t, tc.status, r.status)
	}
	if tc.want != nil {
		tc.want(r)
	}
}

// buildShared compiles the programs of the cases.
func buildShared(t *testing.T) map[string]string {
	dir := sharedDir(t)
	exes := map[string]string{}
	for _, name := range []string{"attack", "pipeidiom", "sysprobe"} {
		exe := filepath.Join(t.TempDir(), name)
		cmd := exec.Command("go", "build", "-o", exe, ".")
		cmd.Dir = filepath.Join(dir, "ring3", name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		exes[name] = exe
	}
	return exes
}

// Programs that broke the kernel of commit a1821b4, each as it stands, on 4 CPUs and the
// debug kernel, for a short time.
func TestSharedCases(t *testing.T) {
	exes := buildShared(t)
	for name, tc := range sharedCases {
		if tc.long {
			continue
		}
		t.Run(name, func(t *testing.T) {
			runShared(t, exes[tc.program], tc, "kernel-debug.elf", cmp.Or(tc.cpus, 4), 1)
		})
	}
}
