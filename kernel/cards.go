package main

import (
	"errors"
	"syscall"

	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/options"
	"muster/kernel/pci"
)

// addCards gives the log to the serial ports of PCI cards. named is the address of the port that
// the firmware names, which may be one of them, and has the log already.
func (m *hardware) addCards(opts options.Options, named uint64) {
	for _, f := range m.functions() {
		if !f.IsSerial() {
			continue
		}
		inUse := false
		for _, b := range f.BARs {
			inUse = inUse || b.Address == named
		}
		for _, u := range f.Serial(inUse) {
			if u.IO && (u.Address == uint64(opts.Stdio.Base) || u.Address == uint64(opts.Control.Base)) {
				continue // a program's
			}
			addCardPort(f, u)
		}
	}
}

// addCardPort gives the log to one port of a card. Its interrupt is not used: only AML says where the
// line of a PCI function leads.
func addCardPort(f *pci.Function, u pci.UART) {
	addr, stride, space := uintptr(u.Address), 0, "I/O"
	if !u.IO {
		var err error
		stride, space = 1, "memory"
		if addr, err = kcall.MapDevice(u.Address, 8); err != nil {
			klog.Warnf("serial: card at %v: %v", f.Addr, err)
			return
		}
	}
	_, err := kcall.AddConsolePort(addr, stride, true)
	switch {
	case errors.Is(err, syscall.EEXIST):
	case errors.Is(err, syscall.ENODEV):
		klog.Infof("serial: card at %v: no UART answers at %s %#x", f.Addr, space, u.Address)
	case err != nil:
		klog.Warnf("serial: card at %v: port at %s %#x: %v", f.Addr, space, u.Address, err)
	default:
		klog.Infof("serial: card at %v: the port at %s %#x has the log", f.Addr, space, u.Address)
	}
}
