// Package irq connects device interrupts to goroutines.
//
// The core's top half counts an interrupt in an eventfd; a goroutine parks in
// the runtime's poller until the count is not 0, and serves the device.
//
// Layer: service.
// Context: any goroutine.
// Locks: none.
// Manual: ACPI Specification 6.5, "Interrupt Source Override Structure".
// Chapter: docs/06-interrupts.md.
package irq

import (
	"fmt"
	"os"
	"syscall"

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
}

// Event is an interrupt line as a goroutine sees it.
type Event struct {
	file *os.File
	line acpi.Line
	buf  [8]byte
}

// Bind routes a line to the core's action and returns the event that counts its
// interrupts.
func Bind(line acpi.Line, action uint32) (*Event, error) {
	fd, err := newEvent()
	if err != nil {
		return nil, err
	}
	vector, err := kcall.BindIRQ(line.GSI, acpi.LineFlags(line.Low, line.Level), action, fd)
	if err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("irq: GSI %d: %w", line.GSI, err)
	}
	klog.Infof("irq: GSI %d is vector %#x on cpu0", line.GSI, vector)
	return &Event{file: os.NewFile(uintptr(fd), fmt.Sprintf("irq%d", line.GSI)), line: line}, nil
}

// BindMSI gives the MSI of a device a vector of a CPU, and returns the event that counts it,
// and the address and the data that the device has to write.
//
// Source: Intel SDM vol. 3A, "Message Signalled Interrupts".
func BindMSI(cpu int) (e *Event, address uint64, data uint32, err error) {
	const apics = 0xfee00000
	to, err := kcall.CPUInfo(cpu)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("irq: cpu%d: %w", cpu, err)
	}
	fd, err := newEvent()
	if err != nil {
		return nil, 0, 0, err
	}
	vector, err := kcall.BindMSI(cpu, fd)
	if err != nil {
		syscall.Close(fd)
		return nil, 0, 0, fmt.Errorf("irq: MSI for cpu%d: %w", cpu, err)
	}
	e = &Event{file: os.NewFile(uintptr(fd), fmt.Sprintf("msi%#x", vector))}
	return e, apics | uint64(to.APICID)<<12, uint32(vector), nil
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
func (e *Event) Wait() error {
	if e.line.Level {
		if err := kcall.UnmaskIRQ(e.line.GSI); err != nil {
			return fmt.Errorf("irq: GSI %d: %w", e.line.GSI, err)
		}
	}
	_, err := e.file.Read(e.buf[:])
	return err
}
