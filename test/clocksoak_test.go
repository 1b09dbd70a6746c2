//go:build qemu && soak

package test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
	"muster/kernel/vector"
	"muster/tools/patience"
)

// moment is a time on both clocks; width is how long the question took.
type moment struct{ host, guest, width time.Duration }

// clockOf reads the guest's clock. The quickest of some answers counts, because one may take
// long on a busy host.
func clockOf(t *testing.T, s *session) (best moment) {
	t.Helper()
	best.width = 1 << 62
	for range 20 {
		before := time.Now()
		s.say("uptime -json\r").expect("\nmuster> ")
		width := time.Since(before)
		all := regexp.MustCompile(`"up_ns":(\d+)`).FindAllStringSubmatch(s.log(), -1)
		require.NotEmpty(t, all)
		ns, err := strconv.ParseInt(all[len(all)-1][1], 10, 64)
		require.NoError(t, err)
		if width < best.width {
			best = moment{before.Sub(began) + width/2, time.Duration(ns), width}
		}
	}
	return best
}

var began = time.Now()

// agree compares what passed on both clocks between two moments, to 100 millionths.
func agree(t *testing.T, first, last moment) {
	t.Helper()
	drift := (last.guest - first.guest) - (last.host - first.host)
	noise := first.width + last.width
	t.Logf("over %v the guest was ahead by %v, ends known to %v", last.host-first.host, drift, noise)
	require.LessOrEqual(t, max(drift, -drift), (last.host-first.host)/10_000+noise)
}

// Over a minute, the guest's clock agrees with the host's to 100 millionths.
func TestSoakDrift(t *testing.T) {
	s := start(t, "--cpus", "2")
	s.expect("muster> ")
	first := clockOf(t, s)
	s.say(fmt.Sprintf("test clock %d\r", 60)).expect("ok   clock")
	agree(t, first, clockOf(t, s))
	s.say("poweroff\r")
	s.end(0)
}

// With nohz=off each CPU ticks every 10 ms of the host's clock, over a minute: never more often, and
// seldom less often, since a tick that came too late because the host was busy is not made up for. The
// jitter is that of the last ticks, by the trace.
func TestSoakTicks(t *testing.T) {
	period := patience.Fixed(10 * time.Millisecond)
	for _, cpus := range []int{1, 4} {
		t.Run(fmt.Sprint(cpus), func(t *testing.T) {
			s := start(t, "--cpus", fmt.Sprint(cpus), "--append", "nohz=off tick=10")
			s.expect("muster> ")
			first, before := clockOf(t, s), cpusOf(t, s)
			<-time.After(patience.Fixed(time.Minute))
			late := jitter(t, s, cpus, period)
			after, last := cpusOf(t, s), clockOf(t, s)
			agree(t, first, last)
			for i := range cpus {
				n := after[i].Ticks - before[i].Ticks
				most := (last.host-first.host+last.width+first.width)/period + 1
				t.Logf("cpu%d: %d ticks in %v: every %v; the last ones: %s", i, n, last.host-first.host, (last.host-first.host)/time.Duration(n), late[i])
				require.LessOrEqual(t, time.Duration(n), most+most/10_000, "cpu%d ticks too often", i)
				require.GreaterOrEqual(t, time.Duration(n), most/2, "cpu%d ticks too seldom", i)
			}
			s.say("poweroff\r")
			s.end(0)
		})
	}
}

// cpusOf reads what the CPUs of the guest have done.
func cpusOf(t *testing.T, s *session) []shell.CPU {
	t.Helper()
	s.say("cpus -json\r").expect("\nmuster> ")
	return decode[[]shell.CPU](&result{t: t, log: lastOf(s, "cpus -json")}, "cpus -json")
}

// lastOf returns the log from the last time that a command was given.
func lastOf(s *session, command string) string {
	all := regexp.MustCompile(`(?s)muster> `+regexp.QuoteMeta(command)+`\r?\n`).FindAllStringIndex(s.log(), -1)
	return s.log()[all[len(all)-1][0]:]
}

// jitter says, for each CPU, by how much the times between its last ticks differed from the period. One command
// reads all of them, as each one makes other interrupts of the timer.
func jitter(t *testing.T, s *session, cpus int, period time.Duration) (all []string) {
	t.Helper()
	command := fmt.Sprintf("trace %d -kind interrupt -json", 512*cpus)
	s.say(command + "\r").expect("\nmuster> ")
	late, later := make([][]time.Duration, cpus), make([]int64, cpus)
	for _, e := range decode[[]shell.Event](&result{t: t, log: lastOf(s, command)}, command) { // the newest is the first
		if e.A != vector.Timer {
			continue
		}
		if later[e.CPU] != 0 {
			late[e.CPU] = append(late[e.CPU], (time.Duration(later[e.CPU]-e.TimeNS) - period).Abs())
		}
		later[e.CPU] = e.TimeNS
	}
	for _, l := range late {
		require.NotEmpty(t, l)
		slices.Sort(l)
		n := len(l) - 1
		all = append(all, fmt.Sprintf("%d, jitter p50 %v, p90 %v, largest %v", len(l), l[n/2], l[n*9/10], l[n]))
	}
	return all
}
