package shell

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster/kernel/persist"
)

// lastBoot prints the log of the boot before, and the report of its panic.
func lastBoot(s *Shell, a args) error {
	l := s.sys.LastBoot()
	if a.json {
		return s.printJSON(l)
	}
	if !l.Kept {
		fmt.Fprintf(s.out, "nothing kept: %s\n", l.Why)
		return nil
	}
	s.printLog(l.Log)
	if l.Why != "" {
		fmt.Fprintln(s.out, l.Why)
	}
	if l.Report == nil {
		fmt.Fprintln(s.out, "no panic")
		return nil
	}
	for _, r := range l.Report {
		fmt.Fprintln(s.out, r)
	}
	return nil
}

// LastBootOf reads a copy of the memory at an address. The copy is empty if the memory had no
// header.
func LastBootOf(b []byte, address uint64) LastBoot {
	r := persist.Open(b)
	l := LastBoot{Kept: r.Outcome == persist.Kept, Log: []LogLine{}, Address: address}
	if !l.Kept {
		l.Why = whyNothing(r.Outcome, address)
		return l
	}
	var rec persist.Record
	for r.Next(&rec) {
		text := onlyPrintable(rec.Text)
		if rec.Kind == persist.ReportLine {
			l.Report = append(l.Report, text)
		} else {
			l.Log = append(l.Log, LogLine{TimeNS: int64(rec.NS &^ (1 << 63)), CPU: rec.CPU, Level: uint32(rec.Level), Text: text})
		}
	}
	if r.Damaged > 0 {
		l.Why = fmt.Sprintf("a checksum is wrong: the rest of %d of the parts is left out", r.Damaged)
	}
	return l
}

func whyNothing(o persist.Outcome, address uint64) string {
	switch {
	case address == 0:
		return "no free RAM below 4 GiB at a place that firmware and loader leave alone"
	case o == persist.BadChecksum:
		return fmt.Sprintf("the checksum of what is at %#x is wrong", address)
	case o == persist.OtherKernel:
		return fmt.Sprintf("another version of Muster wrote what is at %#x", address)
	}
	return fmt.Sprintf("no header at %#x: the power was off, or firmware, loader or another system used that memory", address)
}

// onlyPrintable returns text without what a terminal could take for a command.
func onlyPrintable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, string(text))
}
