package shell

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// ruled is a machine with threads and programs, whose CPU 1 is offline.
func ruled() *listed {
	l := manyThreads()
	l.programs = []string{"short", "long"}
	l.threads[2].Ring, l.threads[3].Ring = 3, 3
	l.refuse = map[uint32]error{1: syscall.EPERM, 2: syscall.EPERM}
	return l
}

// What a program begins with: the words of nice and taskset, in any order, before its name.
func TestStanding(t *testing.T) {
	for line, want := range map[string]Standing{
		"nice short":                            {Nice: 10},
		"nice run short":                        {Nice: 10},
		"nice -n 19 short a -b":                 {Nice: 19},
		"nice -n -20 short":                     {Nice: -20},
		"nice -n=5 short":                       {Nice: 5},
		"nice -n 15 nice -n 15 short":           {Nice: 19},
		"taskset 0 short -json":                 {CPUs: []int{0}},
		"taskset -c 0-1 run short":              {CPUs: []int{0, 1}},
		"taskset all short":                     {},
		"taskset 0 nice -n 3 short -p -h":       {Nice: 3, CPUs: []int{0}},
		"nice -n 3 taskset 0 run short":         {Nice: 3, CPUs: []int{0}},
		"nice -n -5 run nice -n 5 run short -x": {},
		"chrt 7 short -f":                       {Policy: Policy{"RR", 7}},
		"chrt -f 99 run short":                  {Policy: Policy{"FIFO", 99}},
		"chrt -i 0 nice -n 3 short":             {Nice: 3, Policy: Policy{Class: "idle"}},
		"taskset 0 chrt -i short":               {CPUs: []int{0}, Policy: Policy{Class: "idle"}},
		"chrt -f 1 chrt -o short":               {},
	} {
		m := ruled()
		output(t, m, line)
		require.Len(t, m.started, 1, line)
		require.Equal(t, "short", m.started[0].args[0], line)
		require.Equal(t, want, m.standing, line)
	}
	m := ruled()
	text, err := output(t, m, "nice -n 5 long &")
	require.NoError(t, err)
	require.Equal(t, "[1] process 10\n", text)
}

// Programs that run: all threads of a process, or one thread.
func TestStandingOfRunning(t *testing.T) {
	for line, want := range map[string][]string{
		"renice 5 107374":           {"nice 1073741 5", "nice 1073742 5"},
		"renice -5 107374":          {"nice 1073741 -5", "nice 1073742 -5"},
		"renice -n -5 -p 107374":    {"nice 1073741 -5", "nice 1073742 -5"},
		"renice 1 1073742 1073741":  {"nice 1073742 1", "nice 1073741 1"},
		"taskset -p 0 107374":       {"bind 1073741[0]", "bind 1073742[0]"},
		"taskset -p -c all 1073742": {"bind 1073742[0 1]"},
		"taskset -c -p 0,1 1073742": {"bind 1073742[0 1]"},
		"taskset -p 0 1":            {"bind 1[0]"},
		"renice 3 1 107374":         {"nice 1 3", "nice 1073741 3", "nice 1073742 3"},
		"chrt -p -f 5 107374":       {"policy 1073741 {FIFO 5}", "policy 1073742 {FIFO 5}"},
		"chrt -p 5 1073742":         {"policy 1073742 {RR 5}"},
		"chrt -i -p 0 1073742":      {"policy 1073742 {idle 0}"},
		"chrt -o -p 1073742":        {"policy 1073742 { 0}"},
	} {
		m := ruled()
		output(t, m, line)
		require.Equal(t, want, m.done, line)
	}
	text, err := output(t, ruled(), "taskset -p 1; taskset -p 107374; taskset -p 1073742")
	require.NoError(t, err)
	policies, err := output(t, ruled(), "chrt -p 1; chrt -p 107374; chrt -p 1073742")
	require.NoError(t, err)
	require.Equal(t, "process 1 is of the class kernel\nthread 1073741 is of the class fair, nice value -20\nthread 1073742 is of the class RR, priority 99\n"+
		"thread 1073742 is of the class RR, priority 99\n", policies)
	require.Equal(t, "process 1 may run on the CPUs all\nthread 1073741 may run on the CPUs 0-3, 7, 9, 11\nthread 1073742 may run on the CPUs 0-3, 7\n"+
		"thread 1073742 may run on the CPUs 0-3, 7\n", text)
}

func TestStandingErrors(t *testing.T) {
	for line, want := range map[string]string{
		"nice":                    "usage: nice [-n N] PROGRAM [ARGUMENTS] [&]",
		"nice -n":                 "option -n needs a value, N",
		"nice -n 20 short":        `"20" is not a nice value: -20, the largest share, to 19, the smallest`,
		"nice -n x short":         `"x" is not a nice value`,
		"nice 5 short":            `"5" is not a program; nice -n N starts one, renice N PROCESS is for one that runs`,
		"nice shrot":              `no program "shrot", nearest is "short"`,
		"nice -n 5 taskset":       "usage: taskset",
		"nice -x short":           "unknown option -x",
		"nice taskset -p 0 1":     "taskset -p is about a program that runs",
		"renice":                  "usage: renice [-n N] [-p] N PROCESS...",
		"renice 5":                "usage: renice",
		"renice 5 x":              `"x" is not the number of a process; ps -processes lists them`,
		"renice 5 99":             "no process 99; ps -processes lists them",
		"renice 5 1":              "process 1 is of the kernel itself, whose threads come first and run on all CPUs",
		"renice 50 107374":        `"50" is not a nice value`,
		"taskset":                 "usage: taskset",
		"taskset 0":               "the name of a program is missing after the CPUs; taskset -p 0 is for one that runs",
		"taskset 999 short":       "there is no cpu999; cpus lists them",
		"taskset 1 short":         "no CPU of 1 is online; cpu online 1 brings them",
		"taskset 0x3 short":       `"0x3" is a mask; CPUs are a list here, as 2, 0-3,6 or all`,
		"taskset short":           `"short" is not a set of CPUs, as 2, 0-3,6 or all`,
		"taskset 3-0 short":       `"3-0" is not a set of CPUs`,
		"taskset -p":              "usage: taskset -p [CPUS] PROCESS",
		"taskset -p 0 1 2":        "usage: taskset -p [CPUS] PROCESS",
		"taskset -p 0 99":         "no process 99",
		"taskset -p 1 107374":     "no CPU of 1 is online",
		"taskset -p 999 107374":   "there is no cpu999",
		"taskset -p 0 1":          "process 1 is of the kernel itself",
		"taskset -p -5 1":         "unknown option -5",
		"taskset -p 0 1073742 -x": "usage: taskset -p [CPUS] PROCESS",
		"chrt":                    "usage: chrt [-f] [-r] [-o] [-i] [-p]",
		"chrt short":              `"short" is not a priority: that is a number from 1 to 99, and comes first`,
		"chrt 0 short":            `"0" is not a priority`,
		"chrt -f 100 short":       `"100" is not a priority`,
		"chrt -f -r 1 short":      "-f and -r are two policies",
		"chrt -i 5 short":         "5 is not a priority of -i: its only one is 0, which may be missing",
		"chrt 5":                  "the name of a program is missing; chrt -p is for one that runs",
		"chrt -o":                 "usage: chrt",
		"chrt -o 0":               "the name of a program is missing",
		"chrt -p":                 "usage: chrt -p [-f|-r|-o|-i] [PRIORITY] PROCESS",
		"chrt -p -f 107374":       `"107374" is not a priority`,
		"chrt -p 5 99":            "no process 99",
		"chrt -p 5 6 107374":      "usage: chrt -p",
		"chrt -p 5 1":             "process 1 is of the kernel itself",
		"nice chrt -p 5 107374":   "chrt -p is about a program that runs",
	} {
		m := ruled()
		text, err := output(t, m, line)
		require.ErrorContains(t, err, want, line)
		require.Contains(t, text, want, line)
		require.Empty(t, m.started, line)
	}
	m := ruled()
	m.refuse = map[uint32]error{1073741: syscall.ESRCH, 1073742: syscall.ESRCH}
	_, err := output(t, m, "renice 5 107374")
	require.EqualError(t, err, "process 107374 has ended")
	m.refuse[1073742] = errors.New("broken")
	_, err = output(t, m, "renice 5 107374")
	require.EqualError(t, err, "process 107374: broken")
}

// grows is a machine whose process makes a thread each time that its threads are listed.
type grows struct{ listed }

func (g *grows) Threads() []Thread {
	if len(g.threads) < 6 {
		g.threads = append(g.threads, Thread{ID: 2000000 + uint32(len(g.threads)), Process: 107374, Ring: 3})
	}
	return g.listed.Threads()
}

// Threads that a process makes meanwhile are changed, too.
func TestStandingOfNewThreads(t *testing.T) {
	m := &grows{*ruled()}
	_, err := output(t, m, "renice 5 107374")
	require.NoError(t, err)
	require.Equal(t, []string{"nice 1073741 5", "nice 1073742 5", "nice 2000004 5", "nice 2000005 5"}, m.done)
}

func TestStandingCompletes(t *testing.T) {
	for line, want := range map[string][]string{
		"nice -n 5 sh":   {"short"},
		"renice 5 ":      {"-h", "-n", "-p", "107374"},
		"taskset ":       {"-c", "-h", "-p", "0", "all"},
		"taskset 0 ":     {"107374", "long", "short"},
		"taskset -p 0 1": {"107374"},
		"chrt 5 sh":      {"short"},
	} {
		list, _ := New(ruled(), &bytes.Buffer{}).Complete(line)
		require.Equal(t, want, list, line)
	}
}
