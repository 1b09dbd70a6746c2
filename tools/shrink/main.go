// Command shrink reduces a run of the system-call fuzzer that breaks the kernel to a few
// calls, and prints them as a Go file.
//
//	go run ./tools/shrink [-kernel FILE] [-cpus N] [-tries N] [-stall SECONDS] SEED THREADS CALLS
//
// SEED, THREADS and CALLS are those of the run that failed: test/testdata/sysfuzz prints
// them. A run breaks the kernel if the kernel panics or resets, if a thread of the fuzzer
// comes where no call leads, if a signal ends the fuzzer, or if the run hangs: no call is
// made for -stall, which is multiplied on a slow host. Each smaller run has -tries tries,
// because what breaks the kernel is often a race. First threads go, then the first and the
// last calls of all threads, then calls one by one. The file that is printed takes the place
// of test/testdata/sysfuzz/list.go, whose program then makes these calls again and again.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"muster/test/sysfuzz"
)

func main() {
	log.SetFlags(log.Ltime)
	m := machine{script: "scripts/qemu-run.sh", limit: 1800}
	flag.StringVar(&m.kernel, "kernel", "build/kernel-debug.elf", "the kernel that breaks")
	flag.IntVar(&m.cpus, "cpus", 4, "CPUs of the machine")
	flag.IntVar(&m.tries, "tries", 3, "runs of each candidate")
	flag.IntVar(&m.stall, "stall", 60, "seconds without progress, on an idle host, after which a run hangs")
	flag.Parse()
	var n [3]uint64
	for i := range n {
		v, err := strconv.ParseUint(flag.Arg(i), 0, 64)
		if err != nil {
			flag.Usage()
			os.Exit(2)
		}
		n[i] = v
	}
	var err error
	if m.dir, err = os.MkdirTemp("", "shrink"); err != nil {
		log.Fatal(err)
	}
	w := shrinker{m.build, m.breaks, func() uint64 { return m.pid }, func() uint64 { return m.made }}
	text, err := w.shrink(run{seed: n[0], threads: int(n[1]), calls: n[2]})
	os.RemoveAll(m.dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(text)
}

// run is a run of the fuzzer: which calls of which threads.
type run struct {
	seed     uint64
	threads  int
	calls    uint64 // of all threads
	from, to uint64 // of each thread's calls
	mask     uint64 // of the threads
}

func (r run) args() (list []string) {
	for _, v := range []uint64{r.seed, uint64(r.threads), r.calls, r.from, r.to, r.mask} {
		list = append(list, strconv.FormatUint(v, 10))
	}
	return list
}

// shrinker reduces a run.
type shrinker struct {
	// build makes the fuzzer, with lists of calls in place of the seed's if there are any.
	build func(lists [][]sysfuzz.Call) (exe string, err error)
	// breaks reports whether a run of the fuzzer breaks the kernel.
	breaks func(exe string, args []string) bool
	// pid returns the id of the fuzzer's process.
	pid func() uint64
	// made returns how many calls the last run had made when it broke the kernel, or a few
	// thousand fewer.
	made func() uint64
}

// fewest is how many calls of lists are made at least, before the kernel counts as one that
// survives them.
const fewest = 2000

// errHealthy says that the run to be reduced does not fail.
var errHealthy = errors.New("the kernel survives this run")

func (m *shrinker) shrink(r run) (text string, err error) {
	exe, err := m.build(nil)
	if err != nil {
		return "", err
	}
	r.to = r.calls / uint64(max(r.threads, 1))
	r.mask = 1<<r.threads - 1
	fails := func(r run) bool { return m.breaks(exe, r.args()) }
	if !fails(r) {
		return "", errHealthy
	}
	r = narrow(r, fails)
	lists := m.lists(r)
	enough := max(r.calls, fewest)
	breaks := func(lists [][]sysfuzz.Call) bool {
		exe, err := m.build(lists)
		if err != nil {
			log.Print(err)
			return false
		}
		if !m.breaks(exe, run{seed: r.seed, threads: r.threads, calls: enough, to: 1 << 62, mask: r.mask}.args()) {
			return false
		}
		enough = min(enough, max(10*m.made(), fewest))
		return true
	}
	if !breaks(lists) {
		return "", fmt.Errorf("the list of calls alone does not break the kernel; this does: sysfuzz %s", strings.Join(r.args(), " "))
	}
	lists = reduce(lists, breaks)
	return source(r, lists), nil
}

// lists returns the calls of a run.
func (m *shrinker) lists(r run) (lists [][]sysfuzz.Call) {
	for i := range r.threads {
		var list []sysfuzz.Call
		s := sysfuzz.NewSource(r.seed, i, m.pid())
		for k := uint64(0); k < r.to && r.mask>>i&1 != 0; k++ {
			if c := s.Next(); k >= r.from {
				list = append(list, c)
			}
		}
		lists = append(lists, list)
	}
	return lists
}
