package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/ktest"
)

// allOnline is the fake machine with both CPUs running.
type allOnline struct{ fake }

func (allOnline) CPUs() []CPU { return []CPU{{State: "online"}, {CPU: 1, State: "online"}} }

// screened is a shell that begins with a status screen.
type screened struct {
	x       *terminal
	all     terminal // keeps what x has shown
	keys    *io.PipeWriter
	plug    chan struct{}
	results chan error
}

func withStatus(t *testing.T, sys System, change func(*Status), tests ...ktest.Test) *screened {
	in, keys := io.Pipe()
	v := &screened{x: &terminal{Reader: in}, keys: keys, plug: make(chan struct{}), results: make(chan error, 1)}
	st := Status{Keyboard: v.plug, Cols: 80, Rows: 25, Tests: tests, Limit: 10 * time.Second, Greeting: "hello\n", Report: func(err error) { v.results <- err }}
	if change != nil {
		change(&st)
	}
	s := New(sys, io.MultiWriter(&v.all, v.x))
	s.interval = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.ServeStatus(ctx, in, st); close(done) }()
	t.Cleanup(func() {
		cancel()
		in.Close()
		<-done
	})
	return v
}

func passes(context.Context) error { return nil }

// The status screen gives way to a keyboard, or to a key, which has no other effect.
func TestStatusEnds(t *testing.T) {
	v := withStatus(t, &allOnline{}, nil, ktest.Test{Name: "one", Run: passes})
	require.NoError(t, <-v.results)
	v.x.shows(t, "PASS: all CPUs sorted")
	close(v.plug)
	v.x.shows(t, "hello\n"+Prompt)

	v = withStatus(t, &allOnline{}, func(st *Status) { st.Keyboard = nil }, ktest.Test{Name: "one", Run: passes})
	v.x.shows(t, "PASS: all CPUs sorted")
	io.WriteString(v.keys, "x\x03")
	v.x.shows(t, "hello\n"+Prompt)
	io.WriteString(v.keys, "uptime\r")
	v.x.shows(t, "uptime")
	v.x.shows(t, "up 1.5s")
}

// A keyboard that is found in time has the prompt at once.
func TestNoStatus(t *testing.T) {
	v := withStatus(t, &allOnline{}, func(st *Status) { st.Wait = time.Hour })
	close(v.plug)
	v.x.shows(t, "hello\n"+Prompt)
	v.all.mu.Lock()
	defer v.all.mu.Unlock()
	require.NotContains(t, v.all.out.String(), "CPUs: ")
}

// The ways to fail, and the first line of the reason.
func TestStatusFails(t *testing.T) {
	wrong := ktest.Test{Name: "wrong", Run: func(context.Context) error { return errors.New("a number\nand a stack") }}
	hangs := ktest.Test{Name: "hangs", Run: func(context.Context) error { select {} }}
	panics := ktest.Test{Name: "panics", Run: func(context.Context) error { panic("ouch") }}
	for reason, v := range map[string]*screened{
		"wrong: a number":               withStatus(t, &allOnline{}, nil, wrong),
		"hangs: no end within 1ms":      withStatus(t, &allOnline{}, func(st *Status) { st.Limit = time.Millisecond }, hangs),
		"panics: panic: ouch":           withStatus(t, &allOnline{}, nil, panics),
		"1 of 2 CPUs are not online: 1": withStatus(t, &fake{}, nil),
	} {
		err := <-v.results
		require.Error(t, err)
		require.True(t, strings.HasPrefix(err.Error(), reason), "%v", err)
		v.x.shows(t, "\n"+red+"FAIL: "+reason+plain)
	}
}

func TestBanner(t *testing.T) {
	text, lines := banner("L", "<", 1)
	require.Equal(t, lines, strings.Count(text, "\n"))
	require.Equal(t, strings.Repeat("< ██"+plain+"\n", lines-1)+"< ██████"+plain+"\n", strings.ReplaceAll(text, "<"+plain, "<"))
	double, twice := banner("L", "<", 2)
	require.Equal(t, 2*lines, twice)
	require.Contains(t, double, "<  ████"+plain+"\n")
}

// A view with the largest banner fits the screen.
func TestStatusFits(t *testing.T) {
	for _, room := range []size{{80, 24}, {160, 49}} {
		var out bytes.Buffer
		s := New(&allOnline{}, &out)
		s.interval = time.Millisecond
		d := &demonstration{room: room}
		d.judge(errors.New(strings.Repeat("long ", 100)))
		s.watch(t.Context(), room, 1, d.below)
		require.LessOrEqual(t, strings.Count(out.String(), "\n"), room.rows)
		require.Contains(t, strings.ReplaceAll(out.String(), "\x1b[K", ""), "\n"+hint)
	}
}
