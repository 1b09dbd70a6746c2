package shell

import (
	"fmt"
	"strings"
)

// load is what a CPU did between two snapshots. Rates are for a second.
type load struct {
	cpu                         int
	online                      bool
	busy                        float64 // share of the time
	ticks, interrupts, switches float64
}

func loads(before, now snapshot) []load {
	passed := float64(max(now.up.UpNS-before.up.UpNS, 1))
	rate := func(now, before uint64) float64 { return float64(now-min(before, now)) / (passed / 1e9) }
	list := make([]load, len(now.cpus))
	for i, c := range now.cpus {
		var old CPU
		if i < len(before.cpus) {
			old = before.cpus[i]
		}
		list[i] = load{cpu: c.CPU, online: c.State == "online", ticks: rate(c.Ticks, old.Ticks),
			interrupts: rate(c.Interrupts, old.Interrupts), switches: rate(c.Switches, old.Switches)}
		if list[i].online {
			busy := 1 - float64(c.IdleNS-min(old.IdleNS, c.IdleNS))/passed
			list[i].busy = min(max(busy, 0), 1)
		}
	}
	return list
}

// total returns the sums of the rates and the mean load of the CPUs that are online, and
// their number.
func total(list []load) (all load, online int) {
	for _, l := range list {
		if !l.online {
			continue
		}
		online++
		all.busy += l.busy
		all.ticks, all.interrupts, all.switches = all.ticks+l.ticks, all.interrupts+l.interrupts, all.switches+l.switches
	}
	all.busy /= float64(max(online, 1))
	return all, online
}

// cpuRows returns at most so many lines that show all CPUs: a line for each, or four to a
// line, or a letter for each CPU or for a group of them.
func cpuRows(list []load, lines int) string {
	var online []load
	for _, l := range list {
		if l.online {
			online = append(online, l)
		}
	}
	switch {
	case len(online) < lines:
		return cpuLines(online)
	case (len(online)+perLine-1)/perLine < lines:
		return cpuColumns(online)
	}
	return cpuLetters(list, lines)
}

// barWidth is the width of a full bar, in letters.
const barWidth = 32

func cpuLines(list []load) string {
	var b strings.Builder
	fmt.Fprintf(&b, " CPU LOAD%*s TICKS/S    IRQS/S  SWITCHES/S\n", barWidth+2, "")
	for _, l := range list {
		fmt.Fprintf(&b, "%4d %s %3.0f%% %8.0f %9.0f %11.0f\n", l.cpu, bar(l.busy, barWidth), l.busy*100, l.ticks, l.interrupts, l.switches)
	}
	return b.String()
}

// Several CPUs on a line.
const (
	perLine     = 4
	columnWidth = 8
)

func cpuColumns(list []load) string {
	var b strings.Builder
	b.WriteString(" CPU LOAD, the rates of each CPU are not shown\n")
	for i, l := range list {
		fmt.Fprintf(&b, "%4d %s %3.0f%%", l.cpu, bar(l.busy, columnWidth), l.busy*100)
		if i%perLine == perLine-1 || i == len(list)-1 {
			b.WriteString("\n")
		} else {
			b.WriteString("  ")
		}
	}
	return b.String()
}

// lettersPerLine is how many CPUs, or groups of CPUs, have a letter on a line.
const lettersPerLine = 64

// cpuLetters shows a letter for each CPU, or for each group of CPUs the mean of those that
// are online. list is in the order of the numbers, from 0 on.
func cpuLetters(list []load, lines int) string {
	room := max(lines-1, 1) * lettersPerLine
	group := (len(list) + room - 1) / room
	var b strings.Builder
	what := "a CPU"
	if group > 1 {
		what = fmt.Sprintf("%d CPUs", group)
	}
	fmt.Fprintf(&b, " CPU LOAD of %s by a letter: · ░ 2%% ▒ 25%% ▓ 50%% █ 75%%, - offline; no rates\n", what)
	for i, n := 0, 0; i < len(list); i, n = i+group, n+1 {
		if n%lettersPerLine == 0 {
			if n > 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%4d ", list[i].cpu)
		}
		b.WriteRune(shade(list[i:min(i+group, len(list))]))
	}
	b.WriteString("\n")
	return b.String()
}

// shade returns the letter of a group. A VGA's text mode has these letters too.
func shade(group []load) rune {
	all, online := total(group)
	switch {
	case online == 0:
		return '-'
	case all.busy < 0.02:
		return '·'
	case all.busy < 0.25:
		return '░'
	case all.busy < 0.5:
		return '▒'
	case all.busy < 0.75:
		return '▓'
	}
	return '█'
}

// bar draws a share of 1, in halves of a letter: a VGA's text mode has no smaller parts.
func bar(share float64, width int) string {
	halves := int(share*float64(width)*2 + 0.5)
	return strings.Repeat("█", halves/2) + strings.Repeat("▌", halves%2) + strings.Repeat("·", width-(halves+1)/2)
}
