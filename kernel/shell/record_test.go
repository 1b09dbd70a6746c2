package shell

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/trace"
)

// recording is a machine whose first CPU records while the recorder looks. Its ring has
// two places.
type recording struct {
	*fake
	mu sync.Mutex
}

func (r *recording) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ring := &r.events[0]
	if len(*ring) > 0 {
		e.Seq = (*ring)[0].Seq + 1
	}
	*ring = append([]Event{e}, *ring...)
	*ring = (*ring)[:min(len(*ring), 2)]
}

func (r *recording) Trace(cpu int, from uint64) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.fake.Trace(cpu, from))
}

// A recording has the events between its start and its end, of all kinds, and as many as
// the CPU has overwritten are counted as lost.
func TestRecorder(t *testing.T) {
	m := &recording{fake: &fake{kinds: 7}}
	m.add(Event{TimeNS: 1, Event: "mark"})
	r := startRecorder(m)
	require.EqualValues(t, trace.All, m.kinds)
	close(r.stop) // the test collects
	<-r.done
	m.add(Event{TimeNS: 20, Event: "wake"})
	m.add(Event{TimeNS: 10, Event: "switch"}) // an NMI's clock
	r.collect()
	require.Empty(t, r.note())
	for i := range 5 {
		m.add(Event{TimeNS: int64(30 + i), Event: "mark"})
	}
	r.stop = make(chan struct{})
	var times []int64
	for _, e := range r.end() {
		times = append(times, e.TimeNS)
	}
	require.Equal(t, []int64{10, 20, 33, 34}, times)
	require.Equal(t, "3 events were lost: the CPUs were faster than the recorder", r.note())
	require.EqualValues(t, 7, m.kinds)
}

// A recording ends when it has as many events as memory is meant for.
func TestRecorderIsBounded(t *testing.T) {
	m := &fake{}
	for i := range uint64(maxRecorded + 10) {
		m.events[1] = append(m.events[1], Event{CPU: 1, Seq: maxRecorded + 9 - i, Event: "mark"})
	}
	m.kinds = trace.All
	r := &recorder{sys: m, kinds: 7, next: make([]uint64, 2), lost: make([]uint64, 2)}
	r.collect()
	require.EqualValues(t, 7, m.kinds, "what follows is not recorded for it")
	require.True(t, r.full)
	require.Len(t, r.events, maxRecorded)
	require.Contains(t, r.note(), "ended after 100000 events")
}

// Each CPU has a row: spans of the threads that ran there, one after the other, and
// instants for what happened.
func TestTimeline(t *testing.T) {
	var out bytes.Buffer
	list := []Event{
		{TimeNS: 1000, CPU: 0, Thread: 2, Event: "wake", A: 5, B: 1},
		{TimeNS: 2000, CPU: 1, Thread: 9, Event: "switch", A: 5, B: 9},
		{TimeNS: 3500, CPU: 0, Thread: 3, Event: "switch", A: 3, B: 2},
		{TimeNS: 4000, CPU: 1, Thread: 5, Event: "syscall", A: 39, B: 4},
		{TimeNS: 6000, CPU: 1, Thread: 9, Event: "switch", A: 9, B: 5},
	}
	require.NoError(t, writeTimeline(t.Context(), &out, list, []Thread{{ID: 5, Name: "bomb"}}))
	var got Timeline
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	type span struct {
		name     string
		cpu      int
		from, to float64
	}
	var spans []span
	var instants []any
	for _, e := range got.Events {
		switch e.Kind {
		case "X":
			require.NotNil(t, e.Span, "also of a span of no length, or Perfetto does not take it")
			spans = append(spans, span{e.Name, e.TID, e.Time, e.Time + *e.Span})
		case "i":
			instants = append(instants, e.Args["what"])
		}
	}
	require.Equal(t, []span{{"thread 2", 0, 1, 3.5}, {"bomb 5", 1, 2, 6}, {"thread 3", 0, 3.5, 6}, {"thread 9", 1, 6, 6}}, spans)
	require.Equal(t, []any{"thread 5 put on the queue of cpu 1", "getpid = 0x4"}, instants)
}

// Control-C ends the output, which may take minutes on a serial line.
func TestTimelineIsInterrupted(t *testing.T) {
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := writeTimeline(ctx, &out, []Event{{Event: "mark"}}, nil)
	require.ErrorIs(t, err, errInterrupted)
	require.NotContains(t, out.String(), "mark")
}

// The words of the command: each needs the other, and no options.
func TestRecordWords(t *testing.T) {
	for line, want := range map[string]string{
		"trace stop":                           "no events are being recorded",
		"trace start; trace start; trace stop": "events are being recorded",
		"trace start -cpu 1":                   "usage",
		"trace start now":                      "usage",
		"trace -json stop":                     "usage",
	} {
		out, err := runOn(traced(), line)
		require.Error(t, err, line)
		require.Contains(t, out, want, line)
	}
	out, err := runOn(traced(), "trace start; trace stop")
	require.NoError(t, err)
	require.JSONEq(t, `{"traceEvents":[]}`, out)
}
