//go:build qemu

package test

import (
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// stretchLimit is the longest time with interrupts off, in instructions.
const stretchLimit = "stretch=100000"

// counted boots the debug kernel with a clock that counts instructions, and with the
// limit.
func counted(t *testing.T, args ...string) *result {
	t.Helper()
	all := []string{"--icount", "--qemu", "-seed 1", "--kernel", root + "/build/kernel-debug.elf", "--append", stretchLimit, "--timeout", "120"}
	return boot(t, append(all, args...)...)
}

// A stretch with interrupts off that is too long is noticed whatever begins and ends it.
func TestLongStretchIsFound(t *testing.T) {
	const handler = `selftest\.holdOff\+0x[0-9a-f]+ muster/kernel/selftest/stretch\.go:\d+`
	for kind, report := range map[string]string{
		"stretch":         `from system call \d+ to the exit`,
		"stretch-window":  `from muster/kernel/` + handler + ` to muster/kernel/` + handler + `, in system call \d+`,
		"stretch-switch":  `from system call \d+ to `,
		"stretch-inside":  `from vector 244 to the exit`,
		"stretch-outside": `from vector 244 to the exit`,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := counted(t, "--run", "crash "+kind)
			require.Equal(t, 125, r.status)
			r.matches(`interrupts were off for 2\d{5} ns, ` + report)
			r.has("(kernel): stretch: longer than stretch= allows; ns, entry 0x3")
			if kind == "stretch-window" {
				book, err := os.ReadFile(root + "/docs/02-black-box.md")
				require.NoError(t, err)
				for _, line := range regexp.MustCompile(`muster/kernel/selftest/stretch\.go:\d+`).FindAllString(r.log, 2) {
					require.Contains(t, string(book), line, "the sample in the book")
				}
			}
			r = counted(t, "--append", "stretch=1000000", "--run", "crash "+kind)
			require.Equal(t, 1, r.status, "the kernel goes on")
		})
	}
}

// stretchActs are the acts of testdata/stretch, but storm, with the numbers of the soak
// test; 0 is the act's own number. Only memory bounds the number of threads.
var stretchActs = []struct {
	name string
	soak int
}{
	{"areas", 65000}, {"sparse", 0}, {"resident", 100000}, {"holes", 65000}, {"lengths", 0},
	{"watches", 0}, {"manywatch", 200000}, {"epolls", 4000}, {"ready", 0}, {"iovecs", 0}, {"pipe", 0}, {"files", 0}, {"names", 0}, {"console", 0},
	{"futex", 20000}, {"requeue", 20000}, {"event", 20000}, {"pipers", 20000}, {"epwait", 20000}, {"pollers", 0}, {"sleepers", 20000},
	{"farthest", 0},
	{"runners", 20000}, {"tasks", 20000}, {"killall", 20000}, {"signals", 0}, {"timers", 32000}, {"cputimers", 32000}, {"exit", 20000},
}

// longestStretch is the line of a debug kernel about its longest time with interrupts off.
var longestStretch = regexp.MustCompile(`longest stretch with interrupts off (\d+) ns, (from .*)`)

// stretched runs one act, and returns its longest stretch.
func stretched(t *testing.T, args ...string) (instructions int, ends string) {
	t.Helper()
	r := counted(t, args...).ok().lacks("PANIC")
	m := longestStretch.FindStringSubmatch(r.log)
	require.NotNil(t, m, r.log)
	n, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	t.Logf("%d instructions, %s", n, m[2])
	return n, m[2]
}

// A search for a system call whose time with interrupts off grows with a number that a
// program chooses: each act of the program makes many objects of a kind. With -v the last
// line is the longest stretch of all.
func TestStretch(t *testing.T) {
	exe := build(t, "build", "./testdata/stretch")
	var mu sync.Mutex
	most, where := 0, ""
	t.Run("acts", func(t *testing.T) { // it returns when all have ended
		for _, act := range stretchActs {
			t.Run(act.name, func(t *testing.T) {
				t.Parallel() // each machine has one thread, and counts instructions
				n, ends := stretched(t, "--mem", "1024", "--app", exe, act.name)
				mu.Lock()
				defer mu.Unlock()
				if n > most {
					most, where = n, "act "+act.name+", "+ends
				}
			})
		}
	})
	t.Logf("longest stretch under attack: %d instructions, %s", most, where)
}
