//go:build qemu

package test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// report is what the report of a panic must say: the first line after the thread, the
// function to blame, its instruction, and more lines.
type report struct {
	reason, function, instruction string
	more                          []string
}

// The report of a panic for each way to break the core. The reason stands first, and what
// the core noticed, where that is something else, on a line of its own.
var crashes = map[string]report{
	"panic":      {"crash on request 0x1 0x2", "selftest.breakCore", "call ", nil},
	"bounds":     {"bounds check failed", "selftest.breakCore", "call 0x[0-9a-f]+ <runtime.panicBounds>", []string{"noticed as: SYSCALL on a core stack"}},
	"nil":        {"nil dereference", "selftest.breakCore", `test \[rcx\], al`, []string{"noticed as: page fault in the core; address, error 0x0 0x"}},
	"divide":     {"division by zero", "selftest.breakCore", "call 0x[0-9a-f]+ <runtime.panicdivide>", []string{"noticed as: SYSCALL on a core stack"}},
	"overflow":   {"kernel stack overflow; stack pointer, lowest address 0xffffc", "selftest.recurse", ".", nil},
	"frame":      {"kernel stack too small for the next call", "selftest.bigFrames", "call 0x[0-9a-f]+ <runtime.morestack", []string{"noticed as: page fault in the core"}},
	"syscall":    {"SYSCALL on a core stack; number, first argument 0x27", "selftest.systemCall", "syscall\n", nil},
	"heap":       {"heap allocation", "selftest.heapObject", "call 0x[0-9a-f]+ <runtime.(newobject|mallocgc)", []string{"noticed as: page fault in the core; address, error 0xffffdead"}},
	"guard":      {"stack overflow: the page below the kernel stack of this thread was touched", "selftest.breakCore", `mov qword \[`, []string{"noticed as: page fault in the core; address, error 0xffffc"}},
	"text":       {"store to 0xffffffff80201000, which is read-only", "selftest.breakCore", `mov qword \[`, []string{"address, error 0xffffffff80201000 0x3"}},
	"exec":       {"jump to 0xffffffff80", "selftest.callData", "call rax", []string{", which is not executable\n", " 0x11\n", "muster/kernel/selftest.breakCore+0x"}},
	"ist":        {"stack overflow: the page below the NMI stack of cpu", "selftest.breakCore", `mov qword \[`, nil},
	"deadlock":   {"lock: not free for 5 s; rank, holder+1", "lock.(*Spin).wait", "call ", []string{`see docs/02-black-box.md, "Locks have ranks"`}},
	"undefined":  {"invalid opcode exception", "selftest.undefined", "ud2\n", []string{"noticed as: exception in the core; vector, error 0x6 0x0"}},
	"protection": {"general protection exception", "selftest.probeLoadAX", `mov [a-z]+, \[`, []string{"noticed as: exception in the core; vector, error 0xd 0x0"}},
	"breakpoint": {"breakpoint exception", "selftest.breakpoint", "int 0x3\n", []string{"noticed as: exception in the core; vector, error 0x3 0x0"}},
	"double":     {"double fault exception", "selftest.doubleFault", ".", []string{"noticed as: exception; vector, error 0x8 0x0"}},
	"hang":       {"watchdog: no tick for 10 s; CPU, ticks before 0x", "sched.", "call ", []string{"muster/kernel/selftest.breakCore+0x", `see docs/02-black-box.md, "The watchdog"`}},
}

func TestPanics(t *testing.T) {
	for kind, want := range crashes {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			// The limits that run out here are 5 and 10 s long, without a factor.
			r := boot(t, "--cpus", "2", "--append", "deadline-scale=1", "--timeout", "60", "--run", "crash "+kind)
			require.Equal(t, 125, r.status)
			_, text, _ := strings.Cut(r.log, "\nmuster: PANIC on cpu")
			line, rest, _ := strings.Cut(text, "\n")
			require.Regexp(t, `^[01], thread \d+ \([a-z]+\): `+regexp.QuoteMeta(want.reason), line)
			require.Regexp(t, `^in muster/kernel/`+regexp.QuoteMeta(want.function)+`\S*\+0x[0-9a-f]+ kernel/\S+\.(go|s):\d+\n`, rest)
			require.Regexp(t, `(?s)^.{0,600}\n> \+0x[0-9a-f]+ `+want.instruction, rest)
			r.has(want.more...)
			r.matches(`\nsee docs/\S+\.md, "[^"]+"\n`)
			// The other CPU in two lines; its stack, and the trace rings at the end.
			r.matches(`\ncpu[01], thread \d+ \([a-z]+\), stopped at\n  \S+\+0x[0-9a-f]+ \S+:\d+\n`)
			r.has("last events of cpu0, newest first", "last events of cpu1, newest first", "crash: breaking the core on request")
			r.matches(`\n +\d+ (switch|interrupt|wake) t\d+ 0x`)
			if kind != "overflow" && kind != "frame" { // there the stack is too deep to print whole
				r.has(", its whole stack\n", "muster/kernel/shell.crash+0x", "main.main+0x", " kernel/main.go:", "\n from outside the core:\n")
			}
			require.Equal(t, 1, strings.Count(r.log, "PANIC"), "one CPU reports")
			r.lacks("panic within the panic")
		})
	}
}

// A decoder that faults costs its own part of the report alone, and without a decoder the
// report has bytes.
func TestBrokenDecoder(t *testing.T) {
	r := boot(t, "--cpus", "2", "--timeout", "60", "--run", "crash decoder")
	require.Equal(t, 125, r.status)
	r.has("crash on request, with a broken decoder 0x0 0x0\n", "muster: panic within the panic: page fault in the core; address, error 0x0 0x0")
	r.has("muster/kernel/shell.crash+0x", "last events of cpu1, newest first")
	r.matches(`\ncpu[01], thread \d+ \([a-z]+\), stopped at\n`)
	require.Equal(t, 1, strings.Count(r.log, "panic within the panic"))
}

// Vectors that do the core no harm, on each kind of local APIC: each comes once, and none
// stays in service. The command fails if it does not come.
func TestRaised(t *testing.T) {
	for _, model := range []string{"max", "max,-x2apic"} {
		t.Run(model, func(t *testing.T) {
			r := boot(t, "--cpu", model, "--cpus", "2", "--run", "crash step; crash spurious; crash apic; crash unclaimed; test ipi; irq").ok()
			r.has("apic: the local APIC has recorded errors, error status 0x0\n", "ok   ipi")
			r.matches(`(?m)^ +unclaimed +1 +0$|^ +unclaimed +0 +1$`)
			r.matches(`(?m)^ *(0x)?ff .*spurious`)
		})
	}
}

func TestNestedPanic(t *testing.T) {
	r := boot(t, "--cpus", "2", "--timeout", "20", "--run", "crash nested")
	require.Equal(t, 125, r.status)
	r.has("crash on request, and then another", "muster: panic within the panic: crash within the crash", "last events of cpu1, newest first")
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
