//go:build qemu

package test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/test/sysfuzz"
)

// fuzzRun is one machine that makes random system calls: processes at once, and rounds of
// them, each with some threads.
type fuzzRun struct {
	seed                           uint64
	copies, rounds, threads, calls int // calls of each process
	timeout                        int
	counted                        bool // one CPU, and stretchLimit
}

// counts is how often a call succeeded and failed.
type counts map[uint64][2]uint64

var (
	countOf   = regexp.MustCompile(`(\d+):(\d+)/(\d+)`)
	countLine = regexp.MustCompile(`(?m)sysfuzz: counts( .*)$`)
	doneLine  = regexp.MustCompile(`(?m)sysfuzz: done (\d+)$`)
	roundLine = regexp.MustCompile(`app: round \d+: statuses \[([\d ]+)\] after \S+; before (\d+) threads, (\d+) stacks, (\d+) pages, after (\d+) threads, (\d+) stacks, (\d+) pages`)
)

// killedStatus is the status of a process that SIGKILL has ended.
const killedStatus = 128 + 9

// fuzz runs the fuzzer on the debug kernel, which must survive it.
func fuzz(t *testing.T, f fuzzRun) counts {
	t.Helper()
	sum, err := f.run(t, root+"/build/kernel-debug.elf")
	require.NoError(t, err)
	return sum
}

// run runs the fuzzer on a kernel. The kernel survives if nothing panics, every process
// makes all its calls, and what the first round leaves is all that later ones leave.
func (f fuzzRun) run(t *testing.T, kernel string) (sum counts, err error) {
	t.Helper()
	t.Logf("seed %d: %d processes at once, %d rounds, %d threads, %d calls each; to reduce a failure: go run ./tools/shrink SEED %d %d",
		f.seed, f.copies, f.rounds, f.threads, f.calls, f.threads, f.calls)
	run := boot
	if f.counted {
		run = counted
	}
	r := run(t, "--kernel", kernel, "--mem", "1024", "--timeout", strconv.Itoa(f.timeout),
		"--append", fmt.Sprintf("copies=%d rounds=%d", f.copies, f.rounds),
		"--app", build(t, "build", "./testdata/sysfuzz"), strconv.FormatUint(f.seed, 10), strconv.Itoa(f.threads), strconv.Itoa(f.calls))
	log := r.log // of the kernel, and after it what the processes wrote
	if _, panicked, ok := strings.Cut(log, "PANIC"); ok {
		panicked, _, _ = strings.Cut(panicked, "\n")
		return nil, fmt.Errorf("the kernel panicked:%s", panicked)
	}
	// A process may map most of the memory. Then it ends when another process needs some.
	ended := strings.Count(log, "(sysfuzz): out of memory, the largest program, ended")
	switch {
	case strings.Contains(log, "sysfuzz: FAULT"):
		return nil, errors.New("a thread of the fuzzer jumped or reached where no call leads")
	case r.status != 0 && (ended == 0 || r.status != killedStatus):
		return nil, fmt.Errorf("the machine ended with status %d", r.status)
	}
	done := doneLine.FindAllStringSubmatch(log, -1)
	if len(done) != f.copies*f.rounds-ended {
		return nil, fmt.Errorf("%d processes made all their calls", len(done))
	}
	for _, m := range done {
		if m[1] != strconv.Itoa(f.calls/f.threads*f.threads) {
			return nil, fmt.Errorf("a process made %s calls", m[1])
		}
	}
	if err := leaves(log, f.rounds, 512); err != nil {
		return nil, err
	}
	return countsOf(log), nil
}

// leaves compares what the last of n rounds leaves with what the first one leaves. pages is
// how many pages of the core it may be more.
func leaves(log string, n, pages int) error {
	rounds := roundLine.FindAllStringSubmatch(log, -1)
	if len(rounds) != n {
		return fmt.Errorf("%d rounds", len(rounds))
	}
	for _, left := range []struct {
		what         string
		field, spare int // some free stacks and slabs are kept for the next thread
	}{{"threads", 5, 0}, {"kernel stacks", 6, 96}, {"pages of the core", 7, pages}} {
		first, last := number(rounds[0][left.field]), number(rounds[len(rounds)-1][left.field])
		if last > first+uint64(left.spare) || left.spare == 0 && last != first {
			return fmt.Errorf("%d %s after the first round, %d after the last", first, left.what, last)
		}
	}
	return nil
}

// countsOf adds up the counts of the processes.
func countsOf(log string) counts {
	sum := counts{}
	for _, line := range countLine.FindAllStringSubmatch(log, -1) {
		for _, m := range countOf.FindAllStringSubmatch(line[1], -1) {
			n := number(m[1])
			sum[n] = [2]uint64{sum[n][0] + number(m[2]), sum[n][1] + number(m[3])}
		}
	}
	return sum
}

// number reads a number of a log, which is one: an expression has matched it.
func number(digits string) uint64 {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// failing is the calls that cannot succeed here, with the reason.
var failing = map[uint64]string{
	2: "files", 4: "files", 6: "files", 17: "files", 18: "files", 21: "files", 80: "files", 83: "files", 84: "files", 86: "files",
	87: "files", 88: "files", 89: "files", 217: "files", 257: "files", 258: "files", 262: "files", 263: "files", 264: "files",
	267: "files", 269: "files", 332: "files", 437: "files", 439: "files", 8: "files",
	41: "sockets", 53: "sockets", 61: "children", 247: "children", 129: "not there", 273: "not there", 334: "not there", 436: "not there",
	34: "it only ends by a signal", 130: "it only ends by a signal", 219: "nothing to restart", 60: "it does not return",
	435: "its structure is random",
}

// covered requires that every call was made often, and succeeded where it can.
func covered(t *testing.T, sum counts, least uint64) {
	t.Helper()
	var seldom, never []string
	for _, e := range sysfuzz.Table {
		c := sum[e.Number]
		if e.Number == sysfuzz.Nowhere || e.Number == 60 || e.Number == 15 {
			continue
		}
		if c[0]+c[1] < least {
			seldom = append(seldom, fmt.Sprintf("%d %s: %d", e.Number, e.Name, c[0]+c[1]))
		}
		if _, ok := failing[e.Number]; c[0] == 0 && !ok {
			never = append(never, fmt.Sprintf("%d %s", e.Number, e.Name))
		}
	}
	require.Empty(t, strings.Join(seldom, ", "), "calls made fewer than %d times", least)
	require.Empty(t, strings.Join(never, ", "), "calls that never succeeded")
}

// Random system calls of several threads and several processes.
func TestSystemCallFuzzer(t *testing.T) {
	sum := fuzz(t, fuzzRun{seed: 1, copies: 3, rounds: 2, threads: 6, calls: length(70_000, 240_000), timeout: 600})
	covered(t, sum, uint64(length(10, 20)))
}

// Random system calls on one CPU that counts instructions: no call keeps interrupts off
// for long.
func TestFuzzedStretch(t *testing.T) {
	t.Parallel()
	fuzz(t, fuzzRun{seed: 2, copies: 2, rounds: 2, threads: 3, calls: 20_000, timeout: 240, counted: true})
}
