package xhci

import (
	"fmt"
	"math/bits"
	"slices"

	"muster/kernel/keymap"
	"muster/kernel/usb"
)

// identify reads a device's descriptors, and takes a keyboard or a hub into use.
func (c *Controller) identify(d *device) error {
	b, err := c.request(d, usb.GetDevice(8))
	if err != nil {
		return err
	}
	desc, err := usb.ParseDevice(b)
	if err != nil {
		return err
	}
	if d.speed == speedFull && desc.MaxPacket != 8 {
		if err := c.packetSize(d, desc.MaxPacket); err != nil {
			return err
		}
	}
	if b, err = c.request(d, usb.GetDevice(18)); err != nil {
		return err
	}
	if desc, err = usb.ParseDevice(b); err != nil {
		return err
	}
	if b, err = c.request(d, usb.GetConfiguration(9)); err != nil {
		return err
	}
	n, err := usb.ConfigurationLength(b)
	if err != nil {
		return err
	}
	if b, err = c.request(d, usb.GetConfiguration(n)); err != nil {
		return err
	}
	conf, err := usb.ParseConfiguration(b)
	if err != nil {
		return err
	}
	kind, err := c.use(d, conf)
	if err != nil {
		return err
	}
	c.cfg.Log("xhci: port %v: %04x:%04x, %s", d.place, desc.Vendor, desc.Product, kind)
	return nil
}

// packetSize corrects the size of packets of endpoint 0, which was guessed.
func (c *Controller) packetSize(d *device, n uint8) error {
	if !slices.Contains([]uint8{16, 32, 64}, n) {
		return fmt.Errorf("packets of %d bytes", n)
	}
	d.input.put(c.word(0, 1), 1<<1)
	c.endpointContext(d, 1, kindControl, uint32(n), 0, d.control, 8)
	_, err := c.do("a packet size", trb{param: d.input.Address, control: typeEvaluate | uint32(d.slot)<<24})
	return err
}

// use takes the first keyboard or hub of a configuration into use.
func (c *Controller) use(d *device, conf usb.Configuration) (kind string, err error) {
	for _, i := range conf.Interfaces {
		switch {
		case i.IsKeyboard():
			return "a keyboard", c.useKeyboard(d, conf.Value, i)
		case i.IsHub() && d.speed < speedSuper:
			return "a hub", c.useHub(d, conf.Value, i)
		}
	}
	return "not a keyboard, not used", nil
}

// configure chooses a configuration, and prepares the endpoint with the reports.
func (c *Controller) configure(d *device, conf uint8, e usb.Endpoint) (err error) {
	if _, err := c.request(d, usb.SetConfiguration(conf)); err != nil {
		return err
	}
	in, err := c.newRing()
	if err != nil {
		return err
	}
	d.endpoint, d.index = e.Address, uint32(e.Address&0xf)*2+1
	d.size = min(int(e.MaxPacket), reportRoom)
	c.mu.Lock()
	d.in = in // publishes the fields above to interrupted: the controller may send an event without a request
	c.mu.Unlock()
	if d.size == 0 || d.index < 3 {
		return fmt.Errorf("endpoint %#x with packets of %d bytes", e.Address, e.MaxPacket)
	}
	d.input.put(c.word(0, 1), 1<<0|1<<d.index)
	c.slotContext(d, d.index)
	c.endpointContext(d, int(d.index), kindInterrupt, uint32(e.MaxPacket), interval(d.speed, e.Interval), d.in, uint32(d.size))
	_, err = c.do("an endpoint", trb{param: d.input.Address, control: typeConfigure | uint32(d.slot)<<24})
	return err
}

// interval returns how often an endpoint is polled, as the power of two of 125
// microseconds.
//
// Source: xHCI 1.2, "Interval".
func interval(speed uint32, given uint8) uint32 {
	if speed >= speedHigh {
		return uint32(min(max(given, 1), 16)) - 1
	}
	return uint32(min(max(bits.Len(uint(given)*8)-1, 3), 10)) // given in milliseconds
}

func (c *Controller) useKeyboard(d *device, conf uint8, i usb.Interface) error {
	if err := c.configure(d, conf, i.In); err != nil {
		return err
	}
	if _, err := c.request(d, usb.SetBootProtocol(i.Number)); err != nil {
		return err
	}
	// A keyboard may refuse it: it then sends reports that say nothing new.
	_, _ = c.request(d, usb.SetIdle(i.Number))
	board := c.cfg.Board.Attach(func(l keymap.LEDs) { d.light(l) })
	keys := usb.NewKeys(board)
	c.mu.Lock()
	d.keys = keys
	c.mu.Unlock()
	go c.shine(d, i.Number)
	c.listen(d)
	board.Present()
	return nil
}

// light remembers the newest state of the lights, for shine.
func (d *device) light(l keymap.LEDs) {
	for {
		select {
		case d.lights <- l:
			return
		default:
		}
		select {
		case <-d.lights:
		default:
		}
	}
}

// shine switches the lights of a keyboard until it is gone. A keyboard without lights may
// refuse.
func (c *Controller) shine(d *device, iface uint8) {
	for {
		select {
		case <-d.gone:
			return
		case l := <-d.lights:
			_, _ = c.request(d, usb.SetLights(iface), usb.Lights(l))
		}
	}
}

// listen gives the controller places for reports.
func (c *Controller) listen(d *device) {
	c.mu.Lock()
	for i := range reportsOut {
		d.want(i)
	}
	c.mu.Unlock()
	c.r.ring(d.slot, d.index)
}

// want gives the controller one place for a report.
//
// Locks: mu of the controller held; not asserted: a sync.Mutex does not record its holder.
func (d *device) want(place int) {
	d.filled[d.in.at] = place
	d.in.add(trb{d.buffer.Address + reportsAt + uint64(place)*reportRoom, uint32(d.size), typeNormal | trbEvent | trbShort})
}

// interrupted takes the event of a report.
func (c *Controller) interrupted(d *device, e event) {
	c.mu.Lock()
	keys := d.keys
	if d.in == nil || e.endpoint() != d.index || e.param-d.in.Address >= pageBytes {
		c.mu.Unlock()
		return
	}
	if code := e.code(); code != codeSuccess && code != codeShort {
		d.halted = true
		c.mu.Unlock()
		c.attend()
		return
	}
	d.errors = 0
	place := d.filled[(e.param-d.in.Address)/16]
	n := d.size - int(e.status&0xffffff)
	report := d.buffer.bytes(reportsAt+place*reportRoom, max(n, 0))
	d.dirty = true
	d.want(place)
	c.mu.Unlock()
	c.r.ring(d.slot, d.index)
	if keys != nil {
		keys.Report(report)
	} else {
		c.attend() // a hub
	}
}
