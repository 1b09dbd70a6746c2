package main

import (
	"errors"
	"syscall"

	"muster/kernel/acpi"
	"muster/kernel/kcall"
	"muster/kernel/klog"
)

// addNamedPort gives the log to the serial port that the firmware's table SPCR names, if
// there is one that the core has not found at the legacy addresses. It returns the port's
// address, 0 if the table names none.
func (m *hardware) addNamedPort() uint64 {
	if m.tables == nil {
		return 0
	}
	s := parse(m.tables, "SPCR", acpi.ParseSPCR)
	if s == nil || s.Address.Address == 0 { // 0: the firmware's console is off
		return 0
	}
	if !s.Is16550() {
		klog.Warnf("serial: SPCR names a port of type %d, which is not a 16550's, not used", s.Type)
		return 0
	}
	addr, stride := uintptr(s.Address.Address), 0
	switch s.Address.Space {
	case acpi.SpaceIO:
	case acpi.SpaceMemory:
		var err error
		stride = s.Stride()
		if addr, err = kcall.MapDevice(s.Address.Address, 8*stride); err != nil {
			klog.Warnf("serial: port of SPCR: %v", err)
			return 0
		}
	default:
		klog.Warnf("serial: SPCR names a port at %v, not used", s.Address)
		return 0
	}
	_, err := kcall.AddConsolePort(addr, stride, false)
	switch {
	case errors.Is(err, syscall.EEXIST):
	case errors.Is(err, syscall.ENODEV):
		klog.Warnf("serial: SPCR names a port at %v, but no UART answers there", s.Address)
	case err != nil:
		klog.Warnf("serial: port of SPCR at %v: %v", s.Address, err)
	default:
		klog.Infof("serial: SPCR names the port at %v: it has the log", s.Address)
	}
	return s.Address.Address
}
