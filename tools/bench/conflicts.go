package main

// Cache lines that operations share, and locked instructions, from tools/conflicts.

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// cost is one row that tools/conflicts prints with -json.
type cost struct {
	Name         string  `json:"name"`
	Shared       int     `json:"shared"`
	Instructions float64 `json:"instructions"`
	Locked       float64 `json:"locked"`
}

// linuxShared has the shared lines of Linux 6.1, of three runs with a program that has the same
// operations, in the same kind of emulator, with each thread on a CPU of its own.
var linuxShared = map[string]string{
	"getpid": "0", "gettid": "0", "clock_gettime": "0", "sched_yield": "0", "sigprocmask": "0", "futex_wake": "0", "futex_wait_mismatch": "0",
	"futex_wait_timeout": "2", "nanosleep": "2", "page_fault": "1", "madvise_touch": "28 to 35", "mprotect": "68 to 80",
	"mmap_munmap": "15 to 22", "mmap_touch_munmap": "59 to 90", "eventfd": "0", "pipe": "0",
}

func costsOf(args ...string) (rows []cost, err error) {
	cmd := exec.Command("go", append([]string{"run", "./tools/conflicts", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return rows, json.Unmarshal(out, &rows)
}

// conflicts counts the cache lines that operations share.
func (b *book) conflicts() error {
	const boots = 3
	lowest, highest := map[string]int{}, map[string]int{}
	var rows []cost
	for n := range boots {
		var err error
		if rows, err = costsOf(); err != nil {
			return err
		}
		for _, r := range rows {
			if n == 0 {
				lowest[r.Name], highest[r.Name] = r.Shared, r.Shared
			}
			lowest[r.Name], highest[r.Name] = min(lowest[r.Name], r.Shared), max(highest[r.Name], r.Shared)
		}
	}
	free := 0
	b.line("## Operations that commute, by shared cache lines\n")
	b.line("Two threads do the same operation, each with what belongs to it alone; 4 CPUs, %d boots, lowest to highest. Counted are the lines", boots)
	b.line("that one writes and the other touches in at least a quarter of 100 operations ([chapter 12](12-shell-and-tests.md#conflicts)). Linux is 6.1, as")
	b.line("published for the pairs that have a figure:\n")
	b.line("    go run ./tools/conflicts\n")
	b.line("| pair | Muster | Linux |\n|---|---:|---:|")
	for _, r := range rows {
		figure := fmt.Sprint(lowest[r.Name])
		if highest[r.Name] > lowest[r.Name] {
			figure += fmt.Sprintf(" to %d", highest[r.Name])
		}
		if highest[r.Name] == 0 {
			free++
		}
		linux := linuxShared[r.Name]
		if linux == "" {
			linux = "-"
		}
		b.line("| %s | %s | %s |", r.Name, figure, linux)
	}
	b.line("\n%d of %d pairs are free of conflicts in each boot.\n", free, len(rows))
	return nil
}

// locked counts instructions, and locked ones. Boots differ: a thread may wait in the futex bucket of an operation by chance, for example.
func (b *book) locked() error {
	instructions, locked := map[string][]float64{}, map[string][]float64{}
	var rows []cost
	for range b.boots {
		var err error
		if rows, err = costsOf("-count"); err != nil {
			return err
		}
		for _, r := range rows {
			instructions[r.Name] = append(instructions[r.Name], r.Instructions)
			locked[r.Name] = append(locked[r.Name], r.Locked)
		}
	}
	b.line("## Locked instructions, in a program in ring 3\n")
	b.line("What the kernel executes for an operation: instructions, and those of them that lock a cache line or the bus (the prefix LOCK, and XCHG with memory),")
	b.line("one CPU, median of %d boots (lowest to highest). `--icount` counts a locked instruction as one; hardware takes several times as long for it as", b.boots)
	b.line("for another one:\n")
	b.line("    go run ./tools/conflicts -count\n")
	b.line("| operation | instructions | range | locked |\n|---|---:|---|---:|")
	for _, r := range rows {
		n := instructions[r.Name]
		b.line("| %s | %.0f | %.0f to %.0f | %.1f |", r.Name, median(n), slices.Min(n), slices.Max(n), median(locked[r.Name]))
	}
	b.line("")
	return nil
}
