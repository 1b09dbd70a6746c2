// Package irq connects device interrupts to goroutines, and leads them from CPU to CPU.
//
// The core's top half counts an interrupt in an eventfd; a goroutine parks in
// the runtime's poller until the count is not 0, and serves the device.
//
// Before a CPU goes offline, Drain leads its lines to other CPUs; Admit lets it have lines
// again.
//
// Layer: service.
// Context: any goroutine.
// Locks: lines.mu guards the list of lines and where they go.
// Manual: ACPI Specification 6.5, "Interrupt Source Override Structure".
// Chapter: docs/06-interrupts.md.
package irq

import (
	"fmt"
	"os"
	"syscall"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/kcall"
	"muster/kernel/klog"
)

// SetUp takes the I/O APICs of the machine into use, and masks every input.
func SetUp(t *acpi.Topology) {
	for _, a := range t.IOAPICs {
		n, err := kcall.AddIOAPIC(a.ID, uint64(a.Addr), a.GSIBase)
		if err != nil {
			klog.Errorf("irq: I/O APIC %d at %#x not taken into use: %v", a.ID, a.Addr, err)
			continue
		}
		klog.Infof("irq: I/O APIC %d at %#x, GSI %d-%d", a.ID, a.Addr, a.GSIBase, int(a.GSIBase)+n-1)
	}
	for _, o := range t.Overrides {
		klog.Infof("irq: ISA IRQ %d is GSI %d", o.Source, o.GSI)
	}
	for _, n := range t.NMIs {
		bindNMI(n)
	}
	high := 0
	for _, c := range t.CPUs {
		if c.APICID > abi.MaxIRQAPICID {
			high++
		}
	}
	if high > 0 {
		klog.Infof("irq: %d CPUs get no device interrupts: their APIC ids are above %d, and there is no interrupt remapping", high, abi.MaxIRQAPICID)
	}
}

// bindNMI makes an input of an I/O APIC an NMI of the boot CPU, as the firmware says that it
// is one.
//
// Source: ACPI Specification 6.5, "Non-Maskable Interrupt (NMI) Source Structure".
func bindNMI(n acpi.NMISource) {
	l := &line{name: "NMI", wiring: acpi.Line{GSI: n.GSI, Low: n.Flags.Polarity() == acpi.ActiveLow}, label: fmt.Sprint(n.GSI)}
	if _, err := bind(l, abi.IRQRequest{GSI: n.GSI, Flags: abi.IRQNMI | n.Flags.IRQ(), Action: abi.ActionNothing}); err != nil {
		klog.Warnf("irq: GSI %d is no source of NMIs: %v", n.GSI, err)
		return
	}
	klog.Infof("irq: GSI %d is an NMI on cpu0", n.GSI)
}

// Event is an interrupt line as a goroutine sees it.
type Event struct {
	file *os.File
	line *line // nil: it counts something else
	buf  [8]byte
}

// Bind routes a line to the core's action and returns the event that counts its
// interrupts. name says whose interrupts they are.
func Bind(name string, wiring acpi.Line, action uint32) (*Event, error) {
	e, err := bind(&line{name: name, wiring: wiring, label: fmt.Sprint(wiring.GSI)},
		abi.IRQRequest{GSI: wiring.GSI, Flags: acpi.LineFlags(wiring.Low, wiring.Level), Action: action})
	if err != nil {
		return nil, fmt.Errorf("irq: GSI %d: %w", wiring.GSI, err)
	}
	i, err := kcall.IRQInfo(e.line.id)
	if err != nil {
		return nil, fmt.Errorf("irq: GSI %d: %w", wiring.GSI, err)
	}
	klog.Infof("irq: GSI %d is vector %#x on cpu0", wiring.GSI, i.Vector)
	return e, nil
}

// BindMSI gives a device's MSI a line, and returns the event that counts it. program makes
// the device write the data to the address: once before BindMSI returns, and again each
// time when the line moves to another CPU. When it returns, nothing that it sent before is on its way
// any more: it has read from the device. An error of the first program is BindMSI's.
//
// Source: Intel SDM vol. 3A, "Message Signalled Interrupts".
func BindMSI(name string, program func(address uint64, data uint32) error) (*Event, error) {
	e, err := bind(&line{name: name, program: program}, abi.IRQRequest{Flags: abi.IRQMessage, Action: abi.ActionEvent})
	if err != nil {
		return nil, fmt.Errorf("irq: MSI: %w", err)
	}
	return e, lines.send(e.line)
}

// bind claims a line on the boot CPU.
func bind(l *line, r abi.IRQRequest) (*Event, error) {
	fd, err := newEvent()
	if err != nil {
		return nil, err
	}
	copy(r.Name[:abi.IRQName-1], l.name)
	r.EventFD = int64(fd)
	if l.id, err = kcall.BindIRQ(&r); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	lines.add(l)
	startWatch()
	return &Event{file: os.NewFile(uintptr(fd), "irq:"+l.name), line: l}, nil
}

// Open returns an event of no line: give hands its eventfd to the core, which counts what it is
// for.
func Open(name string, give func(eventfd int) error) (*Event, error) {
	fd, err := newEvent()
	if err != nil {
		return nil, err
	}
	if err := give(fd); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return &Event{file: os.NewFile(uintptr(fd), name)}, nil
}

// newEvent returns a new eventfd that does not block.
func newEvent() (int, error) {
	fd, _, e := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if e != 0 {
		return 0, fmt.Errorf("irq: eventfd: %w", e)
	}
	return int(fd), nil
}

// Wait parks the goroutine until there was an interrupt since the last Wait. The
// caller has served the device: a level-triggered line, which the core masked at
// the last interrupt, is unmasked again.
func (e *Event) Wait() error { return e.wait(true) }

// WaitForOwn is Wait for a caller whose device had no part in the last interrupt: another
// one at the same line had, or none. A line that has such interrupts without end is masked,
// and reported, and WaitForOwn then returns every 10 ms.
func (e *Event) WaitForOwn() error { return e.wait(false) }

func (e *Event) wait(claimed bool) error {
	if e.line != nil && e.line.wiring.Level {
		if err := kcall.UnmaskIRQ(e.line.id, claimed); err != nil {
			return fmt.Errorf("irq: GSI %d: %w", e.line.wiring.GSI, err)
		}
	}
	_, err := e.file.Read(e.buf[:])
	return err
}
