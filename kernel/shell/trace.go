package shell

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"muster/kernel/near"
	"muster/kernel/trace"
	"muster/kernel/vector"
	"muster/trampoline"
)

// traceFilter selects the events that the command trace shows.
type traceFilter struct {
	n      int
	cpus   []int
	kinds  []string // nil for all
	thread int      // -1 for all
}

// eventsShown is the number of events that trace shows by default.
const eventsShown = 32

// parseTrace reads the arguments of the command trace.
func parseTrace(s *Shell, a args) (f traceFilter, err error) {
	f = traceFilter{n: eventsShown, thread: -1}
	number := func(what, text string, to *int) {
		n, bad := strconv.ParseUint(text, 10, 31)
		if bad != nil && err == nil {
			err = fmt.Errorf("%q is not a %s", text, what)
		}
		*to = int(n)
	}
	if len(a.list) == 1 {
		number("number of events", a.first(), &f.n)
	}
	if a.flag("-thread") {
		number("thread number", a.options["-thread"], &f.thread)
	}
	all := len(s.sys.CPUs())
	for i := range all {
		f.cpus = append(f.cpus, i)
	}
	if a.flag("-cpu") {
		one := 0
		number("CPU number", a.options["-cpu"], &one)
		if one >= all && err == nil {
			err = fmt.Errorf("there is no CPU %d", one)
		}
		f.cpus = []int{one}
	}
	if a.flag("-kind") {
		for word := range strings.SplitSeq(a.options["-kind"], ",") {
			kind, ok := near.Match(word, kindNames(s))
			if !ok && err == nil {
				err = fmt.Errorf("no kind %q%s; the kinds are %s", word, near.Suggest(word, kindNames(s)), strings.Join(kindNames(s), ", "))
			}
			f.kinds = append(f.kinds, kind)
		}
	}
	return f, err
}

// kindNames returns the names of the kinds of event.
func kindNames(*Shell) (names []string) {
	for k := trace.None + 1; k.String() != "unknown"; k++ {
		names = append(names, k.String())
	}
	return names
}

// traceEvents prints the last events of the CPUs' rings, in the order of time, with their
// meaning. It leaves out the events since its own start: the page faults of the memory that
// it allocates here would hide what happened before.
func traceEvents(ctx context.Context, s *Shell, a args) error {
	if word := a.first(); len(a.list) == 1 && (word == "start" || word == "stop") {
		if a.json || len(a.options) > 0 {
			return errUsage
		}
		return recordEvents(ctx, s, word)
	}
	start := s.sys.Uptime().UpNS
	f, err := parseTrace(s, a)
	if err != nil {
		return err
	}
	var rows []Event
	for _, id := range f.cpus {
		for _, e := range s.sys.Trace(id, 0) {
			if e.TimeNS <= start && (f.kinds == nil || slices.Contains(f.kinds, e.Event)) && (f.thread < 0 || uint32(f.thread) == e.Thread) {
				rows = append(rows, e)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b Event) int { return int(b.TimeNS - a.TimeNS) })
	rows = rows[:min(f.n, len(rows))]
	for i := range rows {
		rows[i].Text = eventText(rows[i])
	}
	if !a.json && len(rows) == 0 && slices.Equal(f.kinds, []string{trace.Syscall.String()}) {
		fmt.Fprintln(s.out, "no system calls: they are recorded with trace=all on the kernel's command line")
		return nil
	}
	return list(s, a, rows, "TIME-US CPU THREAD EVENT", func(w io.Writer, e Event) {
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t %s", e.TimeNS/1000, e.CPU, e.Thread, e.Event, e.Text)
	})
}

// eventText returns the meaning of an event's two words, by trace.Kind.
func eventText(e Event) string {
	vectorName := func() string {
		if name := vector.Name(e.A); name != "" {
			return fmt.Sprintf("%#x, %s,", e.A, name)
		}
		return fmt.Sprintf("%#x, device,", e.A)
	}
	switch e.Event {
	case trace.Switch.String():
		return fmt.Sprintf("to thread %d from thread %d", e.A, e.B)
	case trace.Wake.String():
		return fmt.Sprintf("thread %d put on the queue of cpu %d", e.A, e.B)
	case trace.Interrupt.String(), trace.Exception.String():
		return vectorName() + " at " + symbol(e.B)
	case trace.SendIPI.String():
		if e.B>>32 != 0 {
			return fmt.Sprintf("%s to logical destination %#x", vectorName(), uint32(e.B))
		}
		return fmt.Sprintf("%s to cpu %d", vectorName(), e.B)
	case trace.Flush.String():
		return fmt.Sprintf("TLB flush number %d done", e.A)
	case trace.Fault.String():
		return fmt.Sprintf("page fault at %#x: %s, at %s", e.A, faultText(trace.FaultCode(e.B)), symbol(trace.FaultIP(e.B)))
	case trace.Signal.String():
		name := unix.SignalName(syscall.Signal(e.A))
		if name == "" {
			name = fmt.Sprintf("signal %d", e.A)
		}
		return fmt.Sprintf("%s to thread %d", name, e.B)
	case trace.Syscall.String():
		return callText(e.A, int64(e.B))
	case trace.Start.String():
		return fmt.Sprintf("cpu %d reached stage %d, %s", e.B, e.A, trampoline.StageName(uint32(e.A)))
	case trace.Exit.String():
		return fmt.Sprintf("thread %d, status %d", e.A, e.B)
	}
	return fmt.Sprintf("%#x %#x", e.A, e.B)
}

// callText returns a system call's result as text. Linux's errors are -4095 to -1.
func callText(n uint64, result int64) string {
	name := systemCall(n)
	if name == "" {
		name = fmt.Sprintf("number %d", n)
	}
	if result < 0 && result >= -4095 {
		if e := unix.ErrnoName(syscall.Errno(-result)); e != "" {
			return name + " = -" + e
		}
	}
	return fmt.Sprintf("%s = %#x", name, uint64(result))
}

// faultText decodes a page fault's error code (Intel SDM vol. 3A, "Page-Fault Error Code").
func faultText(code uint64) string {
	const present, write, user, reserved, fetch = 1, 2, 4, 8, 16
	words := []string{"read"}
	switch {
	case code&fetch != 0:
		words[0] = "instruction fetch"
	case code&write != 0:
		words[0] = "write"
	}
	if code&user != 0 {
		words = append(words, "by ring 3")
	}
	switch {
	case code&reserved != 0:
		words = append(words, "of an entry with a reserved bit")
	case code&present != 0:
		words = append(words, "of a page that forbids it")
	default:
		words = append(words, "of a page that is not there")
	}
	return strings.Join(words, " ")
}

// symbol names an address of the kernel's text: function and offset, inlined calls left
// out. Any other address is a number, and one in the lower half a program's.
func symbol(pc uint64) string {
	if runtime.FuncForPC(uintptr(pc)) == nil {
		if pc>>63 == 0 {
			return fmt.Sprintf("%#x in ring 3", pc)
		}
		return fmt.Sprintf("%#x", pc)
	}
	frames := runtime.CallersFrames([]uintptr{uintptr(pc) + 1}) // it takes return addresses
	for {
		f, more := frames.Next()
		if more {
			continue
		}
		if f.Function == "" {
			return fmt.Sprintf("%#x", pc)
		}
		// The outermost: the function whose text it is.
		return fmt.Sprintf("%s+%#x", f.Function, pc-uint64(f.Entry))
	}
}
