// Package xhci drives a USB host controller of the kind xHCI as far as keyboards need it:
// root ports, hubs, and keyboards with the boot protocol, plugged and unplugged at any
// time.
//
// One goroutine takes events (Serve), and one looks after ports (manage), because a
// request to a device waits for an event.
//
// Layer: pure.
// Context: any goroutine.
// Locks: Controller.mu guards rings and waiting requests; Controller.commands and
// device.requests admit one command, and one request to a device, at a time. A goroutine
// that holds one of these takes mu, not the other way round.
// Manual: eXtensible Host Controller Interface for Universal Serial Bus 1.2.
// Chapter: docs/13-devices.md.
// Left out: streams, isochronous and bulk transfers, hubs of USB 3, whose USB 2 half has the
// keyboards, power management, and the switch of ports between EHCI and xHCI that Intel's
// chipsets of the 7 and 8 series have.
package xhci

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"muster/kernel/keymap"
)

// Registers is the controller's memory, mapped.
type Registers interface {
	Load32(off uintptr) uint32
	Store32(off uintptr, v uint32)
}

// Page is a page of memory that the controller reads and writes.
type Page struct {
	Address uint64 // physical
	Words   *[pageBytes / 4]uint32
}

const pageBytes = 4096

// Config connects a controller with the rest of the machine.
type Config struct {
	Registers Registers
	Page      func() (Page, error) // returns a page of zeros
	Board     *keymap.Board
	Log       func(format string, args ...any)
	Scale     int // how much longer waits may take than on an idle machine; 0 is 1
}

// Controller is a controller in use.
type Controller struct {
	cfg      Config
	r        registers
	wide     bool // addresses may have 64 bits
	slots    int
	ports    int
	words    int // of a context
	table    Page
	free     []Page // of devices that have gone
	command  *ring
	commands sync.Mutex

	mu      sync.Mutex
	events  eventRing
	waiting map[uint64]chan event // for the end of commands, by address
	devices [256]*device          // by slot
	broken  error                 // the controller is no longer used
	changed chan struct{}         // a port, a hub or an endpoint may need attention
	roots   []port
}

// Errors.
var (
	ErrGone    = errors.New("the controller does not answer")
	ErrTimeout = errors.New("no answer in time")
	ErrHigh    = errors.New("memory above 4 GiB, which the controller cannot reach")
)

// Limits on an idle machine.
const (
	limitHandover = time.Second
	limitHalt     = 100 * time.Millisecond
	limitReset    = time.Second
	limitCommand  = 2 * time.Second
)

// TakeOver ends the firmware's use of a controller: its SMIs, which make a PS/2 keyboard of
// a USB keyboard. The note says what did not go as it should.
func TakeOver(regs Registers, scale int) (note string) {
	r := registers{mem: regs}
	at := uintptr(regs.Load32(regHCC1)>>16) * 4
	for range maxExtended {
		if at == 0 {
			return ""
		}
		head := regs.Load32(at)
		if head == ^uint32(0) {
			return ""
		}
		if head&0xff == extendedLegacy {
			regs.Store32(at, head|legacyOS)
			if !r.wait(limitHandover, scale, func() bool { return regs.Load32(at)&legacyBIOS == 0 }) {
				regs.Store32(at, regs.Load32(at)&^legacyBIOS|legacyOS)
				note = "the firmware did not hand it over"
			}
			regs.Store32(at+4, regs.Load32(at+4)&legacyKeep|legacyEvents)
			return note
		}
		next := uintptr(head>>8&0xff) * 4
		if next == 0 {
			return note
		}
		at += next
	}
	return "its list of capabilities has no end"
}

// New resets a controller and prepares it. Run starts it.
func New(cfg Config) (*Controller, error) {
	cfg.Scale = max(cfg.Scale, 1)
	c := &Controller{cfg: cfg, waiting: map[uint64]chan event{}, changed: make(chan struct{}, 1)}
	if err := c.reset(); err != nil {
		return nil, err
	}
	hcc, p1 := c.r.mem.Load32(regHCC1), c.r.mem.Load32(regHCS1)
	c.wide, c.words = hcc&hccWide != 0, 8
	if hcc&hccContext != 0 {
		c.words = 16
	}
	c.slots, c.ports = int(p1&0xff), int(p1>>24)
	c.roots = make([]port, c.ports+1)
	if c.slots == 0 || c.ports == 0 {
		return nil, errors.New("it has no slots or no ports")
	}
	return c, c.prepare()
}

// reset halts the controller and resets it.
func (c *Controller) reset() error {
	r, err := findRegisters(c.cfg.Registers)
	if err != nil {
		return err
	}
	c.r = r
	r.store(opCommand, r.load(opCommand)&^(cmdRun|cmdInterrupts))
	if !r.wait(limitHalt, c.cfg.Scale, func() bool { return r.load(opStatus)&stsHalted != 0 }) {
		return errors.New("it does not halt")
	}
	r.store(opCommand, cmdReset)
	done := func() bool { return r.load(opCommand)&cmdReset == 0 && r.load(opStatus)&stsNotReady == 0 }
	if !r.wait(limitReset, c.cfg.Scale, done) {
		return errors.New("its reset does not end")
	}
	if r.load(opStatus) == ^uint32(0) {
		return ErrGone
	}
	if r.load(opPageSize)&1 == 0 {
		return errors.New("it has no pages of 4 KiB")
	}
	return nil
}

// prepare gives the controller its memory.
func (c *Controller) prepare() (err error) {
	if c.table, err = c.page(); err != nil {
		return err
	}
	if err := c.scratch(); err != nil {
		return err
	}
	if c.command, err = c.newRing(); err != nil {
		return err
	}
	if err := c.prepareEvents(); err != nil {
		return err
	}
	c.r.store(opConfig, uint32(c.slots))
	c.r.store64(opContexts, c.table.Address)
	c.r.store64(opCommandRing, c.command.Address|1) // its cycle
	return nil
}

// scratch gives the controller the pages that it requests for itself.
func (c *Controller) scratch() error {
	p2 := c.r.mem.Load32(regHCS2)
	n := int(p2>>21&0x1f)<<5 | int(p2>>27)
	if n == 0 {
		return nil
	}
	if n > pageBytes/8 {
		return fmt.Errorf("it requests %d pages for itself", n)
	}
	list, err := c.page()
	if err != nil {
		return err
	}
	for i := range n {
		p, err := c.page()
		if err != nil {
			return err
		}
		list.put64(2*i, p.Address)
	}
	c.table.put64(0, list.Address)
	return nil
}

// page returns a page of zeros.
func (c *Controller) page() (Page, error) {
	c.mu.Lock()
	if n := len(c.free); n > 0 {
		p := c.free[n-1]
		c.free = c.free[:n-1]
		c.mu.Unlock()
		for i := range p.Words {
			p.put(i, 0)
		}
		return p, nil
	}
	c.mu.Unlock()
	p, err := c.cfg.Page()
	if err == nil && !c.wide && p.Address > 1<<32-pageBytes {
		err = ErrHigh
	}
	return p, err
}

// giveBack takes pages that the controller does not use any more.
func (c *Controller) giveBack(pages ...Page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, pages...)
}

// Run starts the controller, and the goroutine that looks after its ports.
func (c *Controller) Run() {
	c.r.store(opCommand, cmdRun|cmdInterrupts)
	for n := 1; n <= c.ports; n++ { // after a reset, ports of some controllers have none
		if v := c.r.port(n); v&portPower == 0 {
			c.r.setPort(n, v&portKeep|portPower)
		}
	}
	c.attend()
	go c.manage()
}

// attend lets manage look at everything.
func (c *Controller) attend() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// String says what the controller has.
func (c *Controller) String() string { return fmt.Sprintf("%d ports, %d slots", c.ports, c.slots) }
