package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

func TestRing(t *testing.T) {
	r := ring{buf: make([]byte, 8), head: 1<<32 - 3, tail: 1<<32 - 3}
	require.Equal(t, 5, r.put([]byte("hello")), "over the wrap of the counters")
	require.Equal(t, 3, r.put([]byte(" world")), "what fits")
	require.False(t, r.putByte('!'))
	p := make([]byte, 6)
	require.Equal(t, 6, r.take(p))
	require.Equal(t, "hello ", string(p))
	require.True(t, r.putByte('!'))
	require.Equal(t, 3, r.take(p))
	require.Equal(t, "wo!", string(p[:3]))
	_, ok := r.get()
	require.False(t, ok)
}

func TestRingText(t *testing.T) {
	r := ring{buf: make([]byte, 8)}
	require.Equal(t, 4, r.putText([]byte("a\nb\n")))
	p := make([]byte, 8)
	require.Equal(t, "a\r\nb\r\n", string(p[:r.take(p)]))
	require.Equal(t, 7, r.putText([]byte("abcdefg\n")), "no room for both")
	require.Equal(t, 7, r.take(p))
}

// AddReturns makes what putText makes, if there is room for twice as much.
func TestAddReturns(t *testing.T) {
	for _, text := range []string{"", "a", "\n", "\n\n\n", "a\nb\r\nc", "no newline at the end"} {
		r := ring{buf: make([]byte, 64)}
		require.Equal(t, len(text), r.putText([]byte(text)))
		want, got := make([]byte, 64), make([]byte, 2*len(text))
		want = want[:r.take(want)]
		require.Equal(t, string(want), string(got[:AddReturns(got, []byte(text))]))
	}
}

func TestLine(t *testing.T) {
	var l Line
	l.Str("a ").Dec(0).Byte(' ').Dec(1<<64 - 1).Byte(' ').Hex(0xfee00000).Byte(' ').Hex16(0x1f)
	l.Byte(' ').DecPad(42, 5).DecPad(123456, 3)
	require.Equal(t, "a 0 18446744073709551615 0xfee00000 000000000000001f    42123456", string(l.Bytes()))
	l.Str(strings.Repeat("x", 500)).Byte('y')
	require.Len(t, l.Bytes(), len(l.buf), "cut, not overrun")
}

// The log keeps the newest records and returns them in order.
func TestLog(t *testing.T) {
	c := &percpu.CPU{ID: 2}
	text := make([]byte, 2000)
	var e Entry
	_, _, ok := ReadLog(c, 0, &e, text)
	require.False(t, ok)
	var l Line
	const total = 5000
	for i := range total {
		l.n = 0
		keep(2, Notice, 77, l.Str("line number ").Dec(uint64(i)).Bytes())
	}
	pos, n, count, first := uint64(0), 0, 0, ""
	for {
		pos, n, ok = ReadLog(c, pos, &e, text)
		if !ok {
			break
		}
		if count == 0 {
			first = string(text[:n])
		}
		count++
	}
	require.Equal(t, Entry{Level: Notice, CPU: 2, Time: 77}, e)
	l.n = 0
	require.Equal(t, string(l.Str("line number ").Dec(uint64(total-count)).Bytes()), first)
	require.Greater(t, count, len(logBytes)/40)
	require.Less(t, count, total)
}

func TestPrefix(t *testing.T) {
	var l Line
	prefix(&l, 12_345_678_000, 3)
	require.Equal(t, "[   12.345678] cpu3: ", string(l.Bytes()))
}

// A full ring drops whole lines, and the log says how many once there is room again.
func TestFullRing(t *testing.T) {
	c := &percpu.CPU{ID: 1}
	tx.buf = txBytes[:]
	tx.clear()
	mu.Lock(c)
	text := []byte(strings.Repeat("x", 100))
	const total = 400
	for range total {
		queueLine(c, 0, text)
	}
	sent := func() string {
		p := make([]byte, len(txBytes))
		return strings.ReplaceAll(string(p[:tx.take(p)]), "\r", "")
	}
	line := "[    0.000000] cpu1: " + string(text) + "\n"
	first := sent()
	fit := strings.Count(first, line)
	require.Equal(t, strings.Repeat(line, fit), first, "no line is cut")
	require.Equal(t, uint64(total-fit), dropped)
	require.Greater(t, fit, len(txBytes)/len(line)*9/10)
	queueLine(c, 0, text)
	lost := fmt.Sprintf("[    0.000000] cpu1: console: lines of the log that were not printed, because the serial port is slow: %d; dmesg has them\n", total-fit)
	require.Equal(t, lost+line, sent(), "the count comes first, once")
	queueLine(c, 0, text)
	require.Equal(t, line, sent())
	dropped = 7
	queueNotice(c, 0)
	require.Contains(t, sent(), "slow: 7;", "without another line, too")
	require.Zero(t, dropped)
	dropped = 1<<64 - 1
	queueNotice(c, 1<<63-1)
	require.Less(t, len(sent()), noticeRoom)
	mu.Unlock(c)
}
