package shell

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"muster/kernel/screen"
)

func TestBar(t *testing.T) {
	require.Equal(t, strings.Repeat("·", 32), bar(0, 32))
	require.Equal(t, strings.Repeat("█", 32), bar(1, 32))
	require.Equal(t, strings.Repeat("█", 8)+strings.Repeat("·", 24), bar(0.25, 32))
	require.Equal(t, "▌"+strings.Repeat("·", 31), bar(1.0/64, 32))
}

func TestView(t *testing.T) {
	before := snapshot{up: Uptime{UpNS: 1e9}, cpus: []CPU{{State: "online", IdleNS: 1e9, Ticks: 100, Switches: 5, Interrupts: 7}, {CPU: 1, State: "offline"}, {CPU: 2, State: "online"}}}
	now := snapshot{up: Uptime{UpNS: 3e9, Date: "today"}, memory: Memory{Free: 64 << 20, Total: 256 << 20, Goroutines: 7, GCs: 3}, thread: 9, celsius: 57,
		cpus: []CPU{{State: "online", IdleNS: 1.5e9, Ticks: 300, Switches: 25, Interrupts: 407}, {CPU: 1, State: "offline"}, {CPU: 2, State: "online", IdleNS: 5e9}},
		log:  []LogLine{{TimeNS: 2_500_000_000, CPU: 2, Text: "something\x1b"}}}
	require.Equal(t, "up 3s, today; load: 38%; temperature: 57 °C\nmemory: 64 of 256 MiB free; threads: 9; goroutines: 7; collections: 3\n"+
		"CPUs: 2 of 3 online; ticks/s 100, IRQs/s 200, switches/s 10\n\n"+
		" CPU LOAD"+strings.Repeat(" ", 34)+" TICKS/S    IRQS/S  SWITCHES/S\n"+
		"   0 "+strings.Repeat("█", 24)+strings.Repeat("·", 8)+"  75%      100       200          10\n"+
		"   2 "+strings.Repeat("·", 32)+"   0%        0         0           0\n\n[    2.500000] cpu2: something?\n", view(before, now, smallest))
	require.NotContains(t, view(now, now, smallest), "NaN", "no time has passed")
	require.Contains(t, view(before, before, smallest), "temperature: no sensor\n")
}

// With any number of CPUs a view fits 80x25 and shows each CPU that is online, alone or in a
// group that it names, and a VGA's text mode has its letters.
func TestViewFits(t *testing.T) {
	letters := map[rune]byte{}
	for _, g := range screen.Font {
		letters[g.Rune] = g.Code
	}
	for n, busiest := range map[int]string{
		1:    "   0 " + strings.Repeat("█", 32) + " 100%",
		15:   "   0 " + strings.Repeat("█", 32) + " 100%",
		16:   "   0 ████████ 100%     1 ····",
		57:   "  53 ········   0%    54 ········   0%    55 ········   0%    56 ········   0%\n",
		58:   "LOAD of a CPU by a letter: ",
		512:  "   0 █···",
		896:  "\n 832 ····",
		1000: "LOAD of 2 CPUs by a letter: ",
		4096: "\n3840 ····",
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			now := snapshot{up: Uptime{UpNS: 3e9, Date: "2025-01-01T00:00:00Z"}}
			for i := range n {
				now.cpus = append(now.cpus, CPU{CPU: i, State: "online", IdleNS: 2e9, Ticks: 2000, Interrupts: 3000, Switches: 3000})
			}
			now.cpus[0].IdleNS, now.cpus[n/2].State = 0, "offline"
			if n == 1 {
				now.cpus[0].State = "online"
			}
			for range topLog {
				now.log = append(now.log, LogLine{Text: strings.Repeat("long ", 30)})
			}
			text := view(snapshot{up: Uptime{UpNS: 1e9}}, now, smallest)
			require.LessOrEqual(t, strings.Count(text, "\n"), smallest.rows)
			for _, line := range strings.Split(text, "\n") {
				require.Less(t, utf8.RuneCountInString(line), smallest.cols, line)
			}
			for _, r := range text {
				require.NotEqual(t, byte(0xfe), letters[r], "%c", r)
				require.True(t, r == '\n' || letters[r] != 0, "%c", r)
			}
			require.Contains(t, text, busiest)
		})
	}
}

func TestTop(t *testing.T) {
	var out bytes.Buffer
	s := New(&fake{}, &out)
	s.interval = time.Millisecond
	require.NoError(t, s.Run(t.Context(), "top 3"))
	require.Equal(t, 3, strings.Count(out.String(), "\x1b[H"))
	require.Equal(t, 3, strings.Count(out.String(), " CPU LOAD"))
	require.Error(t, s.Run(t.Context(), "top x"))
	require.Error(t, s.Run(t.Context(), "top 0"))
	require.NotContains(t, out.String(), "control-C")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hint := &obedient{cancel: cancel}
	s = New(&fake{}, hint)
	require.NoError(t, s.runOne(ctx, []string{"top"}))
	require.True(t, hint.shown)
}

// obedient is a user who follows the hint.
type obedient struct {
	cancel func()
	shown  bool
}

func (c *obedient) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "control-C ends this view") {
		c.shown = true
		c.cancel()
	}
	return len(p), nil
}
