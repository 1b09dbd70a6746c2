//go:build qemu

package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The report of a panic for each way to break the core: its text, and the cause where
// the text alone would mislead. Each names the function that caused the panic.
var crashes = map[string][]string{
	"panic":    {"crash on request 0x1 0x2"},
	"bounds":   {"SYSCALL on a core stack", "cause: bounds check failed in muster/kernel/selftest.breakCore+0x"},
	"nil":      {"page fault in the core; address, error 0x0 0x", "cause: nil dereference in muster/kernel/selftest.breakCore+0x"},
	"divide":   {"SYSCALL on a core stack", "cause: division by zero in muster/kernel/selftest.breakCore+0x"},
	"overflow": {"kernel stack overflow; stack pointer, lowest address 0xffffc", "muster/kernel/selftest.recurse+0x"},
	"frame":    {"page fault in the core", "cause: kernel stack too small for the next call", "in muster/kernel/selftest.bigFrames+0x"},
	"syscall":  {"SYSCALL on a core stack; number, first argument 0x27", "muster/kernel/selftest.systemCall+0x"},
	"heap":     {"page fault in the core; address, error 0xffffdead", "cause: heap allocation in muster/kernel/selftest.heapObject+0x"},
	"guard":    {" (kernel): page fault in the core; address, error 0xffffc", "cause: the page below the kernel stack of this thread was touched, a stack overflow, in muster/kernel/selftest.breakCore+0x"},
	"text":     {"page fault in the core; address, error 0xffffffff80201000 0x3", "muster/kernel/selftest.breakCore+0x"},
	"exec":     {"page fault in the core; address, error 0xffffffff80", " 0x11\n", "muster/kernel/selftest.breakCore+0x"},
	"ist":      {"page fault in the core; address, error 0xffffc", "cause: the page below the NMI stack of cpu"},
	"deadlock": {"lock: not free for 5 s; rank, holder+1", "muster/kernel/lock.(*Spin).wait+0x"},
	"hang":     {"watchdog: no tick for 10 s; CPU, ticks before 0x", "muster/kernel/selftest.breakCore+0x"},
}

func TestPanics(t *testing.T) {
	for kind, texts := range crashes {
		t.Run(kind, func(t *testing.T) {
			r := boot(t, "--cpus", "2", "--timeout", "60", "--run", "crash "+kind)
			require.Equal(t, 125, r.status)
			r.has("\nmuster: PANIC on cpu").has(texts...)
			// Both CPUs' stacks, up to the shell, and the trace rings.
			r.matches(`\ncpu[01], thread \d+, stopped at\n  [0-9a-f]{16} \S+\+0x[0-9a-f]+ \S+:\d+\n`)
			r.has("last events of cpu0, newest first", "last events of cpu1, newest first")
			r.matches(`\n +\d+ (switch|interrupt|wake) t\d+ 0x`)
			if kind != "overflow" && kind != "frame" { // there the stack is too deep to print whole
				r.has("muster/kernel/shell.crash+0x", "main.main+0x", "muster/kernel/main.go:")
			}
			require.Equal(t, 1, strings.Count(r.log, "PANIC"), "one CPU reports")
		})
	}
}

func TestNestedPanic(t *testing.T) {
	r := boot(t, "--cpus", "2", "--timeout", "20", "--run", "crash nested")
	require.Equal(t, 125, r.status)
	r.has("crash on request, and then another", "muster: panic within the panic: crash within the crash")
}

// The debug build compares every acquire with the ranks.
func TestLockOrderIsChecked(t *testing.T) {
	r := boot(t, "--kernel", root+"/build/kernel-debug.elf", "--cpus", "2", "--timeout", "20", "--run", "crash lock")
	require.Equal(t, 125, r.status)
	r.has("lock: wrong order; rank held, rank wanted 0x", "locks held, by rank: ", "muster/kernel/lock.(*Spin).checkOrder+0x")
	r = boot(t, "--cpus", "2", "--run", "crash lock") // not in the ordinary one
	require.Equal(t, 1, r.status)
	r.has(`crash: the kernel still runs after crash "lock"`)
}

// A Go panic without a recover ends the kernel's own runtime: its traceback, then the
// core's report.
func TestGoPanic(t *testing.T) {
	r := boot(t, "--cpus", "2", "--append", "GODEBUG=gcstoptheworld=nonsense", "--run", "crash go")
	require.Equal(t, 125, r.status)
	r.has("panic: crash on request", "goroutine ", "the kernel's own Go runtime exited; status 0x2")
}

// The debug build looks at each CPU's block at every entry.
func TestBlockIsChecked(t *testing.T) {
	r := boot(t, "--kernel", root+"/build/kernel-debug.elf", "--cpus", "2", "--timeout", "20", "--run", "crash block")
	require.Equal(t, 125, r.status)
	r.has("trap: not a CPU's block; address, number 0xf")
}
