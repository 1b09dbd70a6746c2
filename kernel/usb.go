package main

import (
	"fmt"
	"time"

	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/keymap"
	"muster/kernel/klog"
	"muster/kernel/mmio"
	"muster/kernel/options"
	"muster/kernel/pci"
	"muster/kernel/xhci"
)

// usbController is a host controller, and its registers.
type usbController struct {
	*pci.Function
	regs   memory
	direct uintptr // the direct map
}

// classXHCI is the class of host controllers with the interface of xHCI.
const classXHCI = 0x0c0330

// takeOverUSB takes the host controllers from the firmware.
func (m *hardware) takeOverUSB(opts options.Options) (list []*usbController) {
	for _, f := range m.functions() {
		if f.Class != classXHCI {
			continue
		}
		regs, err := mapBAR(f, 0)
		if err != nil {
			klog.Errorf("xhci: %v: not used: %v", f.Addr, err)
			continue
		}
		f.Use()
		if note := xhci.TakeOver(regs, opts.Scale); note != "" {
			klog.Warnf("xhci: %v: %s", f.Addr, note)
		}
		list = append(list, &usbController{f, regs, m.boot.DirectMap})
	}
	return list
}

// serve serves a controller for as long as the machine runs.
func (u *usbController) serve(opts options.Options, b *keymap.Board) {
	c, err := xhci.New(xhci.Config{Registers: u.regs, Page: u.page, Board: b, Log: klog.Infof, Scale: opts.Scale})
	if err != nil {
		klog.Errorf("xhci: %v: not used: %v", u.Addr, err)
		return
	}
	wait := u.interrupts()
	klog.Infof("xhci: %v: %v, layout %s", u.Addr, c, opts.Layout)
	c.Run()
	klog.Errorf("xhci: %v: no longer used: %v", u.Addr, c.Serve(wait))
}

// pollPeriod is how often a controller without MSI is looked at. The line
// of a PCI function is named only by the firmware's program, AML.
const pollPeriod = 8 * time.Millisecond

// interrupts returns a function that waits for the next interrupt.
func (u *usbController) interrupts() (wait func() error) {
	table := u.messageTable()
	event, err := irq.BindMSI(fmt.Sprintf("xhci %v", u.Addr), func(address uint64, data uint32) error {
		return u.UseMSI(pci.MSI{Address: address, Data: data}, table)
	})
	if err != nil {
		klog.Warnf("xhci: %v: looked at every %v: %v", u.Addr, pollPeriod, err)
		return func() error { time.Sleep(pollPeriod); return nil }
	}
	return event.Wait
}

// messageTable returns a function that maps the memory with the table of MSI-X, once.
func (u *usbController) messageTable() func(pci.BAR) (pci.Registers, error) {
	var mapped pci.Registers
	return func(b pci.BAR) (pci.Registers, error) {
		if mapped != nil {
			return mapped, nil
		}
		m, err := mapBAR(u.Function, b.Index)
		if err == nil {
			mapped = m
		}
		return m, err
	}
}

// page returns a page of zeros for the controller.
func (u *usbController) page() (xhci.Page, error) {
	p, err := kcall.AllocPage()
	if err != nil {
		return xhci.Page{}, fmt.Errorf("a page for the controller: %w", err)
	}
	return xhci.Page{Address: uint64(p), Words: &kcall.Slice[[1024]uint32](u.direct+uintptr(p), 1)[0]}, nil
}

// memory is a function's memory, mapped.
type memory struct{ base, bytes uintptr }

// maxMemory is more than the registers of any function that is used here.
const maxMemory = 1 << 20

// mapBAR maps the memory at a base address register.
func mapBAR(f *pci.Function, index int) (m memory, err error) {
	b, ok := f.Memory(index)
	if !ok {
		return m, fmt.Errorf("no memory at its base address register %d", index)
	}
	n := min(b.Size, maxMemory)
	va, err := kcall.MapDevice(b.Address, int(n))
	return memory{va, uintptr(n)}, err
}

// Load32 reads a register. One beyond the memory reads as all ones.
func (m memory) Load32(off uintptr) uint32 {
	if off > m.bytes-4 {
		return ^uint32(0)
	}
	return mmio.Load32(m.base + off)
}

// Store32 writes a register.
func (m memory) Store32(off uintptr, v uint32) {
	if off <= m.bytes-4 {
		mmio.Store32(m.base+off, v)
	}
}
