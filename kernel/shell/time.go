package shell

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
)

// Time is the date, and where the kernel's time comes from.
type Time struct {
	Uptime
	Hz       uint64        `json:"tsc_hz"` // of the time-stamp counter
	From     string        `json:"source"` // of that frequency
	Why      string        `json:"why"`
	Sources  []TimeSource  `json:"sources"`
	Counters []TimeCounter `json:"counters"`
	Timer    TimeTimer     `json:"timer"`
	Clock    string        `json:"clock"` // the counter that is the clock
	Keeper   TimeKeeper    `json:"keeper"`
	CPUs     []TimeCPU     `json:"cpus"` // those besides the boot CPU
}

// TimeCPU is whether the time-stamp counter of a CPU agrees with the boot CPU's.
type TimeCPU struct {
	CPU      int    `json:"cpu"`
	Compared bool   `json:"compared"`
	State    string `json:"state"`
	Adjust   string `json:"adjust,omitempty"` // what was wrong with its IA32_TSC_ADJUST
}

// TimeSource is a source of the frequency of the time-stamp counter.
type TimeSource struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`                // exact, measured or nominal
	Hz    uint64 `json:"hz,omitempty"`        // absent: it says nothing
	Bound uint32 `json:"bound_ppm,omitempty"` // of a measurement: its largest error
	Apart uint64 `json:"apart_ppm,omitempty"` // from the chosen one
	State string `json:"state"`
}

// TimeCounter is a counter outside the CPUs.
type TimeCounter struct {
	Name  string `json:"name"`
	Bits  uint8  `json:"bits"`
	Hz    uint64 `json:"hz"`
	State string `json:"state"` // counts, or what is wrong with it
}

// TimeTimer is the timer of the local APICs.
type TimeTimer struct {
	Hz    uint64 `json:"hz,omitempty"` // after its divider, measured; absent: there is none, or it stands still
	Bound uint32 `json:"bound_ppm,omitempty"`
	Says  uint64 `json:"says_hz,omitempty"` // what CPU or hypervisor say
	State string `json:"state"`
	Mode  string `json:"mode"` // whose interrupts the CPUs get, and how
}

// TimeKeeper is how the clock is kept in agreement with a counter while the kernel runs.
type TimeKeeper struct {
	CPU       uint32 `json:"cpu"`
	Reference string `json:"reference,omitempty"` // absent: there is none
	Checks    uint64 `json:"checks"`
	Hz        uint64 `json:"hz,omitempty"` // of the time-stamp counter since the first check; absent: it takes a second
	SlowNS    int64  `json:"slow_ns"`      // at the last check; negative: the clock was fast
	SlewPPB   int64  `json:"slew_ppb"`     // because of that
	Watch     string `json:"watch"`        // whether the time-stamp counter is watched
	Windows   uint64 `json:"windows"`      // in which it was compared with the reference
	Bad       uint64 `json:"bad"`          // those in which they disagreed
	ApartNS   int64  `json:"apart_ns"`     // by how much it was ahead in the latest of them
	OverNS    int64  `json:"over_ns"`      // and how long that was
}

// timing prints the date, and with -v where the kernel's time comes from.
func timing(_ context.Context, s *Shell, a args) error {
	t := s.sys.Time()
	if a.json {
		return s.printJSON(t)
	}
	fmt.Fprintf(s.out, "%s, time-stamp counter at %s by %s\n", t.Date, megahertz(t.Hz), t.From)
	if !a.flag("-v") {
		return nil
	}
	fmt.Fprintf(s.out, "chosen: %s: %s\n", t.From, t.Why)
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tKIND\tSAYS\tBOUND\tAPART\tSTATE")
	for _, r := range t.Sources {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Kind, megahertz(r.Hz), ppm(uint64(r.Bound)), apart(r), r.State)
	}
	fmt.Fprintln(w, "\nCOUNTER\tBITS\tCOUNTS AT\tSTATE")
	for _, r := range t.Counters {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", r.Name, r.Bits, megahertz(r.Hz), r.State)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	timer(s.out, t.Timer)
	keeper(s.out, t)
	watch(s.out, t.Keeper)
	counters(s.out, t.CPUs)
	return nil
}

// watch prints what the watchdog of the time-stamp counter has found.
func watch(w io.Writer, k TimeKeeper) {
	fmt.Fprintf(w, "watchdog: %s\n", k.Watch)
	if k.Windows == 0 {
		return
	}
	text := fmt.Sprintf("comparisons: %d, disagreements: %d", k.Windows, k.Bad)
	if k.Bad != 0 {
		text += fmt.Sprintf(", last by %.3f ms in %.3f s", float64(k.ApartNS)/1e6, float64(k.OverNS)/1e9)
	}
	fmt.Fprintf(w, "  %s\n", wrap(text, 2))
}

// counters prints which CPUs have a counter like the boot CPU's: one line for CPUs in a row with the same state.
func counters(w io.Writer, list []TimeCPU) {
	for i := 0; i < len(list); {
		first, last := list[i], list[i]
		for i++; i < len(list) && list[i].State == first.State && list[i].Adjust == first.Adjust && list[i].CPU == last.CPU+1; i++ {
			last = list[i]
		}
		text := fmt.Sprintf("counter of cpu%d", first.CPU)
		if last.CPU != first.CPU {
			text += fmt.Sprintf(" to cpu%d", last.CPU)
		}
		text += ": " + first.State
		if first.Adjust != "" {
			text += "; IA32_TSC_ADJUST: " + first.Adjust
		}
		fmt.Fprintln(w, hang(text))
	}
}

// tsc is the clock unless the machine's counters forbid it.
const tsc = "time-stamp counter"

func keeper(w io.Writer, t Time) {
	k := t.Keeper
	if t.Clock != tsc {
		fmt.Fprintf(w, "clock: %s\n  not the %s: dmesg has the reason\n", t.Clock, tsc)
		return
	}
	fmt.Fprintf(w, "clock: %s\n", tsc)
	switch {
	case k.Reference == "":
		fmt.Fprintf(w, "timekeeper: cpu%d, without a reference:\n  the frequency stays as it was measured at boot\n", k.CPU)
	case k.Hz == 0:
		fmt.Fprintf(w, "timekeeper: cpu%d, has begun to compare the clock with %s\n", k.CPU, k.Reference)
	default:
		fmt.Fprintf(w, "timekeeper: cpu%d, compares with %s: %s since boot, checks: %d\n", k.CPU, k.Reference, megahertz(k.Hz), k.Checks)
		text := fmt.Sprintf("the clock was %d ns slow: it runs faster by %d ppb until the next check", k.SlowNS, k.SlewPPB)
		if k.SlowNS < 0 {
			text = fmt.Sprintf("the clock was %d ns fast: it runs slower by %d ppb until the next check", -k.SlowNS, -k.SlewPPB)
		}
		fmt.Fprintf(w, "  %s\n", wrap(text, 2))
	}
}

func timer(w io.Writer, t TimeTimer) {
	fmt.Fprintf(w, "\ntimer interrupts: %s\ntimer of the local APICs: %s", t.Mode, t.State)
	if t.Hz != 0 {
		fmt.Fprintf(w, ", %s, bound %s", megahertz(t.Hz), ppm(uint64(t.Bound)))
	}
	fmt.Fprintln(w)
}

// megahertz returns a frequency as text, "-" for none.
func megahertz(hz uint64) string {
	if hz == 0 {
		return "-"
	}
	return fmt.Sprintf("%d.%06d MHz", hz/1e6, hz%1e6)
}

// apart returns the distance of a source from the chosen one.
func apart(r TimeSource) string {
	if r.Hz != 0 && r.Apart == 0 && r.State != "chosen" {
		return "0 ppm"
	}
	return ppm(r.Apart)
}

func ppm(n uint64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d ppm", n)
}
