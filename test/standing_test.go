//go:build qemu

package test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

var processLine = regexp.MustCompile(`\[\d+\] process (\d+)\n`)

// begin runs a command that starts a program in the background, and returns its process.
func (s *session) begin(command string) (process string) {
	s.t.Helper()
	s.say(command + "\r").expect("] process ").expect("\n").expect("muster> ")
	all := processLine.FindAllStringSubmatch(s.log(), -1)
	require.NotEmpty(s.t, all)
	return all[len(all)-1][1]
}

// threadsOf returns the threads of a process.
func (s *session) threadsOf(process string) (rows []shell.Thread) {
	s.t.Helper()
	command := "ps -json -p " + process
	from := len(s.log())
	s.say(command + "\r").expect("]\n").expect("muster> ")
	_, text, found := strings.Cut(s.log()[from:], "\n[")
	require.True(s.t, found)
	require.NoError(s.t, json.NewDecoder(strings.NewReader("["+text)).Decode(&rows))
	require.NotEmpty(s.t, rows)
	return rows
}

// policy requires that all threads of a process have the same class and priority, or nice value.
func (s *session) policy(process, class string, priority int32) {
	s.t.Helper()
	for _, t := range s.threadsOf(process) {
		require.Equal(s.t, class, t.Class, "%+v", t)
		require.Equal(s.t, priority, t.Priority, "%+v", t)
	}
}

// standing requires that all threads of a process have the same class, nice value and CPUs.
func (s *session) standing(process string, nice int32, cpus []int) {
	s.t.Helper()
	for _, t := range s.threadsOf(process) {
		require.Equal(s.t, "fair", t.Class, "%+v", t)
		require.Equal(s.t, nice, t.Priority, "%+v", t)
		require.Equal(s.t, cpus, t.CPUs, "%+v", t)
		require.NotNil(s.t, t.WaitNS)
	}
}

// Programs begin with a nice value and on some CPUs, and both change while they run; all their threads follow.
func TestStanding(t *testing.T) {
	t.Parallel()
	image := stick(t, build(t, "build", "./testdata/job"), map[string]string{"programs/hot": build(t, "build", "./testdata/hot")})
	s := start(t, "--boot", "bios", "--image", image, "--cpus", "4", "--mem", "512")
	s.expect("executed automatically in").say("\r").expect("muster> ")
	one := s.begin("nice -n 5 taskset 1 run job one &")
	s.standing(one, 5, []int{1})
	s.say("taskset -p " + one + "\r").expect("process " + one + " may run on the CPUs 1\n")
	two := s.begin("run job two &")
	s.standing(two, 0, nil)
	s.say("renice -n -3 " + two + "; taskset -p 0,2-3 " + two + "\r").expect("muster> ")
	s.standing(two, -3, []int{0, 2, 3})
	s.standing(one, 5, []int{1})
	s.say("taskset -p all " + one + "\r").expect("muster> ")
	s.standing(one, 5, nil)

	urgent := s.begin("nice -n 4 chrt -f 7 taskset 1 run job urgent &")
	s.policy(urgent, "FIFO", 7)
	s.say("chrt -p " + urgent + "\r").expect("process " + urgent + " is of the class FIFO, priority 7\n")
	s.say("chrt -p 99 " + urgent + "\r").expect("muster> ")
	s.policy(urgent, "RR", 99)
	s.say("chrt -p -i " + urgent + "\r").expect("muster> ")
	s.policy(urgent, "idle", 4)
	s.say("chrt -p -o 0 " + urgent + "\r").expect("muster> ")
	s.standing(urgent, 4, []int{1})

	hot := s.begin("taskset 2 run hot sum mix &")
	s.say("taskset -p 3 " + hot + "\r").expect("muster> ")
	astray := ""
	require.Eventually(t, func() (found bool) {
		for _, x := range s.threadsOf(hot) {
			runs := x.State == "running"
			if !slices.Equal(x.CPUs, []int{3}) || runs && x.CPU != 3 {
				astray = fmt.Sprintf("%+v", x)
			}
			found = found || runs
		}
		return found
	}, answer(), 100*time.Millisecond, "no thread of process %s runs", hot)
	require.Empty(t, astray)

	for _, x := range []struct{ command, says string }{
		{"taskset 999 run job", "taskset: there is no cpu999; cpus lists them"},
		{"taskset -p 1 1", "taskset: process 1 is of the kernel itself"},
		{"renice 5 1", "renice: process 1 is of the kernel itself"},
		{"renice 5 99999", "renice: no process 99999; ps -processes lists them"},
		{"chrt -p 5 1", "chrt: process 1 is of the kernel itself"},
		{"kill 4 KILL; wait 4; cpu offline 3; taskset 3 run job now", "taskset: no CPU of 3 is online; cpu online 3 brings them"},
		{"taskset 3,1 run job now", "job now: done"},
	} {
		s.say(x.command + "\r").expect(x.says).expect("muster> ")
	}
	s.say("kill 1; kill 2; kill 3; wait; poweroff\r").end(0)
}
