package irq

import (
	"errors"
	"fmt"
	"sync"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/percpu"
)

var errNotStuck = errors.New("the line is not stuck")

// line is a claimed line.
type line struct {
	id      int
	label   string // as the commands name it: the GSI, or msi0 and so on
	name    string // whose interrupts they are
	wiring  acpi.Line
	program func(address uint64, data uint32) error // of an MSI: writes the device's registers
	allowed []int                                   // CPUs, ascending; nil for all

	balanced uint64 // moves by the balancer
}

// core is the private calls that this package makes.
type core interface {
	Move(line, cpu int, force bool) error
	Settle(line int) error
	Info(line int) (*abi.IRQLine, error)
	Count(line, cpu int) (uint64, error)
	CPU(cpu int) (*abi.CPU, error) // an error beyond the last one
}

type realCore struct{}

func (realCore) Move(line, cpu int, force bool) error        { return kcall.MoveIRQ(line, cpu, force) }
func (realCore) Settle(line int) error                       { return kcall.SettleIRQ(line) }
func (realCore) Info(line int) (*abi.IRQLine, error)         { return kcall.IRQInfo(line) }
func (realCore) Count(line, cpu int) (count uint64, e error) { return kcall.IRQLineCount(line, cpu) }
func (realCore) CPU(cpu int) (*abi.CPU, error)               { return kcall.CPUInfo(cpu) }

// table is all lines.
type table struct {
	core core
	log  func(format string, args ...any)

	mu       sync.Mutex
	list     []*line // in the order of the claims
	messages int
	leaving  map[int]bool // CPUs that are being drained
}

var lines = &table{core: realCore{}, log: klog.Infof, leaving: map[int]bool{}}

// add adds a line that was claimed.
func (t *table) add(l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.label == "" {
		l.label = fmt.Sprintf("msi%d", t.messages)
		t.messages++
	}
	t.list = append(t.list, l)
}

// find returns the line that a command names.
func (t *table) find(label string) (*line, error) {
	for _, l := range t.list {
		if l.label == label {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no line %q; irq lists them", label)
}

// usable says why device interrupts cannot go to a CPU; nil if they can.
func (t *table) usable(cpu int) error {
	c, err := t.core.CPU(cpu)
	switch {
	case err != nil:
		return fmt.Errorf("there is no cpu%d", cpu)
	case c.APICID > abi.MaxIRQAPICID:
		return fmt.Errorf("cpu%d has APIC id %d: without interrupt remapping a device interrupt reaches ids up to %d", cpu, c.APICID, abi.MaxIRQAPICID)
	case c.State != percpu.Online:
		return fmt.Errorf("cpu%d is not online; cpu online %d starts it", cpu, cpu)
	case t.leaving[cpu]:
		return fmt.Errorf("cpu%d was drained: it gets no lines; irq admit %d ends that", cpu, cpu)
	}
	return nil
}

// candidates returns the CPUs of a set, or of all for nil, to which device interrupts can
// go.
func (t *table) candidates(set []int) (list []int) {
	if set == nil {
		for cpu := 0; ; cpu++ {
			if _, err := t.core.CPU(cpu); err != nil {
				break
			}
			set = append(set, cpu)
		}
	}
	for _, cpu := range set {
		if t.usable(cpu) == nil {
			list = append(list, cpu)
		}
	}
	return list
}

// quietest returns the CPU of a list to which the fewest lines go.
func (t *table) quietest(list []int) int {
	load := map[int]int{}
	for _, l := range t.list {
		if i, err := t.core.Info(l.id); err == nil {
			load[int(i.CPU)]++
		}
	}
	best := list[0]
	for _, cpu := range list[1:] {
		if load[cpu] < load[best] {
			best = cpu
		}
	}
	return best
}
