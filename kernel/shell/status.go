package shell

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"muster/kernel/ktest"
)

// Status says how ServeStatus begins.
type Status struct {
	Keyboard   <-chan struct{} // is closed when there is a keyboard; nil: only a key ends the status screen
	Wait       time.Duration   // how long to wait for a keyboard before the status screen
	Cols, Rows int             // of the screen
	Tests      []ktest.Test    // the demonstration
	Limit      time.Duration   // of each test
	Report     func(failure error)
	Greeting   string // before the first prompt
}

// ServeStatus is Serve after a status screen, unless a keyboard is found at once. The status
// screen is the view of top and a demonstration that needs no keyboard. It ends when a
// keyboard is there, or any key is pressed.
func (s *Shell) ServeStatus(ctx context.Context, in io.Reader, st Status) {
	k := newKeyboard(ctx, in, s.out)
	k.start(ctx)
	show, end := context.WithCancel(ctx)
	k.atAnyKey(end)
	go func() {
		select {
		case <-st.Keyboard:
			end()
		case <-show.Done():
		}
	}()
	select {
	case <-show.Done():
	case <-time.After(st.Wait):
		s.status(show, st)
		fmt.Fprint(s.out, "\x1b[2J\x1b[H")
	}
	end()
	k.atAnyKey(nil)
	fmt.Fprint(s.out, st.Greeting)
	s.serve(ctx, k)
}

// status shows the status screen until ctx is done.
func (s *Shell) status(ctx context.Context, st Status) {
	room := size{st.Cols, st.Rows - 1} // the cursor stays in the last row
	d := &demonstration{room: room}
	go func() {
		d.set("\nthe demonstration begins when the tests of another session have ended\n", 2)
		if !s.shared.wait(ctx) {
			return
		}
		defer s.shared.end()
		err := d.run(ctx, s.sys.CPUs(), st)
		if ctx.Err() == nil {
			d.judge(err)
			st.Report(err)
		}
	}()
	s.watch(ctx, room, 0, d.below)
}

// demonstration is what the status screen shows under the view.
type demonstration struct {
	room size

	mu    sync.Mutex
	text  string
	lines int
}

func (d *demonstration) set(text string, lines int) {
	d.mu.Lock()
	d.text, d.lines = text, lines
	d.mu.Unlock()
}

func (d *demonstration) below() (text string, lines int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text, d.lines
}

// run fails if a CPU is not online, or a test fails or does not end.
func (d *demonstration) run(ctx context.Context, cpus []CPU, st Status) error {
	var missing []string
	for _, c := range cpus {
		if c.State != "online" {
			missing = append(missing, fmt.Sprint(c.CPU))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d of %d CPUs are not online: %s", len(missing), len(cpus), strings.Join(missing, ", "))
	}
	for i, t := range st.Tests {
		d.set(fmt.Sprintf("\ndemonstration on %d CPUs: %s, %d of %d\n", len(cpus), t.Name, i+1, len(st.Tests)), 2)
		result := make(chan ktest.Result, 1) // the test may end after the limit
		go func() { result <- ktest.Run(ctx, io.Discard, []ktest.Test{t})[0] }()
		select {
		case r := <-result:
			if !r.OK {
				reason, _, _ := strings.Cut(r.Error, "\n") // a panic's stack follows
				return fmt.Errorf("%s: %s", t.Name, reason)
			}
		case <-time.After(st.Limit):
			return fmt.Errorf("%s: no end within %v", t.Name, st.Limit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// roomForTwo is a size at which a pixel of the banner can be larger.
var roomForTwo = size{100, 45}

const hint = "a key, or a keyboard that is plugged in, brings the prompt\n"

// judge shows the result.
func (d *demonstration) judge(failure error) {
	word, color, reason := "PASS", green, "all CPUs sorted numbers, collected garbage and passed values to and fro"
	if failure != nil {
		word, color = "FAIL", red
		reason = strings.Map(printable, failure.Error())
	}
	zoom := 1
	if d.room.cols >= roomForTwo.cols && d.room.rows >= roomForTwo.rows {
		zoom = 2
	}
	reason = word + ": " + reason
	if runes := []rune(reason); len(runes) >= d.room.cols {
		reason = string(runes[:d.room.cols-1])
	}
	text, lines := banner(word, color, zoom)
	result := text + color + reason + plain + "\n"
	if zoom == 1 { // each line more costs the view one of CPUs
		d.set(hint+result, lines+2)
		return
	}
	d.set("\n"+result+hint, lines+3)
}
