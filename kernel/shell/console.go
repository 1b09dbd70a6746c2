package shell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Prompt is the text at the start of the input line.
const Prompt = "muster> "

// controlC ends the command that runs, or drops the line that is being typed.
const controlC = 3

// dropLine makes the line editor forget the typed line and print the prompt again:
// end of line, erase to its start, enter.
const dropLine = "\x05\x15\r"

// keyboard is the input of the line editor. While a command runs it watches for
// control-C, and keeps all other keys for the next line.
type keyboard struct {
	in     io.Reader
	out    io.Writer
	retry  time.Duration // the pause before a read that follows a failed one
	mu     sync.Mutex
	more   *sync.Cond
	keys   keys
	decode func(k *keys, b byte) []byte // reads one byte: the key that it completes
	buf    []byte
	closed bool
	cancel func() // of the command that runs, nil at the prompt
	anyKey func() // is called for each key, which has no other effect; nil for none
	pumped sync.Once
}

// Pauses after a read that failed.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 10 * time.Second
)

// newKeyboard reads from in until ctx is done, and reports on out when that fails.
func newKeyboard(ctx context.Context, in io.Reader, out io.Writer) *keyboard {
	k := &keyboard{in: in, out: out, retry: retryFirst, decode: (*keys).add}
	k.more = sync.NewCond(&k.mu)
	context.AfterFunc(ctx, func() {
		k.mu.Lock()
		k.closed = true
		k.more.Broadcast()
		k.mu.Unlock()
	})
	return k
}

// start makes a goroutine pump.
func (k *keyboard) start(ctx context.Context) { k.pumped.Do(func() { go k.pump(ctx) }) }

// pump reads keys for as long as the machine runs. A read that fails is tried again
// after a pause, and the pauses become longer: a keyboard may come back, and
// without it the shell could not be used any more.
func (k *keyboard) pump(ctx context.Context) {
	p := make([]byte, 256)
	for ctx.Err() == nil {
		n, err := k.in.Read(p)
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		k.mu.Lock()
		for _, b := range p[:n] {
			k.key(b)
		}
		k.more.Broadcast()
		k.mu.Unlock()
		switch {
		case err != nil:
			k.failed(ctx, err)
		case n > 0:
			k.retry = retryFirst
		}
	}
}

// failed waits, and reports the first failure in a row.
func (k *keyboard) failed(ctx context.Context, err error) {
	if k.retry == retryFirst {
		fmt.Fprintf(k.out, "shell: the keyboard cannot be read: %v; the shell tries again\n", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(k.retry):
	}
	k.retry = min(2*k.retry, retryLast)
}

// key takes one byte.
//
// Locks: k.mu held; not asserted: a sync.Mutex does not record its holder.
func (k *keyboard) key(b byte) {
	switch {
	case k.anyKey != nil:
		k.anyKey()
	case b == controlC && k.cancel != nil:
		k.cancel()
		k.keys.reset()
		k.buf = nil
	case b == controlC:
		k.keys.reset()
		k.buf = append(k.buf, dropLine...)
	case len(k.buf) < maxAhead:
		k.buf = append(k.buf, k.decode(&k.keys, b)...)
	}
}

// maxAhead is the number of keys that may be typed while a command runs. Further
// keys are lost.
const maxAhead = 64 << 10

// Read is for the line editor. It returns whole keys, and no error until the end:
// on an error the editor would return, and the line would be lost.
func (k *keyboard) Read(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.buf) == 0 {
		if k.closed {
			return 0, io.EOF
		}
		k.more.Wait()
	}
	n := copy(p, k.buf)
	k.buf = k.buf[n:]
	return n, nil
}

// atAnyKey makes keys call a function, which must not block.
func (k *keyboard) atAnyKey(f func()) {
	k.mu.Lock()
	k.anyKey = f
	k.mu.Unlock()
}

func (k *keyboard) running(cancel func()) {
	k.mu.Lock()
	k.cancel = cancel
	k.mu.Unlock()
}

// plainNewlines undoes the editor's carriage returns: the console adds its own.
type plainNewlines struct{ io.Writer }

func (w plainNewlines) Write(p []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// maxLine is the longest line that the editor takes; it drops further characters.
const maxLine = 4096

// Serve reads lines from a terminal and runs them until ctx is done. Neither typed
// bytes nor failed reads end it.
func (s *Shell) Serve(ctx context.Context, in io.Reader) {
	s.serve(ctx, newKeyboard(ctx, in, s.out))
}

func (s *Shell) serve(ctx context.Context, k *keyboard) {
	k.start(ctx)
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, plainNewlines{s.out}}, Prompt)
	t.History = new(history)
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		return s.tab(t, line, pos)
	}
	for ctx.Err() == nil {
		line, err := t.ReadLine()
		if err != nil { // ctx is done; on any other error the shell reads the next line
			continue
		}
		if utf8.RuneCountInString(line) >= maxLine {
			fmt.Fprintf(s.out, "the line has %d characters or more, and was not run\n", maxLine)
			continue
		}
		s.runTyped(ctx, k, line)
	}
}

// runTyped runs a line that control-C can interrupt.
func (s *Shell) runTyped(ctx context.Context, k *keyboard, line string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k.running(cancel)
	defer k.running(nil)
	s.Run(ctx, line)
}

// history is the lines for the arrow keys: no empty line, and no line twice in a
// row.
type history struct{ lines []string }

// maxHistory bounds the lines that are kept.
const maxHistory = 100

func (h *history) Add(line string) {
	n := len(h.lines)
	if strings.TrimSpace(line) == "" || n > 0 && h.lines[n-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if len(h.lines) > maxHistory {
		h.lines = slices.Delete(h.lines, 0, 1)
	}
}

func (h *history) Len() int { return len(h.lines) }

func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }

// RunAll runs commands one after the other, and prints each like a typed line
// before it runs. It returns 0 if all succeeded, else 1.
func (s *Shell) RunAll(lines []string) (status int) {
	for _, line := range lines {
		fmt.Fprintf(s.out, "%s%s\n", Prompt, line)
		if s.Run(context.Background(), line) != nil {
			status = 1
		}
	}
	return status
}
