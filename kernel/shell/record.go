package shell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/kernel/trace"
)

// recorder collects the events of all CPUs while the machine runs: their rings keep the
// last ones only.
type recorder struct {
	sys    System
	kinds  uint32   // that were recorded before
	next   []uint64 // by CPU: number of the first event that is not collected
	lost   []uint64 // by CPU: events that the CPU overwrote before they were collected
	events []Event
	full   bool
	stop   chan struct{}
	done   chan struct{}
}

const (
	maxRecorded  = 100_000          // events, about 10 MB
	recordPeriod = time.Millisecond // a CPU records far fewer events meanwhile than its ring has
)

// startRecorder begins to record events of all kinds, system calls too.
func startRecorder(sys System) *recorder {
	r := &recorder{sys: sys, stop: make(chan struct{}), done: make(chan struct{})}
	n := len(sys.CPUs())
	r.next, r.lost = make([]uint64, n), make([]uint64, n)
	for cpu := range r.next {
		if list := sys.Trace(cpu, 0); len(list) > 0 {
			r.next[cpu] = list[0].Seq + 1
		}
	}
	r.kinds = sys.TraceKinds(trace.All)
	go r.run()
	return r
}

func (r *recorder) run() {
	defer close(r.done)
	tick := time.NewTicker(recordPeriod)
	defer tick.Stop()
	for !r.full {
		select {
		case <-r.stop:
			return
		case <-tick.C:
			r.collect()
		}
	}
}

// collect takes what the CPUs have recorded since it last did.
func (r *recorder) collect() {
	for cpu, next := range r.next {
		list := r.sys.Trace(cpu, next)
		if len(list) == 0 {
			continue
		}
		slices.SortFunc(list, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
		r.lost[cpu] += list[len(list)-1].Seq + 1 - next - uint64(len(list))
		r.next[cpu] = list[len(list)-1].Seq + 1
		if room := maxRecorded - len(r.events); len(list) >= room {
			list, r.full = list[:room], true
			r.sys.TraceKinds(r.kinds)
		}
		r.events = append(r.events, list...)
	}
}

// end stops the recording and returns the events in the order of time.
func (r *recorder) end() []Event {
	close(r.stop)
	<-r.done
	if !r.full {
		r.sys.TraceKinds(r.kinds)
		r.collect()
	}
	slices.SortStableFunc(r.events, func(a, b Event) int { return cmp.Compare(a.TimeNS, b.TimeNS) })
	return r.events
}

// note says what the recording does not have, "" if it has everything.
func (r *recorder) note() string {
	lost := uint64(0)
	for _, n := range r.lost {
		lost += n
	}
	switch {
	case r.full:
		return fmt.Sprintf("the recording ended after %d events, %d were lost", maxRecorded, lost)
	case lost > 0:
		return fmt.Sprintf("%d events were lost: the CPUs were faster than the recorder", lost)
	}
	return ""
}

// recordEvents is trace start and trace stop.
func recordEvents(ctx context.Context, s *Shell, word string) error {
	r, err := s.shared.record(s.sys, word)
	if r == nil {
		return err
	}
	list := r.end()
	if note := r.note(); note != "" {
		fmt.Fprintln(s.out, "trace:", note)
	}
	return writeTimeline(ctx, s.out, list, s.sys.Threads())
}

// record begins the recording, or takes the one that runs.
func (c *shared) record(sys System, word string) (ended *recorder, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case word == "start" && c.recorder != nil:
		return nil, errors.New("events are being recorded: trace stop ends that")
	case word == "stop" && c.recorder == nil:
		return nil, errors.New("no events are being recorded: trace start begins that")
	case word == "start":
		c.recorder = startRecorder(sys)
		return nil, nil
	}
	ended, c.recorder = c.recorder, nil
	return ended, nil
}
