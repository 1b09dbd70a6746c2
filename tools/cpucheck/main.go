// Command cpucheck checks three rules of the tree that no compiler checks.
//
// Core code passes the block of the CPU that runs it as an argument. A call that
// may switch threads returns the CPU on which the thread goes on, and the caller
// uses that one: c = sched.Park(c). The command finds uses of the old value,
// results that are dropped, and functions that switch although their signature does not
// show it. And a comment "Locks: q.mu held" stands over a function that begins with
// q.mu.AssertHeld(c), or says why it cannot. And no core function calls itself, directly,
// through others or through function values, unless a mark gives the bound of the depth.
//
//	cpucheck [-tags list] [packages]
//
// The packages, ./... by default, are checked once for each set of build tags
// that -tags names, separated by semicolons.
//
// Layer: host.
// Chapter: docs/09-scheduler.md.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	tags := flag.String("tags", ";debug;explore", "sets of build tags, separated by semicolons")
	flag.Parse()
	patterns := flag.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	t := tree{patterns: patterns}
	seen := map[string]bool{}
	for _, variant := range strings.Split(*tags, ";") {
		r, err := t.check(variant)
		if err != nil {
			log.Fatalf("cpucheck: %v", err)
		}
		for _, f := range r.findings {
			if !seen[f] {
				fmt.Fprintln(os.Stderr, f)
			}
			seen[f] = true
		}
		fmt.Printf("cpucheck: tags %q: %d core packages, %d calls that may switch; %d Locks comments; %d functions in the call graph\n",
			variant, r.packages, r.switches, r.locks, r.functions)
	}
	if len(seen) > 0 {
		os.Exit(1)
	}
}
