package shell

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"muster/kernel/trace"
)

// TimelineEvent is one event of the Trace Event Format, which Perfetto and Chrome's
// about:tracing read: "X" is a span, "i" an instant, "M" a name. Times are microseconds.
type TimelineEvent struct {
	Name  string         `json:"name"`
	Kind  string         `json:"ph"`
	Time  float64        `json:"ts"`
	Span  *float64       `json:"dur,omitempty"` // of a span, even if it is 0: without it, Perfetto reports an error
	PID   int            `json:"pid"`
	TID   int            `json:"tid"` // the CPU
	Scope string         `json:"s,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// Timeline is a file of that format.
type Timeline struct {
	Events []TimelineEvent `json:"traceEvents"`
}

// writeTimeline writes events, in the order of time, as a Timeline: a row for each CPU,
// with a span for each thread that ran there and instants for the other events. It writes
// a line for each event, so that the console never waits for a long one. On a serial line
// they may take minutes, so a cancelled ctx ends it between two lines.
func writeTimeline(ctx context.Context, out io.Writer, list []Event, threads []Thread) error {
	names := map[uint32]string{}
	for _, t := range threads {
		names[uint32(t.ID)] = t.Name
	}
	fmt.Fprint(out, `{"traceEvents":[`)
	between := "\n"
	for _, e := range timeline(list, names) {
		if ctx.Err() != nil {
			fmt.Fprintln(out)
			return errInterrupted
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s%s", between, text); err != nil {
			return err
		}
		between = ",\n"
	}
	_, err := fmt.Fprint(out, "\n]}\n")
	return err
}

// timeline turns events into those of a Timeline.
func timeline(list []Event, names map[uint32]string) (out []TimelineEvent) {
	running := map[int]int{} // by CPU: index of its open span
	end := func(cpu int, ns int64) {
		if i, ok := running[cpu]; ok {
			span := micro(ns) - out[i].Time
			out[i].Span = &span
		}
	}
	begin := func(cpu int, ns int64, thread uint32) {
		running[cpu] = len(out)
		out = append(out, TimelineEvent{Name: threadName(thread, names), Kind: "X", Time: micro(ns), TID: cpu, Args: map[string]any{"thread": thread}})
	}
	for _, e := range list {
		if _, ok := running[e.CPU]; !ok {
			out = append(out, TimelineEvent{Name: "thread_name", Kind: "M", TID: e.CPU, Args: map[string]any{"name": fmt.Sprintf("cpu %d", e.CPU)}})
			if e.Event != trace.Switch.String() {
				begin(e.CPU, e.TimeNS, e.Thread)
			}
		}
		if e.Event == trace.Switch.String() {
			end(e.CPU, e.TimeNS)
			begin(e.CPU, e.TimeNS, uint32(e.A))
			continue
		}
		out = append(out, TimelineEvent{Name: e.Event, Kind: "i", Time: micro(e.TimeNS), TID: e.CPU, Scope: "t", Args: map[string]any{"what": eventText(e), "thread": e.Thread}})
	}
	if len(list) > 0 {
		for cpu := range running {
			end(cpu, list[len(list)-1].TimeNS)
		}
	}
	return out
}

func micro(ns int64) float64 { return float64(ns) / 1000 }

func threadName(id uint32, names map[uint32]string) string {
	if name := names[id]; name != "" {
		return fmt.Sprintf("%s %d", name, id)
	}
	return fmt.Sprintf("thread %d", id)
}
