//go:build qemu

package test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// The answers to system calls about memory are those of the Linux that runs this test.
func TestMemoryCalls(t *testing.T) {
	exe := build(t, "build", "./testdata/vmprobe")
	host, err := exec.Command(exe).Output()
	require.NoError(t, err)
	for _, kernel := range []string{"kernel.elf", "kernel-debug.elf"} {
		for _, cpus := range []string{"1", "4"} {
			t.Run(kernel+" "+cpus, func(t *testing.T) {
				r := runApp(t, exe, nil, "--kernel", root+"/build/"+kernel, "--cpus", cpus, "--mem", "256", "--append", "loglevel=4")
				require.Zero(t, r.status)
				r.has(string(host))
			})
		}
	}
}

// The debug build stops at the first use of an object that was freed, or soon after. The
// ordinary one has neither poison nor quarantine.
func TestFreedObjects(t *testing.T) {
	for kind, report := range map[string]string{
		"freed-pointer": `exception in the core; vector, error 0xd 0x0`,
		"freed-lock":    `lock: declared without a rank, or in memory that was freed; address, rank 0x[0-9a-f]+ 0xad`,
		"freed-store":   `mem: victim object written to after it was freed; offset, value 0x18 0x5`,
		"freed-twice":   `mem: victim object freed twice; address, size 0x[0-9a-f]+ 0x40`,
	} {
		t.Run(kind, func(t *testing.T) {
			r := boot(t, "--kernel", root+"/build/kernel-debug.elf", "--cpus", "2", "--timeout", "30", "--run", "crash "+kind)
			require.Equal(t, 125, r.status)
			r.matches(report)
			r.has("muster/kernel/selftest.useFreed+0x")
			r = boot(t, "--cpus", "2", "--run", "crash "+kind)
			require.Equal(t, 1, r.status)
			r.has(`crash: the kernel still runs after crash "` + kind + `"`)
		})
	}
}

// inUse returns the memory that is neither free nor counted elsewhere, from each "mem
// -json" of a log: without the kernel's Go runtime, and without the stacks that wait for
// the next threads.
func inUse(t *testing.T, log string) (list []int) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\{"total".*\}$`).FindAllString(log, -1) {
		var v struct {
			Total, Free, Kernel int
			Stacks              int `json:"kernel_stacks"`
			StackSize           int `json:"kernel_stack_size"`
		}
		require.NoError(t, json.Unmarshal([]byte(m), &v))
		require.NotZero(t, v.StackSize)
		list = append(list, v.Total-v.Free-v.Kernel-v.Stacks*v.StackSize)
	}
	return list
}

// A program makes as many objects of a kind as it can, and ends. Then the kernel has the
// memory free that it had before. The first run makes what stays: page tables for the
// addresses of kernel stacks, a page for each kind of object, and in the debug build objects
// in quarantine.
func TestBombs(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/bomb")
	for i, act := range []string{"threads 3000", "areas 60000", "tables 10000", "pipes 1000", "watches 1000", "timers 20000", "churn 1000"} {
		for j, kernel := range []string{"kernel.elf", "kernel-debug.elf"} {
			cpus := []string{"4", "2", "1"}[(i+j)%3]
			if !long && (i+j)%2 == 1 {
				continue
			}
			t.Run(act+" "+kernel, func(t *testing.T) {
				r := boot(t, "--kernel", root+"/build/"+kernel, "--cpus", cpus, "--mem", "256", "--timeout", "100",
					"--qemu", "-initrd "+exe, "--append", "loglevel=5", "--run", "mem -json; app bomb "+act+"; mem -json; app bomb "+act+"; mem -json").ok()
				r.matches(`bomb: \d{3,} made|bomb: churned, wrong 0, some faults true`)
				n := inUse(t, r.log)
				require.Len(t, n, 3)
				t.Logf("%s CPUs, in use: %d bytes, after the first run %d more, after the second %d more", cpus, n[0], n[1]-n[0], n[2]-n[1])
				require.LessOrEqual(t, n[1]-n[0], 1<<20)
				require.LessOrEqual(t, n[2]-n[1], 64<<10)
			})
		}
	}
}

// When memory is exhausted the largest program ends, with one line that says what it had.
// A small program beside it, which needs pages all the time, goes on, and the kernel too.
func TestLargestProgramEnds(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/bomb")
	for _, cpus := range []string{"1", "2", "4"} {
		if !long && cpus == "2" {
			continue
		}
		t.Run(cpus, func(t *testing.T) {
			r := boot(t, "--kernel", root+"/build/kernel-debug.elf", "--cpus", cpus, "--mem", "128", "--timeout", "100", "--qemu", "-initrd "+exe, "--append", "loglevel=5",
				"--run", "app bomb small 1500 / bomb pages / bomb small 1500; app bomb small 10; mem -json")
			require.Equal(t, 1, r.status, "one of the programs has failed")
			r.has("app: bomb pages: status 137\n").lacks("small 1500: status", "PANIC")
			lines := regexp.MustCompile(`process \d+ \(bomb\): out of memory, the largest program, ended; it had \d{5} KiB, and \d+ KiB of the kernel's`).FindAllString(r.log, -1)
			require.Len(t, lines, 1)
		})
	}
}

// A program gets nearly all memory before it ends, again and again, and the kernel works beside it.
func TestProgramsGetMemory(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/bomb")
	r := boot(t, "--cpus", "4", "--mem", "512", "--timeout", "100", "--qemu", "-initrd "+exe, "--append", "loglevel=5",
		"--run", "app bomb pages; app bomb pages / bomb small 1500; test stress 2; app bomb pages; mem -json")
	require.Equal(t, 1, r.status, "three programs have failed")
	lines := regexp.MustCompile(`\(bomb\): out of memory, the largest program, ended; it had (\d+) KiB`).FindAllStringSubmatch(r.log, -1)
	require.Len(t, lines, 3)
	for _, l := range lines {
		require.Greater(t, number(l[1]), uint64(440<<10))
	}
	r.has("ok   stress").lacks("PANIC")
}

// The kernel's memory counts for the program that it serves: full pipes make a program the
// largest, although it has few pages of its own.
func TestKernelMemoryCounts(t *testing.T) {
	exe := build(t, "build", "./testdata/bomb")
	r := boot(t, "--cpus", "2", "--mem", "64", "--timeout", "100", "--qemu", "-initrd "+exe, "--append", "loglevel=5",
		"--run", "app bomb fullpipes 360 / bomb late 13")
	require.Equal(t, 1, r.status)
	r.has("app: bomb fullpipes 360: status 137\n", "bomb: late is done\n")
	r.matches(`out of memory, the largest program, ended; it had \d{3,4} KiB, and 2[2-5]\d{3} KiB of the kernel's`)
}

// A program that has all memory and needs no more ends when a call of a smaller one is refused memory. None of
// the smaller one's calls fails: each is made again until the memory is there.
func TestCallsGetMemory(t *testing.T) {
	exe := build(t, "build", "./testdata/bomb")
	for _, cpus := range []string{"1", "2", "4"} {
		if !long && cpus == "2" {
			continue
		}
		t.Run(cpus, func(t *testing.T) {
			r := boot(t, "--cpus", cpus, "--mem", "80", "--timeout", "100", "--qemu", "-initrd "+exe, "--append", "loglevel=5",
				"--run", "app bomb fullpipes 2000 / bomb calls 300 / bomb calls 300; app bomb calls 10")
			require.Equal(t, 1, r.status)
			r.has("app: bomb fullpipes 2000: status 137\n").lacks("calls 300: status", "calls 10: status", "PANIC")
			require.Equal(t, 3, strings.Count(r.log, "bomb: calls are done\n"))
		})
	}
}

// A call that says ENOMEM for another reason, such as a hole, ends no program, while one has all memory. The
// call that needs memory does. Go's runtime may need a page before that, so there are several tries.
func TestQueriesEndNoProgram(t *testing.T) {
	exe := build(t, "build", "./testdata/bomb")
	late := regexp.MustCompile(`(?s)bomb: queries are done\n.*out of memory, the largest program, ended`)
	for range 4 {
		r := boot(t, "--cpus", "2", "--mem", "80", "--timeout", "100", "--qemu", "-initrd "+exe, "--append", "loglevel=5",
			"--run", "app bomb hold / bomb queries 20").lacks("PANIC")
		if late.MatchString(r.log) {
			require.Equal(t, 1, r.status)
			r.has("app: bomb hold: status 137\n").lacks("queries 20: status")
			return
		}
	}
	require.Fail(t, "a call that needs no memory has ended the largest program")
}

// No step of these programs, nor of their end, has interrupts off for long.
func TestBombsAreBounded(t *testing.T) {
	exe := build(t, "build", "./testdata/bomb")
	for act, status := range map[string]int{
		"threads": 0, "areas": 0, "tables": 0, "pipes": 0, "watches": 0, "timers": 0, "expire": 0, "churn": 0, "pages": 137,
	} {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			n := "2000"
			if act == "expire" { // near the largest number of timers that a process can have
				n = "30000"
			}
			r := counted(t, "--mem", "512", "--app", exe, act, n).lacks("PANIC")
			require.Equal(t, status, r.status)
		})
	}
}

// Idle CPUs clear pages, which programs use; the debug kernel looks at each that it takes. All bytes of a program's pages are zeros
// when it touches them first, though the frames had its old contents. With zeropool=off no page is cleared ahead of time.
func TestPagesOfZeros(t *testing.T) {
	exe := build(t, "build", "./testdata/ahead")
	for _, how := range []string{"on", "off"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := boot(t, "--kernel", root+"/build/kernel-debug.elf", "--cpus", "2", "--mem", "512", "--qemu", "-initrd "+exe, "--append", "loglevel=5 zeropool="+how,
				"--run", "app ahead / ahead; mem; mem -json").ok().lacks("PANIC")
			require.Len(t, regexp.MustCompile(`ahead: 200 pages .*, old bytes 0\n`).FindAllString(r.log, -1), 2)
			z := decode[shell.Memory](r, "mem -json").Zeroed
			if how == "off" {
				require.Equal(t, shell.Zeroed{}, z)
				return
			}
			r.matches(`cleared ahead +\d+ of 2048 KiB, \d+ pages of \d+ used`)
			require.EqualValues(t, 2<<20, z.Most)
			require.LessOrEqual(t, z.Bytes, z.Most)
			require.Greater(t, z.Used, uint64(500), "of 3600 pages that the programs touched")
			require.GreaterOrEqual(t, z.Cleared, z.Used+z.Bytes/4096)
		})
	}
}
