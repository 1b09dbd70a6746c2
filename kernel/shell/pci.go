package shell

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// PCI is one function on a PCI bus.
type PCI struct {
	Function     string   `json:"function"` // bus:device.function
	Vendor       uint16   `json:"vendor"`
	Device       uint16   `json:"device"`
	Class        uint32   `json:"class"`
	Name         string   `json:"name"`            // of the class
	Below        uint8    `json:"below,omitempty"` // of a bridge: the bus below it
	BARs         []BAR    `json:"bars,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
}

// BAR is one base address register.
type BAR struct {
	Index int    `json:"index"`
	Base  uint64 `json:"base"`
	Size  uint64 `json:"size,omitempty"` // if it was measured
	IO    bool   `json:"io,omitempty"`
}

// String returns the register in the form for users.
func (b BAR) String() string {
	kind, size := "mem", ""
	if b.IO {
		kind = "io"
	}
	if b.Size != 0 {
		size = fmt.Sprintf("+%#x", b.Size)
	}
	return fmt.Sprintf("%s %#x%s", kind, b.Base, size)
}

func pci(_ context.Context, s *Shell, a args) error {
	return list(s, a, s.sys.PCI(), "FUNCTION ID CLASS ADDRESSES CAPABILITIES", func(w io.Writer, f PCI) {
		var bars []string
		for _, b := range f.BARs {
			bars = append(bars, b.String())
		}
		if f.Below != 0 {
			bars = append(bars, fmt.Sprintf("to bus %02x", f.Below))
		}
		fmt.Fprintf(w, "%s\t%04x:%04x\t%s\t%s\t%s\t", f.Function, f.Vendor, f.Device, f.Name, strings.Join(bars, ", "), strings.Join(f.Capabilities, " "))
	})
}
