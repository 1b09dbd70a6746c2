package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"muster/kernel/exec"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/layout"
	"muster/kernel/options"
)

// A program that tests the kernel runs as several processes at once, and again and again:
// copies= and rounds= on the command line.

// runCopies runs a program opts.Copies times at once, opts.Rounds times over, and returns
// the first status that is not 0. Each process has its number in COPY. Each round logs
// what it leaves behind.
func runCopies(file []byte, args []string, opts options.Options, attend func()) (status int) {
	for round := range opts.Rounds {
		before, began := inUse(), time.Now()
		codes := make([]int, opts.Copies)
		var wg sync.WaitGroup
		for i := range codes {
			env := append(opts.Env[:len(opts.Env):len(opts.Env)], fmt.Sprintf("COPY=%d", round*opts.Copies+i))
			p, err := exec.Start(0, file, args, env)
			if err != nil {
				klog.Errorf("app: copy %d of %s not started: %v", i, opts.App, err)
				codes[i] = statusNoProgram
				continue
			}
			wg.Go(func() { codes[i] = p.Wait() })
		}
		if round == 0 {
			go attend()
		}
		wg.Wait()
		for _, code := range codes {
			if status == 0 {
				status = code
			}
		}
		klog.Infof("app: round %d: statuses %v after %v; before %v, after %v", round, codes, time.Since(began).Round(time.Millisecond), before, inUse())
	}
	return status
}

// usage is what the core holds for programs and for itself.
type usage struct {
	threads int // of programs
	stacks  uint64
	pages   uint64 // without those of stacks
}

func (u usage) String() string {
	return fmt.Sprintf("%d threads, %d stacks, %d pages", u.threads, u.stacks, u.pages)
}

// inUse returns the usage when the kernel's own runtime has given back what it can.
func inUse() usage {
	runtime.GC()
	debug.FreeOSMemory()
	m := kcall.MemInfo()
	threads := 0
	for _, t := range kcall.Threads() {
		if t.Process != 1 {
			threads++
		}
	}
	return usage{threads: threads, stacks: m.StacksMade, pages: m.TotalPages - m.FreePages - m.KernelPages - m.StacksMade*m.StackSize/layout.PageSize}
}
