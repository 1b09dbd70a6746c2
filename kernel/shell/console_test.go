package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// terminal is a keyboard and a screen for Serve.
type terminal struct {
	io.Reader
	mu   sync.Mutex
	more sync.Cond // its Locker is mu; there is more on the screen
	out  bytes.Buffer
}

func (x *terminal) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.more.Broadcast()
	return x.out.Write(p)
}

// shows requires a text on the screen, after the last one that was required.
func (x *terminal) shows(t *testing.T, text string) {
	t.Helper()
	require.True(t, x.saw(text, patience.For(10*time.Second)), "the screen does not show %q", text)
}

// saw waits for a text, and drops the screen up to its end.
func (x *terminal) saw(text string, wait time.Duration) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.more.L = &x.mu
	late := false
	defer time.AfterFunc(wait, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		late = true
		x.more.Broadcast()
	}).Stop()
	for {
		if i := bytes.Index(x.out.Bytes(), []byte(text)); i >= 0 {
			x.out.Next(i + len(text))
			return true
		}
		if late {
			return false
		}
		x.more.Wait()
	}
}

// serve starts a shell that reads what is written to w. Its command sleep waits for
// control-C.
func serve(t *testing.T) (s *Shell, w *io.PipeWriter, x *terminal) {
	t.Helper()
	return serveDecoded(t, (*keys).add)
}

// serveDecoded is serve with the decoder of keys given.
func serveDecoded(t *testing.T, decode func(*keys, byte) []byte) (s *Shell, w *io.PipeWriter, x *terminal) {
	t.Helper()
	in, w := io.Pipe()
	x = &terminal{Reader: in}
	s = New(&fake{}, x)
	s.commands = append(s.commands, command{name: "sleep", run: func(ctx context.Context, s *Shell, a args) error {
		io.WriteString(s.out, "sleeping\n")
		<-ctx.Done()
		return errInterrupted
	}}, command{name: "say", usage: "TEXT", run: func(_ context.Context, s *Shell, a args) error {
		io.WriteString(s.out, "said "+a.first()+".\n")
		return nil
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	k := newKeyboard(ctx, in, x)
	k.decode = decode
	go func() { s.serve(ctx, k); close(done) }()
	t.Cleanup(func() {
		cancel()
		in.Close()
		<-done
	})
	x.shows(t, Prompt)
	return s, w, x
}

func TestServe(t *testing.T) {
	_, keys, x := serve(t)
	io.WriteString(keys, "upt\t\r")
	x.shows(t, "up 1.5s")
	io.WriteString(keys, "half a line\x03\x04upttime\x7f\r") // dropped; control-D does nothing
	x.shows(t, "upttim: unknown command")
	io.WriteString(keys, "sleep; say no\r")
	x.shows(t, "sleeping")
	io.WriteString(keys, "\x03")
	x.shows(t, "sleep: interrupted")
	x.shows(t, "interrupted, not run: say no")
	io.WriteString(keys, "say 'a;b'; say c\r")
	x.shows(t, "said a;b.\nsaid c.")
	io.WriteString(keys, "\x1b[A\x1b[A\r") // the line before: sleep
	x.shows(t, "sleeping")
	io.WriteString(keys, "\x03")
	x.shows(t, "sleep: interrupted")
}

// A read that fails ends nothing: a line that is typed later is run.
func TestServeAfterReadErrors(t *testing.T) {
	in, keys := io.Pipe()
	x := &terminal{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { New(&fake{}, x).Serve(ctx, &flaky{Reader: in}); close(done) }()
	x.shows(t, "shell: the keyboard cannot be read: unplugged; the shell tries again\n")
	for i := range 3 {
		io.WriteString(keys, "nosuch"+strconv.Itoa(i)+"\r")
		x.shows(t, "nosuch"+strconv.Itoa(i)+": unknown command")
	}
	cancel()
	<-done
}

// flaky is a reader whose every second read fails, by an error, by the end of the
// input, or by returning nothing.
type flaky struct {
	io.Reader
	n int
}

func (f *flaky) Read(p []byte) (int, error) {
	f.n++
	switch f.n % 6 {
	case 1:
		return 0, errors.New("unplugged")
	case 3:
		return 0, io.EOF
	case 5:
		return 0, nil
	}
	return f.Reader.Read(p)
}

// Inputs that have ended or stopped the shell in the past: each with Enter after
// it, and then a command that must be answered.
var nasty = []string{
	"\x1b[200~", "\x1b[200~x\ty", "\x1b[200~\x1b", "\x1b[201~", "\x04", "\x03", "\x04\x04", "\x00", "\x1b", "\x1b\x1b", "\x1b[", "\x1bO", "\x1b]0;title",
	"\x1b[" + strings.Repeat("1;", 300), "\x1bP" + strings.Repeat("x", 5000), "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xed\xa0\x80", "\xef\xbf\xbd", "\u009b2J", "\x80\xbf",
	strings.Repeat("x", 10000), strings.Repeat("ä", 5000), "\x0c", "\x14", "a\x14\x14", "\t", "cpus \t\t", "\"", "'", "\\", ";", ";;", "\"\x1b[A", "\x10\x0e\x10",
}

func TestServeNastyInput(t *testing.T) {
	_, keys, x := serve(t)
	for i, bytes := range nasty {
		answers(t, keys, x, bytes, i)
	}
}

// answers types bytes and Enter, then a command, and requires the command's answer.
func answers(t *testing.T, keys io.Writer, x *terminal, bytes string, i int) {
	t.Helper()
	require.True(t, answered(keys, x, bytes, i, patience.For(10*time.Second)), "no answer after %q", bytes)
}

func answered(keys io.Writer, x *terminal, bytes string, i int, wait time.Duration) bool {
	go func() { // a reader that takes nothing more blocks the writer
		io.WriteString(keys, bytes+"\r")
		io.WriteString(keys, "say it"+strconv.Itoa(i)+"\r")
	}()
	return x.saw("said it"+strconv.Itoa(i)+".\n", wait)
}

// The negative control: the editor gets the bytes without the decoder, and some
// inputs keep it from answering.
func TestRawInputStops(t *testing.T) {
	raw := func(_ *keys, b byte) []byte { return []byte{b} }
	for _, bytes := range []string{"\x1b[200~\x1b", "\x1b"} {
		t.Run(strconv.Quote(bytes), func(t *testing.T) {
			_, keys, x := serveDecoded(t, raw)
			require.False(t, answered(keys, x, bytes, 0, patience.For(300*time.Millisecond)))
		})
	}
}

// Random bytes of the kinds that have caused errors; a wrong decoder fails within a
// few hundred.
func TestServeRandomInput(t *testing.T) {
	const lines = 3000
	r := rand.New(rand.NewPCG(1, 2))
	_, keys, x := serve(t)
	for i := range lines {
		answers(t, keys, x, noise(r), i)
	}
}

func noise(r *rand.Rand) string {
	pieces := []string{"\x1b", "[", "200~", "201~", "O", "A", "1;5C", "\t", "\r", "\n", "\x03", "\x04", "\x7f", "\x15", "\"", "'", ";", "\\", "cp", " -", "ü"}
	var b strings.Builder
	for range r.IntN(12) {
		if r.IntN(3) == 0 {
			b.WriteByte(byte(r.IntN(256)))
		} else {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
	}
	// sleep, poweroff and reboot cannot result from twelve of these pieces.
	return b.String()
}

func FuzzServe(f *testing.F) {
	for _, n := range nasty {
		f.Add([]byte(n))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("sleep")) {
			return
		}
		_, keys, x := serve(t)
		answers(t, keys, x, string(b), 0)
	})
}

func TestHistory(t *testing.T) {
	h := new(history)
	for i := range maxHistory + 5 {
		h.Add(strconv.Itoa(i))
		h.Add(strconv.Itoa(i))
		h.Add(" ")
	}
	require.Equal(t, maxHistory, h.Len())
	require.Equal(t, strconv.Itoa(maxHistory+4), h.At(0))
	require.Equal(t, "5", h.At(maxHistory-1))
}
