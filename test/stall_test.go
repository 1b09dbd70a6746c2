//go:build qemu

package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// A host may stop one virtual CPU for as long as it chooses. The others cannot tell it
// from a dead one, and wait: with the watchdog's line in the log if they only watch it, and
// beyond the limits of their waits if they need it. The log says so, whichever CPU that is.
// Nothing is lost.
func TestStoppedVirtualCPU(t *testing.T) {
	exe := build(t, "build", "./testdata/stall")
	const watched, needed = "watchdog: cpu%d has not ticked and answers no NMI: its host may have stopped it, waiting",
		"watchdog: a wait went on beyond its limit, because cpu%d answered no NMI"
	for name, tc := range map[string]struct {
		way, line string
		stop      []int // one of these CPUs
	}{
		"compute":              {"compute", watched, []int{2, 1, 0}},
		"memory":               {"memory", needed, []int{1, 2}},
		"memory, the boot CPU": {"memory", needed, []int{0}},
	} {
		if !long && name == "memory, the boot CPU" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			// The machine's limits are not scaled, so the stop is longer than each of them.
			s := start(t, "--cpus", "3", "--mem", "512", "--append", "deadline-scale=1", "--qemu", "-name muster,debug-threads=on", "--app", exe, tc.way)
			s.expect("stall: busy")
			stopOne(t, s, virtualCPUs(t, s.cmd.Process.Pid), tc.stop, tc.line, patience.Fixed(15*time.Second), tc.way == "compute")
			s.in.Close()
			s.expect("stall: wrong results: 0\n")
			s.end(0)
			require.NotContains(t, s.log(), "PANIC")
		})
	}
}

// virtualCPUs returns the threads of the virtual CPUs of a QEMU that descends from a
// process, by the CPU's number.
func virtualCPUs(t *testing.T, ancestor int) (threads [3]int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/comm")
	require.NoError(t, err)
	for _, name := range names {
		var cpu, pid, tid int
		if comm, err := os.ReadFile(name); err != nil { // the process has ended
			continue
		} else if n, _ := fmt.Sscanf(string(comm), "CPU %d/", &cpu); n != 1 {
			continue
		}
		_, err := fmt.Sscanf(name, "/proc/%d/task/%d/comm", &pid, &tid)
		require.NoError(t, err)
		for p := pid; p > 1; p = parent(p) {
			if p == ancestor {
				threads[cpu] = tid
				break
			}
		}
	}
	require.NotContains(t, threads, 0)
	return threads
}

// stat returns the fields of a process's or a thread's file stat from the state on, nothing
// once it has ended.
func stat(file string, id ...any) []string {
	text, err := os.ReadFile(fmt.Sprintf(file, id...))
	_, after, ok := strings.Cut(string(text), ") ")
	if err != nil || !ok {
		return nil
	}
	return strings.Fields(after)
}

func parent(pid int) int {
	if f := stat("/proc/%d/stat", pid); len(f) > 1 {
		p, _ := strconv.Atoi(f[1])
		return p
	}
	return 0
}

// stopOne stops the thread of one of some CPUs, and no other, for a time, and waits until the
// log has a line about this CPU.
//
// Where the thread stops is not known, and some places are no use. If the thread holds a lock
// of QEMU's, the whole machine stops. If the CPU runs the owner of a lock whose waiters sleep,
// or is idle while its own thread waits for such a lock, the others sleep, and no wait has a
// limit that could pass. stopOne then goes on to the next try. If the CPU holds a spinlock, all
// the others may come to wait for that: the line comes with the first tick after they have it.
// during requires the line before the thread goes on: for programs during which CPUs hardly ever
// hold a spinlock.
func stopOne(t *testing.T, s *session, threads [3]int, cpus []int, line string, d time.Duration, during bool) {
	t.Helper()
	runtime.LockOSThread() // ptrace knows its callers by thread
	defer runtime.UnlockOSThread()
	misses := 0
	for try := range 30 {
		cpu := cpus[try%len(cpus)]
		before, from := times(threads), len(s.log())
		stopThread(t, threads[cpu])
		runs := func() bool { // 0.2 s
			now := times(threads)
			return now[(cpu+1)%3] > before[(cpu+1)%3]+20 || now[(cpu+2)%3] > before[(cpu+2)%3]+20
		}
		said := func() bool { return strings.Contains(s.log()[from:], fmt.Sprintf(line, cpu)) }
		went := waitUntil(runs, patience.For(3*time.Second))
		if went {
			<-time.After(d)
		}
		if went && during { // ticks count the time, and a crowded host makes them rarer
			waitUntil(said, patience.For(10*time.Second))
		}
		early, now := said(), times(threads)
		require.NoError(t, ptrace(syscall.PTRACE_DETACH, threads[cpu]))
		t.Logf("cpu%d stood still: the others ran %v; clock ticks of each, before %v, then %v", cpu, went, before, now)
		if went && waitUntil(said, patience.For(10*time.Second)) && (early || !during) {
			return
		}
		if went { // the line names the last CPU that answered no NMI: a crowded host may have stopped another one
			misses++
			require.Less(t, misses, 3, "the log does not say that cpu%d stood still", cpu)
		}
	}
	require.Fail(t, "no thread could be stopped without the machine")
}

// times returns how long each thread has run on the host, in user mode, in clock ticks. The
// file outside of task has the sum of all threads.
func times(threads [3]int) (n [3]int) {
	for i, tid := range threads {
		if f := stat("/proc/%d/task/%[1]d/stat", tid); len(f) > 11 {
			n[i], _ = strconv.Atoi(f[11])
		}
	}
	return n
}

// Requests of ptrace that package syscall does not name.
const (
	ptraceSeize     = 0x4206
	ptraceInterrupt = 0x4207
	waitAll         = 0x40000000 // __WALL
)

func ptrace(request, tid int) error {
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(tid), 0, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// stopThread stops a thread until it is detached.
func stopThread(t *testing.T, tid int) {
	t.Helper()
	err := ptrace(ptraceSeize, tid)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		t.Skip("ptrace is not allowed here: ", err)
	}
	require.NoError(t, err)
	require.NoError(t, ptrace(ptraceInterrupt, tid))
	var status syscall.WaitStatus
	_, err = syscall.Wait4(tid, &status, waitAll, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
}

// waitUntil waits until a condition holds, and reports whether it came to that.
func waitUntil(holds func() bool, limit time.Duration) bool {
	tick := time.NewTicker(limit / 100)
	defer tick.Stop()
	for end := time.Now().Add(limit); time.Now().Before(end); <-tick.C {
		if holds() {
			return true
		}
	}
	return false
}
