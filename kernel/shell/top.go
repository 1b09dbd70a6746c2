package shell

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// size is how many letters a view has room for.
type size struct{ cols, rows int }

// smallest is the size of the smallest terminal: a VGA's text mode without its last row, where
// the cursor stays.
var smallest = size{80, 24}

// topLog is how many lines of the log a view ends with.
const topLog = 4

// snapshot is what a view shows, or compares with the one before.
type snapshot struct {
	cpus    []CPU
	up      Uptime
	memory  Memory
	thread  int
	celsius int // 0: no sensor that the kernel reads
	log     []LogLine
}

func (s *Shell) snapshot() snapshot {
	log := s.sys.Log()
	return snapshot{s.sys.CPUs(), s.sys.Uptime(), s.sys.Memory(), len(s.sys.Threads()), s.sys.Temperature(), log[max(len(log)-topLog, 0):]}
}

// top shows the machine at a glance, each second anew in the same place, until control-C, or
// as often as the argument says.
func top(ctx context.Context, s *Shell, a args) error {
	times := 0
	if text := a.first(); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("%q: not a number of views", text)
		}
		times = n
	}
	below := func() (text string, lines int) { return "control-C ends this view\n", 1 }
	if times > 0 {
		below = nil
	}
	s.watch(ctx, smallest, times, below)
	return nil
}

// watch shows views, each interval a new one, so many times or without end for 0, until ctx
// is done. below returns text that is put under the view, and how many lines it has; nil for
// none.
func (s *Shell) watch(ctx context.Context, room size, times int, below func() (text string, lines int)) {
	fmt.Fprint(s.out, "\x1b[2J")
	before := s.snapshot()
	for i := 0; times == 0 || i < times; i++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.interval):
		}
		now := s.snapshot()
		text, lines := "", 0
		if below != nil {
			text, lines = below()
		}
		text = view(before, now, size{room.cols, room.rows - lines}) + text
		fmt.Fprint(s.out, "\x1b[H"+strings.ReplaceAll(text, "\n", "\x1b[K\n")+"\x1b[J")
		before = now
	}
}

// view returns the text, which fits the size: rates and loads are those between the two
// snapshots.
func view(before, now snapshot, room size) string {
	list := loads(before, now)
	all, online := total(list)
	var b strings.Builder
	fmt.Fprintf(&b, "up %v, %s; load: %.0f%%; temperature: ", time.Duration(now.up.UpNS).Round(100*time.Millisecond), now.up.Date, all.busy*100)
	if now.celsius != 0 {
		fmt.Fprintf(&b, "%d °C\n", now.celsius)
	} else {
		b.WriteString("no sensor\n")
	}
	fmt.Fprintf(&b, "memory: %d of %d MiB free; threads: %d; goroutines: %d; collections: %d\n",
		now.memory.Free>>20, now.memory.Total>>20, now.thread, now.memory.Goroutines, now.memory.GCs)
	fmt.Fprintf(&b, "CPUs: %d of %d online; ticks/s %.0f, IRQs/s %.0f, switches/s %.0f\n\n",
		online, len(list), all.ticks, all.interrupts, all.switches)
	head := strings.Count(b.String(), "\n")
	b.WriteString(cpuRows(list, room.rows-head-1-len(now.log)))
	b.WriteString("\n")
	for _, l := range now.log {
		text := strings.Map(printable, fmt.Sprintf("[%5d.%06d] cpu%d: %s", l.TimeNS/1e9, l.TimeNS/1000%1e6, l.CPU, l.Text))
		if runes := []rune(text); len(runes) >= room.cols {
			text = string(runes[:room.cols-1])
		}
		b.WriteString(text + "\n")
	}
	return b.String()
}

// printable replaces what would move the cursor: the control characters, those above 0x80 too.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return '?'
	}
	return r
}
