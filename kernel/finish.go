package main

import (
	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/power"
)

// preparePower finds out how to switch the machine off, and logs it if that is
// impossible.
func (m *hardware) preparePower() {
	steps, err := power.Off(m.fadt, m.s5)
	if err != nil {
		klog.Infof("%v: the machine stays on after the kernel's end", err)
	}
	m.offSteps = steps
}

// off switches the machine off with a status. It does not return.
func (m *hardware) off(status int) { m.finish(status&0xff, m.offSteps) }

// reset starts the machine again. It does not return.
func (m *hardware) reset() { m.finish(abi.Reset, power.Reset(m.fadt)) }

// finish hands steps to the core. A step on a register that cannot be mapped is
// left out.
func (m *hardware) finish(status int, steps []power.Step) {
	list := make([]abi.Step, 0, len(steps))
	for _, s := range steps {
		one := abi.Step{Op: uint32(s.Op), Bytes: uint32(s.Bytes), Mask: s.Mask, Value: s.Value, Addr: uintptr(s.Addr), WaitNS: uint64(s.Wait)}
		if s.Space == acpi.SpaceMemory {
			va, err := kcall.MapDevice(s.Addr, int(s.Bytes))
			if err != nil {
				klog.Warnf("power: %v", err)
				continue
			}
			one.Memory, one.Addr = 1, va
		}
		list = append(list, one)
	}
	if err := kcall.Finish(status, list); err != nil {
		klog.Errorf("power: %v", err)
	}
}
