package persist

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/mmio"
)

// room is a variable: the functions know it by its address alone.
var room [Size / 4]uint32

func fresh() {
	for i := range room {
		room[i] = 0xdeadbeef // what RAM has after the power was off
	}
}

func address() uintptr { return uintptr(unsafe.Pointer(&room)) }

func contents() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(&room)), Size) }

// lines reads what b has: the log and the report.
func lines(b []byte) (r Reader, log, report []string) {
	r = Open(b)
	var rec Record
	for r.Next(&rec) {
		if rec.Kind == ReportLine {
			report = append(report, string(rec.Text))
		} else {
			log = append(log, fmt.Sprintf("%d %d %d %s", rec.CPU, rec.Level, rec.NS, rec.Text))
		}
	}
	return r, log, report
}

func TestSum(t *testing.T) {
	s := newSum
	var b []byte
	for i := range uint32(100) {
		w := i * 2654435761
		s = s.add(w)
		b = binary.LittleEndian.AppendUint32(b, w)
		require.Equal(t, crc32.ChecksumIEEE(b), s.end())
	}
}

func TestRoundTrip(t *testing.T) {
	fresh()
	r, log, report := lines(contents())
	require.Equal(t, NoHeader, r.Outcome)
	require.Empty(t, append(log, report...))

	Start(address(), 7)
	Log(0, 6, 1<<40, []byte("one"), nil)
	Log(3, 4, 5, []byte("tw"), []byte("o lines"))
	Log(1, 3, 9, nil, nil)
	Report([]byte("first\nsec"))
	Report([]byte("ond\n"))
	Report([]byte(strings.Repeat("x", 300) + "\nnot whole"))
	r, log, report = lines(contents())
	require.Equal(t, Kept, r.Outcome)
	require.Equal(t, uint32(7), r.Boot)
	require.Zero(t, r.Damaged)
	require.Equal(t, []string{fmt.Sprintf("0 6 %d one", 1<<40), "3 4 5 two lines", "1 3 9 "}, log)
	require.Equal(t, []string{"first", "second", strings.Repeat("x", 256), strings.Repeat("x", 44)}, report)

	Start(address(), 8)
	r, log, report = lines(contents())
	require.Equal(t, uint32(8), r.Boot)
	require.Empty(t, append(log, report...), "what was kept before is gone")
}

// Of a long log the last lines are kept, at least as many as a bank has room for, without a
// gap. Of a long report the first ones.
func TestFull(t *testing.T) {
	fresh()
	Start(address(), 1)
	for i := range 5000 {
		Log(0, 6, uint64(i), fmt.Appendf(nil, "line %d of the log%s", i, strings.Repeat(".", i%50)), nil)
		Report(fmt.Appendf(nil, "line %d of the report\n", i))
	}
	r, log, report := lines(contents())
	require.Zero(t, r.Damaged)
	require.Greater(t, len(log), BankSize/100)
	for i, l := range log {
		n := 5000 - len(log) + i
		require.Equal(t, fmt.Sprintf("0 6 %d line %d of the log%s", n, n, strings.Repeat(".", n%50)), l)
	}
	require.Greater(t, len(report), BankSize/50)
	for i, l := range report {
		require.Equal(t, fmt.Sprintf("line %d of the report", i), l)
	}
	Log(0, 6, 0, []byte(strings.Repeat("y", 3000)), nil)
	_, log, _ = lines(contents())
	require.Equal(t, "0 6 0 "+strings.Repeat("y", MaxText), log[len(log)-1])
}

// errStopped is what a store of a machine that is reset does.
var errStopped = fmt.Errorf("reset")

// cut runs f on a range, and resets the machine after n stores. It reports whether f came to
// its end.
func cut(n int, f func()) (done bool) {
	defer func() {
		store = mmio.Store32
		if e := recover(); e != nil && e != errStopped {
			panic(e)
		}
	}()
	store = func(addr uintptr, v uint32) {
		if n == 0 {
			panic(errStopped)
		}
		n--
		mmio.Store32(addr, v)
	}
	f()
	return true
}

// A reset at any store leaves whole lines, and all that were complete.
func TestCutAnywhere(t *testing.T) {
	const more = 40
	before := 0
	text := func(i int) string { return fmt.Sprintf("line %d%s", i, strings.Repeat("-", i%60)) }
	fill := func() {
		fresh()
		Start(address(), 1)
		for ; log.at < BankSize-1000; before++ { // the first bank is full soon after
			Log(0, 6, uint64(before), []byte(text(before)), nil)
		}
	}
	fill()
	saved, b := room, log
	last, switched := before, false
	for n := 0; ; n++ {
		room, log, report, length = saved, b, bank{}, 0
		written, reported := before, 0
		done := cut(n, func() {
			for i := before; i < before+more; i++ {
				Log(0, 6, uint64(i), []byte(text(i)), nil)
				written++
				if i%8 == 0 {
					Report([]byte(text(i) + "\n"))
					reported++
				}
			}
		})
		switched = switched || log.number == 1
		r, lines, report := lines(contents())
		require.Equal(t, Kept, r.Outcome, "after %d stores", n)
		require.Zero(t, r.Damaged, "after %d stores", n)
		// The line in progress may be whole already.
		require.Contains(t, []int{written, written + 1}, len(lines), "after %d stores", n)
		require.Contains(t, []int{reported, reported + 1}, len(report), "after %d stores", n)
		for i, l := range lines {
			require.Equal(t, fmt.Sprintf("0 6 %d %s", i, text(i)), l)
		}
		require.GreaterOrEqual(t, len(lines), last)
		last = len(lines)
		if done {
			break
		}
	}
	require.True(t, switched, "the first bank never became full")
}

// The same cuts find a writer that says that a record is there before it is: control of
// the test above.
func TestCutIsNoticed(t *testing.T) {
	early := func(text string) { // the first word first
		va := base + log.number*BankSize + log.at
		store(va+recWords*4+uintptr(len(text)), 0)
		store(va, uint32(len(text))|uint32(LogLine)<<16)
		log.add(LogLine, 0, 0, 0, []byte(text), nil)
	}
	found := 0
	for n := 0; ; n++ {
		fresh()
		Start(address(), 1)
		done := cut(n, func() { early("text"); early("more") })
		if r, _, _ := lines(contents()); r.Damaged > 0 {
			found++
		}
		if done {
			break
		}
	}
	require.NotZero(t, found)
}

func TestDamage(t *testing.T) {
	write := func() []byte {
		fresh()
		Start(address(), 4)
		for i := range 10 {
			Log(0, 6, 0, fmt.Appendf(nil, "line %d", i), nil)
		}
		Report([]byte("report\n"))
		return slices.Clone(contents())
	}
	record := headWords*4 + 3*(recWords*4+8) // of line 3
	report := reportBank * BankSize
	tests := map[string]struct {
		change  func(b []byte)
		outcome Outcome
		lines   int
		report  int
		damaged int
	}{
		"nothing":                   {func([]byte) {}, Kept, 10, 1, 0},
		"a letter":                  {func(b []byte) { b[record+recWords*4] ^= 1 }, Kept, 3, 1, 1},
		"a checksum":                {func(b []byte) { b[record+recSum*4] ^= 0x80 }, Kept, 3, 1, 1},
		"a time":                    {func(b []byte) { b[record+recTimeHigh*4] = 1 }, Kept, 3, 1, 1},
		"a length beyond the bank":  {func(b []byte) { b[record], b[record+1] = 0xff, 0xff }, Kept, 3, 1, 1},
		"a longer text":             {func(b []byte) { b[record]++ }, Kept, 3, 1, 1},
		"an end":                    {func(b []byte) { clear(b[record : record+4]) }, Kept, 3, 1, 0},
		"the log's header":          {func(b []byte) { b[headBoot*4]++ }, Kept, 0, 1, 0},
		"the log's magic number":    {func(b []byte) { b[0]++ }, Kept, 0, 1, 0},
		"both headers":              {func(b []byte) { b[headBoot*4]++; b[report+headSum*4]++ }, BadChecksum, 0, 0, 0},
		"both magic numbers":        {func(b []byte) { b[0]++; b[report]++ }, NoHeader, 0, 0, 0},
		"zeros":                     {func(b []byte) { clear(b) }, NoHeader, 0, 0, 0},
		"a bank at another's place": {func(b []byte) { copy(b[BankSize:], b[:BankSize]); clear(b[:4]); clear(b[report : report+4]) }, BadChecksum, 0, 0, 0},
		"a report of an earlier boot": {func(b []byte) {
			setHeader(b, reportBank, version, 1, 3)
		}, Kept, 10, 0, 0},
		"a log of an earlier boot": {func(b []byte) { setHeader(b, 0, version, 1, 3) }, Kept, 0, 1, 0},
		"another version":          {func(b []byte) { setHeader(b, 0, 2, 1, 4); clear(b[report : report+4]) }, OtherKernel, 0, 0, 0},
		"records of another epoch": {func(b []byte) { setHeader(b, 0, version, 2, 4) }, Kept, 0, 1, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := write()
			tc.change(b)
			r, log, report := lines(b)
			require.Equal(t, tc.outcome, r.Outcome)
			require.Len(t, log, tc.lines)
			require.Len(t, report, tc.report)
			require.Equal(t, tc.damaged, r.Damaged)
		})
	}
	require.Equal(t, NoHeader, func() Outcome { r := Open(write()[:Size-1]); return r.Outcome }(), "too short")
}

// setHeader writes a header with a checksum that is right.
func setHeader(b []byte, bank int, words ...uint32) {
	h := b[bank*BankSize:]
	s := newSum
	for i, w := range []uint32{words[0], uint32(bank), words[1], words[2]} {
		binary.LittleEndian.PutUint32(h[(headVersion+i)*4:], w)
		s = s.add(w)
	}
	binary.LittleEndian.PutUint32(h[headSum*4:], s.end())
}

// Whatever the range has, reading ends, and texts have their limit. The fuzzer's bytes change
// a range that was written, with checksums that are right for the headers.
func FuzzRead(f *testing.F) {
	f.Add([]byte{}, uint16(0))
	f.Add([]byte("\x05\x00\x01\x06"), uint16(headWords*4))
	f.Add(make([]byte, 300), uint16(40))
	fresh()
	Start(address(), 1)
	for i := range 3000 { // both banks, and room for records that reach the end
		Log(1, 6, 0, fmt.Appendf(nil, "line %d", i), nil)
		Report([]byte("report\n"))
	}
	whole := slices.Clone(contents())
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		b := slices.Clone(whole)
		r := rand.New(rand.NewPCG(uint64(at), uint64(len(data))))
		for i := range banks {
			copy(b[min(i*BankSize+int(at), Size):], data)
			if r.IntN(2) == 0 {
				setHeader(b, i, version, r.Uint32N(3), r.Uint32N(3))
			}
		}
		rd := Open(b)
		var rec Record
		total := 0
		for rd.Next(&rec) {
			require.LessOrEqual(t, len(rec.Text), MaxText)
			total += recWords*4 + len(rec.Text)
			require.LessOrEqual(t, total, Size)
		}
		require.False(t, rd.Next(&rec))
	})
}
