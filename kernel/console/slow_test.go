package console

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// slowLine is COM1 at 115,200 baud: a byte takes ten bits. Its time goes on by a
// microsecond at each access, as on the ISA bus, and where the test says so.
type slowLine struct {
	now    time.Duration
	left   time.Duration // when the first byte of the FIFO has left
	fifo   []byte
	sent   strings.Builder
	enable uint8
}

const byteTime = 10 * time.Second / 115_200

func (u *slowLine) wait(d time.Duration) {
	u.now += d
	for ; len(u.fifo) > 0 && u.left <= u.now; u.left += byteTime {
		u.sent.WriteByte(u.fifo[0])
		u.fifo = u.fifo[1:]
	}
}

func (u *slowLine) in(port uint16) uint8 {
	u.wait(time.Microsecond)
	switch {
	case port == uartStatus && len(u.fifo) == 0:
		return statusTxEmpty | statusTxIdle
	case port == uartIdent && !u.interrupts():
		return identNone
	}
	return 0
}

func (u *slowLine) out(port uint16, v uint8) {
	u.wait(time.Microsecond)
	switch port {
	case uartEnable:
		u.enable = v
	case uartData:
		if len(u.fifo) == 0 {
			u.left = u.now + byteTime
		}
		u.fifo = append(u.fifo, v)
	}
}

func (u *slowLine) interrupts() bool { return u.enable&enableTx != 0 && len(u.fifo) == 0 }

// flood logs lines much faster than the line takes them. It returns how long one of them
// kept interrupts off at most, and what was sent in the end.
func flood(t *testing.T, lines int, log func(c *percpu.CPU, level Level, text []byte)) (longest time.Duration, sent string) {
	t.Helper()
	c := &percpu.CPU{ID: 1}
	u := &slowLine{}
	oldIn, oldOut := in8, out8
	in8, out8 = u.in, u.out
	present, irqs, dropped = true, true, 0
	tx.buf = txBytes[:]
	tx.clear()
	t.Cleanup(func() { in8, out8, present, irqs, dropped = oldIn, oldOut, false, false, 0 })
	serve := func() {
		u.wait(byteTime)
		if u.interrupts() {
			Interrupt(c)
		}
	}
	for range lines {
		before := u.now
		log(c, Notice, []byte(strings.Repeat("x", 100)))
		longest = max(longest, u.now-before)
		serve()
	}
	for range 100 * len(txBytes) {
		serve()
	}
	require.Zero(t, tx.len())
	return longest, strings.ReplaceAll(u.sent.String(), "\r", "")
}

// A line of the log keeps interrupts off for some accesses to the UART, also while the
// ring is full. The lines that were sent and those that were counted are all there were.
func TestLogDoesNotWaitForTheLine(t *testing.T) {
	const lines = 500
	longest, sent := flood(t, lines, Log)
	t.Logf("longest time with interrupts off: %v", longest)
	require.Less(t, longest, 100*time.Microsecond)
	whole := strings.Count(sent, "cpu1: "+strings.Repeat("x", 100)+"\n")
	require.Less(t, whole, lines, "the ring was full")
	lost := 0
	for _, m := range regexp.MustCompile(`because the serial port is slow: (\d+); dmesg has them\n`).FindAllStringSubmatch(sent, -1) {
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		lost += n
	}
	require.Equal(t, lines-whole, lost)
}

// Negative control: the log that sends by polling what the ring has no room for.
func TestWaitingLogIsFound(t *testing.T) {
	longest, _ := flood(t, 500, func(c *percpu.CPU, _ Level, text []byte) {
		mu.Lock(c)
		pollLine(c, clock.Time(0), text)
		mu.Unlock(c)
	})
	t.Logf("longest time with interrupts off: %v", longest)
	require.Greater(t, longest, 100*time.Millisecond)
}
