package main

import (
	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/irq"
	"muster/kernel/klog"
)

// clockInterrupt is the ISA interrupt of the CMOS clock.
const clockInterrupt = 8

// The registers of the CMOS clock.
//
// Source: Motorola MC146818A data sheet, "Registers".
const (
	cmosIndex    = 0x70
	cmosData     = 0x71
	cmosControl  = 0x0b
	cmosPeriodic = 1 << 6 // interrupt periodically, until register C is read
)

// storm makes a line storm, for fault=irq:storm: the CMOS clock raises its line, nothing
// ever makes it lower the line, and the line is level-triggered.
func (m *hardware) storm() {
	line := m.isa(clockInterrupt)
	line.Low, line.Level = false, true
	if _, err := irq.Bind("storm", line, abi.ActionNothing); err != nil {
		klog.Errorf("irq: no storm: %v", err)
		return
	}
	cpu.Out8(cmosIndex, cmosControl)
	control := cpu.In8(cmosData)
	cpu.Out8(cmosIndex, cmosControl)
	cpu.Out8(cmosData, control|cmosPeriodic)
}
