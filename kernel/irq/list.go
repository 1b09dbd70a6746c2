package irq

import (
	"slices"

	"muster/kernel/abi"
)

// Line is the state of a line, for the command irq.
type Line struct {
	Label    string // the GSI, or msi0 and so on
	Name     string // whose interrupts they are
	Trigger  string // edge, level, msi
	Polarity string // high, low; empty for an MSI
	CPU      int    // to which it goes
	Vector   int    // as what
	Allowed  []int  // CPUs; nil for all
	State    string // open, masked, moving, stuck
	Balanced uint64 // moves by the balancer
	Strays   uint64 // interrupts that no device has claimed
	Counts   []uint64
}

// Lines returns the lines in the order in which they were claimed.
func Lines() []Line { return lines.state() }

func (t *table) state() (list []Line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.list {
		i, err := t.core.Info(l.id)
		if err != nil {
			continue
		}
		x := Line{Label: l.label, Name: l.name, Trigger: "edge", Polarity: "high", CPU: int(i.CPU), Vector: int(i.Vector),
			Allowed: slices.Clone(l.allowed), State: "open", Strays: i.Strays, Balanced: l.balanced}
		switch {
		case i.Flags&abi.IRQMessage != 0:
			x.Trigger, x.Polarity = "msi", ""
		case i.Flags&abi.IRQLevel != 0 && i.Flags&abi.IRQNMI == 0: // an NMI is edge-triggered
			x.Trigger = "level"
		}
		if i.Flags&abi.IRQLow != 0 {
			x.Polarity = "low"
		}
		switch {
		case i.Flags&abi.IRQStuck != 0:
			x.State = "stuck"
		case i.Flags&abi.IRQLeaving != 0:
			x.State = "moving"
		case i.Flags&abi.IRQMasked != 0:
			x.State = "masked"
		}
		for cpu := 0; ; cpu++ {
			n, err := t.core.Count(l.id, cpu)
			if err != nil {
				break
			}
			x.Counts = append(x.Counts, n)
		}
		list = append(list, x)
	}
	return list
}
