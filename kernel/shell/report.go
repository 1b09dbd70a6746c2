package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/kernel/console"
	"muster/kernel/qrcode"
)

// The report that a user sends to a maintainer about a machine. It has what many machines
// share: models, tables' names, sizes, times. It has nothing that belongs to one machine or
// its user: no serial numbers, no contents of tables, no command line, no names of programs.

// Machine is what the other listings do not say about a machine.
type Machine struct {
	Version    string  `json:"version"`
	Go         string  `json:"go"`
	Loader     string  `json:"loader"`
	CPU        string  `json:"cpu"` // as the CPU calls itself
	Stepping   uint8   `json:"stepping"`
	Microcode  uint64  `json:"microcode,omitempty"`
	Hypervisor string  `json:"hypervisor,omitempty"`
	TSCHz      uint64  `json:"tsc_hz"`
	TSCFrom    string  `json:"tsc_from"`
	TimerHz    uint64  `json:"timer_hz"` // of the local APIC, 0 if there is none
	X2APIC     bool    `json:"x2apic"`
	Screen     string  `json:"screen"`
	Free       []Range `json:"free_at_boot"`
}

// Range is a part of RAM.
type Range struct {
	Start uint64 `json:"start"`
	End   uint64 `json:"end"` // the first byte after it
}

// Report is the document of the command.
type Report struct {
	Machine
	UpNS     uint64        `json:"up_ns"`
	Vendor   string        `json:"vendor"`
	Family   uint16        `json:"family"`
	Model    uint8         `json:"model"`
	Listed   int           `json:"cpus_listed"`
	Online   int           `json:"cpus_online"`
	Packages int           `json:"packages"`
	Nodes    int           `json:"nodes"`
	Start    *Start        `json:"start"` // nil with one CPU
	On       []string      `json:"mitigations"`
	Off      []Mitigation  `json:"mitigations_off"`
	Slower   []Lack        `json:"slower"`
	Tables   []ReportTable `json:"acpi_tables"`
	NoTables string        `json:"acpi_error,omitempty"`
	Memory   uint64        `json:"memory"` // bytes
	PCI      []ReportPCI   `json:"pci"`
	Warnings []string      `json:"warnings"` // of the log
}

// Start is how the CPUs started, in microseconds from the first INIT.
type Start struct {
	First       float64 `json:"first_us"` // the end of the first one's start
	Last        float64 `json:"last_us"`
	Slowest     int     `json:"slowest"` // CPU
	SlowestStep string  `json:"slowest_step"`
	StepMicros  float64 `json:"slowest_step_us"`
}

// ReportTable is one table of the firmware, without its address and contents.
type ReportTable struct {
	Signature string `json:"signature"`
	Length    uint32 `json:"length"`
	Revision  uint8  `json:"revision"`
	OEMID     string `json:"oem_id"`
	TableID   string `json:"oem_table_id"`
	Checksum  string `json:"checksum"`
}

// ReportPCI is one function on a PCI bus, without its addresses.
type ReportPCI struct {
	Function     string   `json:"function"`
	Vendor       uint16   `json:"vendor"`
	Device       uint16   `json:"device"`
	Class        uint32   `json:"class"`
	Name         string   `json:"name"`
	Capabilities []string `json:"capabilities,omitempty"`
}

// report prints the report as text, as JSON, or as QR codes.
func report(_ context.Context, s *Shell, a args) error {
	qr := a.flag("-qr")
	switch {
	case len(a.list) > 0 && !qr:
		return errUsage
	case a.json && qr:
		return errors.New("-json and -qr are two forms: give one of them")
	case a.json:
		return s.printJSON(s.makeReport())
	case !qr:
		_, err := io.WriteString(s.out, s.makeReport().text())
		return err
	}
	codes, err := qrcode.Blocks(s.makeReport().text())
	if err != nil {
		return err
	}
	first, all := 1, len(codes)
	if a.first() != "" {
		n, err := strconv.Atoi(a.first())
		if err != nil || n < 1 || n > all {
			return fmt.Errorf("%q is not the number of a code, from 1 to %d", a.first(), all)
		}
		first, codes = n, codes[n-1:n]
	}
	for i, c := range codes {
		fmt.Fprintf(s.out, "%scode %d of %d\n\n", c, first+i, all)
	}
	return nil
}

// makeReport puts the report together from what the listings have.
func (s *Shell) makeReport() Report {
	r := Report{Machine: s.sys.Machine(), UpNS: uint64(s.sys.Uptime().UpNS), Memory: s.sys.Memory().Total, Start: startOf(s.sys.BringUp()),
		On: []string{}, Off: []Mitigation{}, Slower: []Lack{}, Tables: []ReportTable{}, PCI: []ReportPCI{}, Warnings: []string{}}
	for _, c := range s.sys.CPUs() {
		r.Listed++
		if c.State == "online" {
			r.Online++
		}
	}
	if list := s.sys.Features(); len(list) > 0 {
		f := list[0]
		r.Vendor, r.Family, r.Model, r.Slower = f.Vendor, f.Family, f.Model, append(r.Slower, f.Slower...)
		for _, m := range f.Mitigations {
			if m.On {
				r.On = append(r.On, m.Name)
			} else {
				r.Off = append(r.Off, m)
			}
		}
	}
	f := s.sys.Firmware()
	if f.Err != nil {
		r.NoTables = f.Err.Error()
	}
	if f.Tables != nil {
		for _, t := range tableRows(f.Tables) {
			r.Tables = append(r.Tables, ReportTable{t.Signature, t.Length, t.Revision, t.OEMID, t.TableID, t.Checksum})
		}
	}
	if f.Topology != nil {
		packages := map[uint32]bool{}
		for _, c := range f.Topology.CPUs {
			packages[c.Package] = true
		}
		r.Packages, r.Nodes = len(packages), len(f.Topology.Nodes)
	}
	for _, p := range s.sys.PCI() {
		r.PCI = append(r.PCI, ReportPCI{p.Function, p.Vendor, p.Device, p.Class, p.Name, p.Capabilities})
	}
	r.Warnings = append(r.Warnings, warnings(s.sys.Log())...)
	return r
}

// private are the beginnings of lines that quote what the user wrote, or name a program that
// has ended.
var private = []string{"options:", "app:", "run:", "process "}

// warnings returns the lines of the log that are not about progress, without their times.
func warnings(log []LogLine) (list []string) {
	for _, l := range log {
		if l.Level <= uint32(console.Warning) && !slices.ContainsFunc(private, func(p string) bool { return strings.HasPrefix(l.Text, p) }) {
			list = append(list, onlyPrintable([]byte(l.Text)))
		}
	}
	return list
}

// startOf summarises the start of the CPUs; nil without one.
func startOf(list []BringUp) *Start {
	var s *Start
	for _, b := range list {
		if len(b.Steps) == 0 {
			continue
		}
		end := b.Steps[len(b.Steps)-1].Micros
		if s == nil {
			s = &Start{First: end, Last: -1}
		}
		s.First = min(s.First, end)
		if end <= s.Last {
			continue
		}
		s.Last, s.Slowest, s.StepMicros = end, b.CPU, 0
		for i := 1; i < len(b.Steps); i++ {
			if d := b.Steps[i].Micros - b.Steps[i-1].Micros; d > s.StepMicros {
				s.StepMicros, s.SlowestStep = d, b.Steps[i].Name
			}
		}
	}
	return s
}

// text returns the report in short lines, as several QR codes have to carry it.
func (r Report) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Muster %s, %s, by %s, up %v", r.Version, r.Go, r.Loader, time.Duration(r.UpNS).Round(time.Second))
	line("cpu: %s; %s family %d model %#x stepping %d microcode %#x", r.CPU, r.Vendor, r.Family, r.Model, r.Stepping, r.Microcode)
	if r.Hypervisor != "" {
		line("hypervisor: %s", r.Hypervisor)
	}
	line("cpus: %d of %d online, packages %d, nodes %d", r.Online, r.Listed, r.Packages, r.Nodes)
	if s := r.Start; s != nil {
		line("start: first %.1f ms, last %.1f ms: cpu %d, %.1f ms up to %s", s.First/1000, s.Last/1000, s.Slowest, s.StepMicros/1000, s.SlowestStep)
	}
	line("mitigations: %s", strings.Join(r.On, " "))
	off := map[string][]string{}
	for _, m := range r.Off {
		off[m.Reason] = append(off[m.Reason], m.Name)
	}
	for _, why := range slices.Sorted(maps.Keys(off)) {
		line("not %s: %s", strings.Join(off[why], " "), why)
	}
	for _, l := range r.Slower {
		line("slower without %s: %s", l.Without, l.Cost)
	}
	line("clock: %d kHz by %s; timer %d kHz; x2APIC %v", r.TSCHz/1000, r.TSCFrom, r.TimerHz/1000, r.X2APIC)
	line("screen: %s", r.Screen)
	line("memory: %d MiB; free at boot:", r.Memory>>20)
	for _, m := range r.Free {
		line(" %#x-%#x", m.Start, m.End)
	}
	line("acpi: %s", r.NoTables)
	for _, t := range r.Tables {
		state := ""
		if t.Checksum != "ok" {
			state = " " + t.Checksum
		}
		line(" %s %d r%d %s %s%s", t.Signature, t.Length, t.Revision, t.OEMID, t.TableID, state)
	}
	line("pci:")
	for _, p := range r.PCI {
		line(" %s %04x:%04x %06x %s %s", p.Function, p.Vendor, p.Device, p.Class, p.Name, strings.Join(p.Capabilities, " "))
	}
	if len(r.Warnings) == 0 {
		line("warnings: none")
	} else {
		line("warnings:")
	}
	for _, w := range r.Warnings {
		line(" %s", w)
	}
	return trimLines(b.String())
}

// trimLines drops spaces at the ends of lines, and replaces what is not printable.
func trimLines(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(onlyPrintable([]byte(strings.TrimSuffix(l, "\n"))), " ") + "\n")
	}
	return b.String()
}
