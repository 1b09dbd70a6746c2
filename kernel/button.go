package main

import (
	"time"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/button"
	"muster/kernel/cpu"
	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/mmio"
	"muster/kernel/options"
)

// watchButton waits for the power button, and then ends the machine as poweroff does. It closes
// ready when it has said how it waits, so that no line of the log comes into a command's output later.
func (m *hardware) watchButton(opts options.Options, ready chan<- struct{}) {
	b, wait := m.openButton(opts)
	close(ready)
	if b == nil {
		return
	}
	if err := b.Await(wait); err != nil {
		klog.Warnf("button: its interrupt is not used, the button is polled each %v: %v", button.Interval, err)
		b.Poll()
	}
	klog.Infof("button: pressed, the machine goes off")
	drainFor(time.Second) // the other end may not be there any more
	m.off(0)
}

// openButton opens the power button, nil if there is none that the kernel can use. wait waits for the
// SCI, or returns why it cannot.
func (m *hardware) openButton(opts options.Options) (b *button.Button, wait func() error) {
	if m.fadt == nil {
		klog.Infof("button: not used: there is no FADT")
		return nil, nil
	}
	b, err := button.Open(pmRegisters{}, m.fadt, opts.Scale)
	if err != nil {
		klog.Infof("button: not used: %v", err)
		return nil, nil
	}
	line := acpi.Line{GSI: uint32(m.fadt.SCI), Low: true, Level: true}
	if m.madt != nil {
		line = m.madt.SCI(m.fadt.SCI)
	}
	event, err := irq.Bind("power button", line, abi.ActionEvent)
	b.Enable()
	if err != nil {
		return b, func() error { return err }
	}
	klog.Infof("button: by the SCI, %v", line)
	return b, event.WaitForOwn // each call but the first follows an interrupt that was not the button's
}

// pmRegisters is the registers of power management, and where those in memory are mapped.
type pmRegisters map[uint64]uintptr

// at returns the address of a register in memory, 0 if it cannot be mapped.
func (r pmRegisters) at(g acpi.GAS, bytes int) uintptr {
	va, ok := r[g.Address]
	if !ok {
		var err error
		if va, err = kcall.MapDevice(g.Address, bytes); err != nil {
			klog.Warnf("button: %v", err)
		}
		r[g.Address] = va
	}
	return va
}

func (r pmRegisters) Read(g acpi.GAS, bytes int) uint16 {
	if g.Space == acpi.SpaceIO {
		if bytes == 1 {
			return uint16(cpu.In8(uint16(g.Address)))
		}
		return cpu.In16(uint16(g.Address))
	}
	va := r.at(g, bytes)
	switch {
	case va == 0:
		return ^uint16(0)
	case bytes == 1:
		return uint16(mmio.Load8(va))
	}
	return mmio.Load16(va)
}

func (r pmRegisters) Write(g acpi.GAS, bytes int, v uint16) {
	if g.Space == acpi.SpaceIO {
		if bytes == 1 {
			cpu.Out8(uint16(g.Address), uint8(v))
		} else {
			cpu.Out16(uint16(g.Address), v)
		}
		return
	}
	va := r.at(g, bytes)
	switch {
	case va == 0:
	case bytes == 1:
		mmio.Store8(va, uint8(v))
	default:
		mmio.Store16(va, v)
	}
}

func (pmRegisters) Now() time.Time        { return time.Now() }
func (pmRegisters) Sleep(d time.Duration) { time.Sleep(d) }
