package crash

// Where the book explains a panic.

const (
	blackBox  = "docs/02-black-box.md"
	hosting   = "docs/03-hosting-go.md"
	traps     = "docs/04-traps.md"
	memory    = "docs/05-memory.md"
	interrupt = "docs/06-interrupts.md"
	starting  = "docs/08-starting-cpus.md"
	scheduler = "docs/09-scheduler.md"
	calls     = "docs/10-system-calls.md"

	ourCode = "Our code"
	rules   = "Go without a runtime: the rules of the core"
	full    = "Guard pages and full stacks"
)

// explained has the beginnings of reasons and of Panic's texts, the longer ones first.
var explained = [...]struct{ text, file, section string }{
	{"stack overflow", blackBox, full},
	{"kernel stack", blackBox, full},
	{"bounds check failed", hosting, rules},
	{"division by zero", hosting, rules},
	{"integer overflow", hosting, rules},
	{"negative shift", hosting, rules},
	{"nil dereference", hosting, rules},
	{"runtime.throw", hosting, rules},
	{"Go panic", hosting, rules},
	{"heap allocation", hosting, rules},
	{"write barrier", hosting, rules},
	{"SYSCALL on a core stack", hosting, rules},
	{"crash", blackBox, "A panic, step by step"},
	{"lock:", blackBox, "Locks have ranks"},
	{"stretch:", blackBox, "Locks have ranks"},
	{"machine check", blackBox, "Machine checks"},
	{"watchdog:", blackBox, "The watchdog"},
	{"sched: mutex", blackBox, "Locks have ranks"},
	{"sched:", scheduler, "A thread"},
	{"trap: not a CPU's block", starting, "The per-CPU block"},
	{"cpus:", starting, "The per-CPU block"},
	{"memory of the kernel's own runtime exhausted", memory, ourCode},
	{"mem:", memory, ourCode},
	{"apic:", interrupt, ourCode},
	{"cross:", interrupt, ourCode},
	{"refs:", calls, "Object lifetime"},
	{"linux: system call from the wrong ring", calls, "From the instruction to an answer"},
	{"linux:", hosting, "What the runtime finds"},
	{"the kernel's own Go runtime exited", hosting, "What the runtime finds"},
	{"fatal signal to the kernel's own runtime", calls, "Signals"},
	{"exception", traps, ourCode},
	{"page fault in the core", memory, ourCode},
}

// explanation returns the file and the section that explain this panic.
func explanation() (file, section string) {
	if cause.derived {
		if b := cause.reason.Bytes(); len(b) > 0 {
			if file, section, ok := explain(stringOf(b)); ok {
				return file, section
			}
		}
	}
	if file, section, ok := explain(cause.msg); ok {
		return file, section
	}
	return blackBox, "A panic, step by step"
}

func explain(text string) (file, section string, ok bool) {
	for i := range explained {
		if e := &explained[i]; hasPrefix(text, e.text) {
			return e.file, e.section, true
		}
	}
	return "", "", false
}
