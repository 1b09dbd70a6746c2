//go:build qemu

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// runApp runs a program in ring 3 on 4 CPUs.
func runApp(t *testing.T, exe string, args []string, options ...string) *result {
	t.Helper()
	all := append([]string{"--mem", "1024", "--append", "loglevel=6"}, options...)
	return boot(t, append(append(all, "--app", exe), args...)...)
}

// Go's own tests, unmodified, in ring 3 on 4 CPUs.
func TestGoPackages(t *testing.T) {
	t.Parallel()
	packages := map[string]string{ // package to the tests that are left out
		"container/heap": "",
		"sort":           "",
		"strings":        "",
		"context":        "^ExampleAfterFunc_connection$",                     // sockets
		"sync/atomic":    unless(long, "^TestValueCompareAndSwapConcurrent$"), // half a minute where CPUs are few
		"strconv":        "",
		"math/bits":      "",
		"sync":           "^(TestMutexMisuse|TestIssue76126|ExampleOnceValues|ExampleOnceFunc)$", // exec of itself; a file
	}
	for p, skip := range packages {
		t.Run(strings.ReplaceAll(p, "/", "_"), func(t *testing.T) {
			args := []string{"-test.short"}
			if skip != "" {
				args = append(args, "-test.skip="+skip)
			}
			r := runApp(t, build(t, "test", p), args, "--timeout", "200").ok()
			r.matches(`(?m)^PASS$`)
		})
	}
}

// unless returns a list of tests if a condition does not hold.
func unless(condition bool, tests string) string {
	if condition {
		return ""
	}
	return tests
}

// runtimeSkips are the tests of package runtime that cannot pass without files,
// exec or /proc, by what they need.
var runtimeSkips = map[string]string{
	"TestFinalizerRegisterABI":        "exec of itself",
	"TestRuntimePanic":                "exec of itself",
	"TestTracebackRuntimeFunction":    "exec of itself",
	"TestTracebackRuntimeMethod":      "exec of itself",
	"TestG0StackOverflow":             "exec of itself",
	"TestCrashWhileTracing":           "exec of itself",
	"TestIssue66841":                  "exec of itself",
	"TestArenaCollision":              "exec of itself",
	"TestMemHashGlobalSeed":           "exec of itself",
	"TestTracebackSystem":             "exec of itself",
	"TestDecorateMappings":            "/proc/self/maps",
	"TestSchedPauseMetrics/.*/.*Dump": "a temporary file",
	"TestMemmoveOverflow":             "a temporary file",
	"ExampleAddCleanup":               "a temporary file",
}

func runtimeSkip() string {
	var names []string
	for name := range runtimeSkips {
		if !strings.Contains(name, "/") {
			names = append(names, "^"+name+"$")
		}
	}
	return strings.Join(names, "|") + "|^TestSchedPauseMetrics$"
}

// slowComputations are tests of package runtime that take most of its time, and little of the kernel.
const slowComputations = "|^(TestStackGrowth|TestUserArena.*|TestFPUnwindStackGrowthAfterRecovery|TestMemmove|TestMemmoveAlias|" +
	"TestFinalizerOrCleanupDeadlock|TestScavengeIndex|TestFreegc|TestDeferPtrs)$"

// The runtime's own tests, in their short form: the core's best test.
func TestGoRuntime(t *testing.T) {
	exe := build(t, "test", "runtime")
	r := runApp(t, exe, []string{"-test.short", "-test.skip=" + runtimeSkip() + unless(long, slowComputations)}, "--mem", "2048", "--timeout", "500").ok()
	r.matches(`(?m)^PASS$`)
}

// Programs that do what programs must not do. The status says how each ends: by
// the signal, 128 and its number, with a report; or well.
func TestHostile(t *testing.T) {
	exe := build(t, "build", "./testdata/hostile")
	const fault = "segmentation fault at "
	tests := []struct {
		act    string
		status int
		report string
	}{
		{"cli", 139, fault + "0x0"}, {"hlt", 139, fault + "0x0"}, {"out", 139, fault + "0x0"}, {"rdmsr", 139, fault + "0x0"},
		{"lgdt", 139, fault + "0x0"}, {"sidt", 139, fault + "0x0"}, {"int80", 139, fault + "0x0"},
		{"int3", 133, "breakpoint at "}, {"ud2", 132, "illegal instruction at "}, {"divide", 136, "arithmetic error at "},
		{"tf", 133, "breakpoint at "},
		{"read kernel", 139, fault + "0xffffffff80201000"}, {"write kernel", 139, fault + "0xffffffff80201000"},
		{"read direct", 139, fault + "0xffff800000000000"}, {"jump kernel", 139, fault + "0xffffffff80201000"},
		{"jump data", 139, fault}, {"jump heap", 139, fault},
		{"stack kernel", 139, fault + "0xffff800000000ff8"}, {"stack odd", 139, fault + "0x0"},
		{"unmap all", 139, fault}, {"abort", 134, "abort, sent by process "}, {"term", 143, ""},
		{"signal stack", 139, fault}, {"signal nowhere", 139, fault},
		{"sigreturn ip", 139, fault + "0x0"}, {"sigreturn high", 139, fault + "0xffffffff80201000"},
		{"sigreturn where", 139, fault + "0x0"}, {"sigreturn none", 139, fault + "0x0"},
		{"sigreturn flags", 42, ""}, {"sigreturn cs", 139, fault + "0x0"}, {"sigreturn xsave", 139, fault + "0x0"},
		{"pointers", 0, "still here"}, {"maps", 0, "still here"}, {"partial", 0, "partial\nhostile: wrote 8, errno 0\n"},
		{"flags", 0, "still here"}, {"gs", 0, "still here"}, {"vectors", 0, "still here"}, {"controls", 0, "still here"},
		{"threads", 7, ""}, {"exit", 123, ""}, {"oom", 137, "(hostile): out of memory, the largest program, ended; it had "},
		{"sleepers", 0, "still here"},
		{"instructions", 0, "still here"}, {"every flag", 0, "still here"},
		{"frame ends", 0, "still here"}, {"last page", 0, "still here"}, {"self-modifying", 0, "still here"}, {"selectors", 0, "still here"},
		{"cs", 0, "still here"}, {"cs-spin", 139, fault + "0x0"}, {"ldt", 0, "still here"},
		{"frame no room", 139, fault}, {"nested", 139, fault}, {"nested above", 139, fault},
	}
	for _, tc := range tests {
		t.Run(tc.act, func(t *testing.T) {
			t.Parallel()
			r := runApp(t, exe, []string{tc.act}, "--mem", "256", "--timeout", "60")
			require.Equal(t, tc.status, r.status)
			r.has(tc.report)
			if tc.status >= 128 && tc.report != "" && tc.act != "oom" {
				r.matches(`process \d+ \(hostile\), thread \d+: .*, ip 0x[0-9a-f]+, ended`)
			}
			r.lacks("PANIC")
		})
	}
}

// A program that makes the kernel itself use memory, for areas that it never
// touches, gets an error while the kernel still has its reserve.
func TestReserve(t *testing.T) {
	r := runApp(t, build(t, "build", "./testdata/hostile"), []string{"areas"}, "--mem", "64", "--timeout", "120")
	require.Zero(t, r.status)
	r.has("hostile: errno 12, many areas: true\n")
}

// A machine whose CPU has neither SMEP, SMAP nor UMIP: the same, except that ring 3 may
// execute SIDT.
func TestHostileOnOldCPU(t *testing.T) {
	exe := build(t, "build", "./testdata/hostile")
	for act, status := range map[string]int{"pointers": 0, "flags": 0, "jump kernel": 139, "sidt": 0, "every flag": 0, "frame ends": 0} {
		t.Run(act, func(t *testing.T) {
			r := runApp(t, exe, []string{act}, "--cpu", "max,-smep,-smap,-umip,-avx,-avx2", "--timeout", "60")
			require.Equal(t, status, r.status)
			r.lacks("PANIC")
		})
	}
}

// With one CPU, no other CPU notices that it stopped.
func TestHostileAlone(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/hostile")
	for _, act := range []string{"instructions", "selectors", "cs", "ldt"} {
		t.Run(act, func(t *testing.T) {
			r := runApp(t, exe, []string{act}, "--cpus", "1", "--timeout", "60").ok()
			r.has("hostile: still here")
			r.lacks("PANIC")
		})
	}
}

// A program that has loaded CS or LDTR leaves nothing for the next one: a selector of the
// local table gives #GP, and not the page fault of a table at address 0.
func TestHostileSelectors(t *testing.T) {
	exe := build(t, "build", "./testdata/hostile")
	r := boot(t, "--cpus", "1", "--qemu", "-initrd "+exe, "--run",
		"app hostile ldt; app hostile no-ldt; app hostile cs-spin; app hostile cs; app hostile gs")
	require.Equal(t, 3, strings.Count(r.log, "hostile: still here"), r.log)
	r.matches(`(?s)no-ldt.*segmentation fault at 0x0, ip 0x20000005, ended.*no-ldt: status 139.*cs-spin.*segmentation fault at 0x0, .*cs-spin: status 139`)
	r.lacks("PANIC")
}

// MOV to segment register 7 is an invalid instruction, and each attempt ends by the signal.
// QEMU 10.0 loads TR instead: the emulator ends at the next interrupt, in ring 3, after the
// first load. The kernel has no part in it.
func TestHostileTaskRegister(t *testing.T) {
	r := runApp(t, build(t, "build", "./testdata/hostile"), []string{"tr"}, "--cpus", "1", "--timeout", "60").lacks("PANIC")
	if all := r.log + r.stderr; strings.Contains(all, "qemu: fatal: invalid tss") {
		require.Equal(t, 125, r.status)
		require.Regexp(t, `RIP=0000000020000007 .*CPL=3`, all)
		require.Regexp(t, `TR =0000 `, all)
		return
	}
	r.ok().has("hostile: still here")
}

// UMIP keeps the addresses of the kernel's tables from ring 3 on every CPU that has it.
func TestUMIP(t *testing.T) {
	exe := build(t, "build", "./testdata/hostile")
	for model, refused := range map[string]int{"max": 5, "max,-umip": 0} {
		t.Run(model, func(t *testing.T) {
			r := runApp(t, exe, []string{"umip"}, "--cpu", model).ok()
			for cpu := range 4 {
				r.has(fmt.Sprintf("hostile: CPU %d: %d of 5 refused, 0 not tried\n", cpu, refused))
			}
		})
	}
}

// What reaches a program, and what does not exist.
func TestArguments(t *testing.T) {
	exe := build(t, "build", "./testdata/args")
	odd := []string{"", "a b", `q"'\`, "100%", "näh", "$(x);|&", "-run=^A$", "--cpus"}
	r := runApp(t, exe, odd, "--env", "A=b c", "--env", "EMPTY=", "--env", "PATH=/x")
	require.Equal(t, 3, r.status)
	for i, a := range append([]string{"args"}, odd...) {
		r.has(quoted("arg", i, a))
	}
	r.has(quoted("env", 0, "A=b c"), quoted("env", 1, "EMPTY="), quoted("env", 2, "PATH=/x"), "cpus 4\n")
}

// With the buffers cleared at each way to ring 3, as CPUs that need it have it.
func TestBufferClearing(t *testing.T) {
	r := runApp(t, build(t, "build", "./testdata/args"), []string{"a"}, "--append", "mitigations=full")
	require.Equal(t, 3, r.status)
	r.has(quoted("arg", 1, "a"))
}

// By GRUB the program is a multiboot2 module.
func TestProgramByGRUB(t *testing.T) {
	exe := build(t, "build", "./testdata/args")
	r := runApp(t, exe, []string{"a b"}, "--boot", "bios", "--append", "loglevel=7", "--env", "K=v w")
	require.Equal(t, 3, r.status)
	r.has("loaded by multiboot2", quoted("arg", 1, "a b"), quoted("env", 0, "K=v w"))
}

// A file that is not a program for this kernel is named for what it is, with what to do.
func TestBadPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755))
	large := filepath.Join(dir, "large") // a program with 100 MiB of data
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large.c"), []byte("char a[100 << 20] = {1}; int main(void) { return a[0]; }\n"), 0o644))
	out, err := exec.Command("gcc", "-static", "-no-pie", "-o", large, filepath.Join(dir, "large.c")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for name, tc := range map[string]struct {
		file string
		want string
	}{
		"text":    {root + "/Makefile", "app: Makefile not started: the file is text, not a program; give a static Linux program for x86-64"},
		"script":  {script, `app: script not started: the file is a script for "/bin/sh"`},
		"dynamic": {"/bin/sh", "app: sh not started: the file is a dynamically linked program, and there are no files here"},
		"kernel":  {root + "/build/kernel.elf", "app: kernel.elf not started: segment out of range: "},
		"large":   {large, "app: large not started: the program takes 101 MiB of memory before it starts, and "},
	} {
		t.Run(name, func(t *testing.T) {
			r := runApp(t, tc.file, nil, "--mem", "192", "--timeout", "60")
			require.Equal(t, 127, r.status)
			r.has(tc.want)
		})
	}
	r := runApp(t, root+"/Makefile", nil, "--log", filepath.Join(dir, "log"))
	require.Equal(t, 127, r.status)
	r.has("qemu-run.sh: Makefile not started: the file is text")
	r = boot(t, "--append", "app=x", "--timeout", "60")
	require.Equal(t, 127, r.status)
	r.has("app: x not started: the loader brought no module")
}
