package shell

import (
	"context"
	"fmt"
	"io"
	"strings"

	acpitables "muster/kernel/acpi"
	"muster/kernel/freq"
)

// Freq is the frequencies and idle states of the CPU that runs the command. The kernel reads
// them, and drives none.
type Freq struct {
	freq.Frequencies
	Idle     freq.Idle    `json:"idle"`
	Firmware FirmwareIdle `json:"firmware"`
}

// FirmwareIdle is what the firmware's tables say of idle states.
type FirmwareIdle struct {
	Named   int                    `json:"cst_packages"` // processors with a _CST that can be read
	Methods int                    `json:"cst_methods"`  // and those whose _CST takes AML to run
	States  []acpitables.IdleState `json:"states"`       // of the first processor
	C2      uint16                 `json:"c2_latency_us"`
	C3      uint16                 `json:"c3_latency_us"`
}

// The FADT says by a larger latency that a state is absent ("Fixed ACPI Description Table (FADT)").
const (
	mostC2 = 100
	mostC3 = 1000
)

// frequencies prints them.
func frequencies(_ context.Context, s *Shell, a args) error {
	f := s.sys.Freq()
	if a.json {
		return s.printJSON(f)
	}
	if f.Base|f.Most|f.Least|f.Bus|f.Now == 0 {
		fmt.Fprintln(s.out, "frequencies: the CPU does not tell; time has that of the time-stamp counter")
	} else {
		fmt.Fprintf(s.out, "frequencies by %s\n", f.From)
	}
	for _, x := range []struct {
		name string
		hz   uint64
	}{{"base", f.Base}, {"most", f.Most}, {"least", f.Least}, {"bus", f.Bus}, {"now", f.Now}} {
		if x.hz != 0 {
			fmt.Fprintf(s.out, "  %-6s %s\n", x.name, megahertz(x.hz))
		}
	}
	fmt.Fprintf(s.out, "  turbo: %s\n", yes(f.Turbo))
	for i, hz := range f.P {
		fmt.Fprintf(s.out, "  P-state %d: %s\n", i, megahertz(hz))
	}
	mwait(s.out, f.Idle)
	firmwareIdle(s.out, f.Firmware)
	fmt.Fprintln(s.out, "the kernel reads all this and drives none of it: idle CPUs halt")
	return nil
}

func mwait(w io.Writer, i freq.Idle) {
	if !i.Monitor {
		fmt.Fprintln(w, "MWAIT: the CPU does not have it")
		return
	}
	list := []string{}
	for _, s := range i.States {
		list = append(list, fmt.Sprintf("%s (%d)", s.Name, s.Subs))
	}
	if len(list) == 0 {
		list = []string{"none listed"}
	}
	fmt.Fprintf(w, "MWAIT\n  %s\n", wrap("states, with the number of substates: "+strings.Join(list, ", "), 4))
	switch {
	case i.Largest == 0: // as QEMU has it
		fmt.Fprintln(w, "  monitored line: the CPU does not tell its size")
	case i.Smallest == i.Largest:
		fmt.Fprintf(w, "  monitored line: %d bytes\n", i.Largest)
	default:
		fmt.Fprintf(w, "  monitored line: %d to %d bytes\n", i.Smallest, i.Largest)
	}
	fmt.Fprintf(w, "  an interrupt ends it also while interrupts are off: %s\n", yes(i.Breaks))
	fmt.Fprintf(w, "  the local APIC's timer runs in all states: %s\n", yes(i.Always))
}

func yes(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

func firmwareIdle(w io.Writer, f FirmwareIdle) {
	switch {
	case f.Named == 0 && f.Methods == 0:
		fmt.Fprintln(w, "_CST: no processor has one")
	case f.Named == 0:
		fmt.Fprintf(w, "_CST: %d, all made by AML, which the kernel does not run\n", f.Methods)
	default:
		fmt.Fprintf(w, "_CST: %d packages, %d made by AML\n", f.Named, f.Methods)
	}
	for _, s := range f.States {
		entry := s.Entry.String()
		if s.Entry.Space == acpitables.SpaceFixed {
			entry = fmt.Sprintf("MWAIT %#x", s.Entry.Address)
		}
		fmt.Fprintf(w, "  C%d by %s: at most %d us to leave, %d mW\n", s.Type, entry, s.Latency, s.Power)
	}
	latency := func(us, most uint16) string {
		if us > most || us == 0 {
			return "absent"
		}
		return fmt.Sprintf("%d us", us)
	}
	fmt.Fprintf(w, "FADT: C2 %s, C3 %s\n", latency(f.C2, mostC2), latency(f.C3, mostC3))
}
