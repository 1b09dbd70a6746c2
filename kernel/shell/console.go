package shell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Prompt is what the shell asks with.
const Prompt = "muster> "

// Control keys. The line editor would end its input at control-C and control-D.
const (
	controlC = 3
	controlD = 4
)

// dropLine makes the line editor forget what was typed and ask anew: end of
// line, erase to its start, enter.
const dropLine = "\x05\x15\r"

// keyboard is the input of the line editor. While a command runs it looks out
// for control-C, and keeps everything else for the next line.
type keyboard struct {
	in     io.Reader
	mu     sync.Mutex
	more   *sync.Cond
	buf    []byte
	err    error
	cancel func() // of the command that runs, nil at the prompt
}

func newKeyboard(in io.Reader) *keyboard {
	k := &keyboard{in: in}
	k.more = sync.NewCond(&k.mu)
	go k.pump()
	return k
}

func (k *keyboard) pump() {
	p := make([]byte, 256)
	for {
		n, err := k.in.Read(p)
		k.mu.Lock()
		for _, b := range p[:n] {
			switch {
			case b == controlC && k.cancel != nil:
				k.cancel()
				k.buf = nil
			case b == controlC:
				k.buf = append(k.buf, dropLine...)
			case b == controlD:
			default:
				k.buf = append(k.buf, b)
			}
		}
		k.err = err
		k.more.Broadcast()
		k.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Read is for the line editor.
func (k *keyboard) Read(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.buf) == 0 && k.err == nil {
		k.more.Wait()
	}
	n := copy(p, k.buf)
	k.buf = k.buf[n:]
	if n == 0 {
		return 0, k.err
	}
	return n, nil
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

// Serve reads lines from a terminal and runs them until the input ends.
func (s *Shell) Serve(in io.Reader) error {
	k := newKeyboard(in)
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, plainNewlines{s.out}}, Prompt)
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		return s.tab(t, line, pos)
	}
	for {
		line, err := t.ReadLine()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		k.running(cancel)
		s.Run(ctx, line)
		k.running(nil)
		cancel()
	}
}

// tab completes the word before the cursor: as far as all candidates agree, or
// to the only one and a space. When it cannot go on it lists them.
func (s *Shell) tab(out io.Writer, line string, pos int) (string, int, bool) {
	head, rest := line[:pos], line[pos:]
	candidates := s.Complete(head)
	if len(candidates) == 0 {
		return "", 0, false
	}
	last := head[strings.LastIndex(head, " ")+1:]
	to := common(candidates)
	if len(candidates) == 1 {
		to += " "
	}
	if to == last {
		fmt.Fprintln(out, strings.Join(candidates, "  "))
	}
	head = head[:len(head)-len(last)] + to
	return head + rest, len(head), true
}

// common returns the longest prefix of all words.
func common(words []string) string {
	p := words[0]
	for _, w := range words {
		for !strings.HasPrefix(w, p) {
			p = p[:len(p)-1]
		}
	}
	return p
}

// RunAll runs commands one after the other, each announced like a typed line,
// and returns 0 if all went well, else 1.
func (s *Shell) RunAll(lines []string) (status int) {
	for _, line := range lines {
		fmt.Fprintf(s.out, "%s%s\n", Prompt, line)
		if s.Run(context.Background(), line) != nil {
			status = 1
		}
	}
	return status
}
