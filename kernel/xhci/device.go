package xhci

import (
	"fmt"
	"sync"
	"time"

	"muster/kernel/keymap"
	"muster/kernel/usb"
)

// Speeds, as ports and slot contexts have them.
const (
	speedFull  = 1
	speedLow   = 2
	speedHigh  = 3
	speedSuper = 4
)

// place is where a device is plugged in.
type place struct {
	root   int     // the root port
	parent *device // the hub; nil at a root port
	port   uint8   // of the hub
	speed  uint32
}

// String returns the ports from the root on, as 3.1.
func (p place) String() string {
	if p.parent == nil {
		return fmt.Sprint(p.root)
	}
	return fmt.Sprintf("%v.%d", p.parent.place, p.port)
}

// device is a device that has a slot.
type device struct {
	place
	slot     int
	context  Page // the controller's
	input    Page // for commands
	buffer   Page // control requests in the first half, reports in the second
	control  *ring
	requests sync.Mutex
	awaited  []uint64 // addresses of the entries of the request that runs; guarded by mu of the controller
	done     chan event

	// The interrupt endpoint. mu of the controller is for in and what follows it.
	endpoint uint8
	index    uint32 // of its context
	size     int    // of a report
	in       *ring
	filled   [ringEntries]int // the place of the report, by the entry of the ring
	halted   bool
	errors   int  // in a row
	dirty    bool // a port of the hub has changed

	keys   *usb.Keys // of a keyboard
	lights chan keymap.LEDs
	gone   chan struct{}
	hub    usb.Hub // of a hub, as below
	below  []port
}

// limitRequest is how long a device may take for a request.
const limitRequest = time.Second

// The buffer's second half has the reports.
const (
	reportsAt  = pageBytes / 2
	reportRoom = 64
	reportsOut = 8 // that the controller may fill before the kernel looks
)

// word is the index of a word of a context in a page with contexts.
func (c *Controller) word(context, word int) int { return context*c.words + word }

// open makes a device of what is plugged in at a place, and finds out what it is.
func (c *Controller) open(p place) (d *device, err error) {
	e, err := c.do("a slot", trb{control: typeEnable})
	if err != nil {
		return nil, err
	}
	d = &device{place: p, slot: e.slot(), done: make(chan event, 1), gone: make(chan struct{}), lights: make(chan keymap.LEDs, 1)}
	if d.slot == 0 || d.slot > c.slots {
		return nil, fmt.Errorf("slot %d of %d", d.slot, c.slots)
	}
	if err = c.address(d); err == nil {
		err = c.identify(d)
	}
	if err != nil {
		c.close(d)
		return nil, err
	}
	return d, nil
}

// address gives a device its memory and an address.
func (c *Controller) address(d *device) (err error) {
	for _, p := range []*Page{&d.context, &d.input, &d.buffer} {
		if *p, err = c.page(); err != nil {
			return err
		}
	}
	if d.control, err = c.newRing(); err != nil {
		return err
	}
	c.mu.Lock()
	c.devices[d.slot] = d
	c.mu.Unlock()
	c.table.put64(2*d.slot, d.context.Address)
	d.input.put(c.word(0, 1), 1<<0|1<<1)
	c.slotContext(d, 1)
	packet := uint32(8)
	switch d.speed {
	case speedHigh:
		packet = 64
	case speedSuper:
		packet = 512
	}
	c.endpointContext(d, 1, kindControl, packet, 0, d.control, 8)
	_, err = c.do("an address", trb{param: d.input.Address, control: typeAddress | uint32(d.slot)<<24})
	return err
}

// slotContext fills the slot context of the input.
//
// Source: xHCI 1.2, "Slot Context".
func (c *Controller) slotContext(d *device, entries uint32) {
	route, root := d.route()
	slot, port := d.translator()
	isHub := uint32(0)
	if d.hub.Ports > 0 {
		isHub = 1 << 26
	}
	d.input.put(c.word(1, 0), route|d.speed<<20|isHub|entries<<27)
	d.input.put(c.word(1, 1), uint32(root)<<16|uint32(d.hub.Ports)<<24)
	d.input.put(c.word(1, 2), uint32(slot)|uint32(port)<<8|uint32(d.hub.Think)<<16)
}

// depth returns the number of hubs before a device.
func (p place) depth() (n int) {
	for ; p.parent != nil; p = p.parent.place {
		n++
	}
	return n
}

// route returns the ports of hubs, four bits for each, and the root port.
func (p place) route() (route uint32, root int) {
	for shift := 4 * (p.depth() - 1); p.parent != nil; shift -= 4 {
		route |= uint32(min(p.port, 15)) << shift
		p = p.parent.place
	}
	return route, p.root
}

// translator returns the slot and port of the hub that speaks to a slow device in the
// time of high speed, 0 if there is none.
func (d *device) translator() (slot int, port uint8) {
	if d.speed != speedFull && d.speed != speedLow {
		return 0, 0
	}
	for p := d.place; p.parent != nil; p = p.parent.place {
		if p.parent.speed == speedHigh {
			return p.parent.slot, p.port
		}
	}
	return 0, 0
}

// Kinds of endpoints, in bits 5:3 of their context.
const (
	kindControl   = 4
	kindInterrupt = 7
)

// endpointContext fills the context of an endpoint in the input.
//
// Source: xHCI 1.2, "Endpoint Context".
func (c *Controller) endpointContext(d *device, index int, kind, packet, interval uint32, r *ring, average uint32) {
	const errors = 3 << 1
	d.input.put(c.word(index+1, 0), interval<<16)
	d.input.put(c.word(index+1, 1), errors|kind<<3|packet<<16)
	d.input.put64(c.word(index+1, 2), r.next())
	if kind == kindInterrupt {
		average |= packet << 16
	}
	d.input.put(c.word(index+1, 4), average)
}

// request makes a control request. It returns the data from the device, or sends out.
func (c *Controller) request(d *device, r usb.Request, out ...byte) ([]byte, error) {
	d.requests.Lock()
	defer d.requests.Unlock()
	n := min(int(r.Length), reportsAt)
	for i := range (n + 3) / 4 {
		v := uint32(0)
		for j := 3; j >= 0; j-- {
			v <<= 8
			if 4*i+j < len(out) {
				v |= uint32(out[4*i+j])
			}
		}
		d.buffer.put(i, v)
	}
	setup := uint64(r.Type) | uint64(r.Code)<<8 | uint64(r.Value)<<16 | uint64(r.Index)<<32 | uint64(n)<<48
	kind, data, status := uint32(setupOut), uint32(0), uint32(trbIn)
	switch {
	case n == 0:
		kind = 0
	case r.IsIn():
		kind, data, status = setupIn, trbIn, 0
	}
	c.mu.Lock()
	if err := c.broken; err != nil {
		c.mu.Unlock()
		return nil, err
	}
	d.awaited = []uint64{d.control.add(trb{setup, 8, typeSetup | trbImmediate | kind})}
	if n > 0 {
		d.awaited = append(d.awaited, d.control.add(trb{d.buffer.Address, uint32(n), typeData | data}))
	}
	d.awaited = append(d.awaited, d.control.add(trb{0, 0, typeStatus | trbEvent | status}))
	c.mu.Unlock()
	c.r.ring(d.slot, 1)
	select {
	case e := <-d.done:
		switch e.code() {
		case codeSuccess, codeShort:
			return d.buffer.bytes(0, n), nil
		case codeStall:
			c.restart(typeResetEnd, d, 1, d.control)
		}
		return nil, fmt.Errorf("request %#x: completion code %d", r.Code, e.code())
	case <-d.gone:
		return nil, ErrGone
	case <-time.After(limitRequest * time.Duration(c.cfg.Scale)):
		c.giveUp(d)
		return nil, fmt.Errorf("request %#x: %w", r.Code, ErrTimeout)
	}
}

// giveUp takes a request without an answer off the ring: its transfer would go on, in the
// buffer of the next request. An answer that comes later is dropped.
func (c *Controller) giveUp(d *device) {
	c.mu.Lock()
	d.awaited = nil
	c.mu.Unlock()
	select {
	case <-d.done: // it came just now
	default:
	}
	_ = c.restart(typeStopEnd, d, 1, d.control) // if that fails the device has gone
}

// restart ends what an endpoint does, and lets it go on with what is put on its ring from
// now on. end is the command for that: typeResetEnd after an error, typeStopEnd else.
//
// Source: xHCI 1.2, "Reset Endpoint", "Stop Endpoint", "Set TR Dequeue Pointer".
func (c *Controller) restart(end uint32, d *device, index uint32, r *ring) error {
	where := index<<16 | uint32(d.slot)<<24
	if _, err := c.do("the end of a transfer", trb{control: end | where}); err != nil {
		return err
	}
	c.mu.Lock()
	next := r.next()
	c.mu.Unlock()
	_, err := c.do("restart of an endpoint", trb{param: next, control: typeSetDequeue | where})
	return err
}

// close ends a device, and those below it. Its pages are used again if the controller has
// let go of them.
func (c *Controller) close(d *device) {
	for i := range d.below {
		if b := d.below[i].device; b != nil {
			c.close(b)
		}
	}
	close(d.gone)
	if d.keys != nil {
		d.keys.End()
	}
	_, err := c.do("the end of a slot", trb{control: typeDisable | uint32(d.slot)<<24})
	c.mu.Lock()
	c.devices[d.slot] = nil
	c.mu.Unlock()
	if err != nil {
		return
	}
	c.table.put64(2*d.slot, 0)
	for _, p := range []Page{d.context, d.input, d.buffer} {
		if p.Words != nil {
			c.giveBack(p)
		}
	}
	for _, r := range []*ring{d.control, d.in} {
		if r != nil {
			c.giveBack(r.Page)
		}
	}
}
