package shell

import (
	"fmt"
	"text/tabwriter"
)

// Features is the features that one CPU offers and the kernel uses.
type Features struct {
	CPU         int          `json:"cpu"`
	Vendor      string       `json:"vendor"`
	Family      uint16       `json:"family"`
	Model       uint8        `json:"model"`
	Words       []uint32     `json:"words"` // CPUID, in the form of kernel/cpu
	Mitigations []Mitigation `json:"mitigations"`
	Slower      []Lack       `json:"slower,omitempty"`
}

// Lack is a feature without which the kernel is slower on a CPU, and why.
type Lack struct {
	Without string `json:"without"`
	Cost    string `json:"cost"`
}

// Mitigation is one mitigation of one CPU.
type Mitigation struct {
	Name   string `json:"name"`
	On     bool   `json:"on"`
	Reason string `json:"reason,omitempty"` // why it is off
}

// features prints a row for each mitigation and a column for each CPU, with the
// reason of the first CPU where the mitigation is off. After them comes what is slower on
// the first CPU, and so on all.
func features(s *Shell, a args) error {
	list := s.sys.Features()
	if a.json {
		return s.printJSON(list)
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, "MITIGATION")
	for _, f := range list {
		fmt.Fprintf(w, "\tCPU%d", f.CPU)
	}
	fmt.Fprintln(w, "\tWHY NOT")
	for i, m := range list[0].Mitigations {
		fmt.Fprint(w, m.Name)
		reason := ""
		for _, f := range list {
			mark := "on"
			if !f.Mitigations[i].On {
				mark = "-"
				if reason == "" {
					reason = f.Mitigations[i].Reason
				}
			}
			fmt.Fprintf(w, "\t%s", mark)
		}
		fmt.Fprintf(w, "\t%s\n", reason)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range list[0].Slower {
		fmt.Fprintf(s.out, "slower without %s: %s\n", l.Without, l.Cost)
	}
	for _, f := range list[1:] {
		if fmt.Sprint(f.Words) != fmt.Sprint(list[0].Words) {
			fmt.Fprintf(s.out, "cpu %d differs from cpu 0 in CPUID\n", f.CPU)
		}
	}
	return nil
}
