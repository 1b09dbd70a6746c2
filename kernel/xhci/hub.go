package xhci

import (
	"errors"
	"fmt"
	"time"

	"muster/kernel/usb"
)

// useHub takes a hub into use: its ports get power, and its endpoint says which of them
// have changed.
func (c *Controller) useHub(d *device, conf uint8, i usb.Interface) error {
	if d.depth() >= maxDepth {
		return errors.New("too many hubs in a row")
	}
	// The descriptor comes first: the slot's context, which configure writes, has a part of it.
	b, err := c.request(d, usb.GetHub())
	if err != nil {
		return err
	}
	h, err := usb.ParseHub(b)
	if err != nil {
		return err
	}
	if h.Ports == 0 || h.Ports > 15 {
		return fmt.Errorf("a hub with %d ports", h.Ports)
	}
	d.hub = h
	if err := c.configure(d, conf, i.In); err != nil {
		return err
	}
	for n := uint8(1); n <= h.Ports; n++ {
		if _, err := c.request(d, usb.SetPort(n, usb.PortPower)); err != nil {
			return err
		}
	}
	time.Sleep(time.Duration(h.PowerMS) * time.Millisecond)
	d.below = make([]port, h.Ports)
	c.mu.Lock()
	d.dirty = true // what was plugged in before
	c.mu.Unlock()
	c.listen(d)
	c.attend()
	return nil
}

// hubPort reads the status of a hub's port, and acknowledges its changes.
func (c *Controller) hubPort(d *device, n uint8) (v uint32, err error) {
	b, err := c.request(d, usb.GetPort(n))
	if err != nil {
		return 0, err
	}
	v = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	for bit := uint16(16); bit < 32; bit++ {
		if v&usb.PortChanges&(1<<bit) != 0 {
			if _, err := c.request(d, usb.ClearPort(n, bit)); err != nil {
				return v, err
			}
		}
	}
	return v, nil
}

// attendHubPort looks after one port of a hub.
func (c *Controller) attendHubPort(d *device, n uint8) error {
	p := &d.below[n-1]
	v, err := c.hubPort(d, n)
	if err != nil {
		return err
	}
	if v>>16&usb.PortConnected != 0 || v&usb.PortConnected == 0 {
		c.unplugged(p)
	}
	if v&usb.PortConnected == 0 || p.device != nil || p.failed {
		return nil
	}
	time.Sleep(settle)
	c.plugged(p, place{parent: d, port: n}, func() (uint32, error) { return c.resetHubPort(d, n) })
	return nil
}

// resetHubPort resets what is at a port of a hub, and returns its speed.
func (c *Controller) resetHubPort(d *device, n uint8) (speed uint32, err error) {
	if _, err := c.request(d, usb.SetPort(n, usb.PortReset)); err != nil {
		return 0, err
	}
	var v uint32
	for end := time.Now().Add(limitPort * time.Duration(c.cfg.Scale)); ; {
		if v, err = c.hubPort(d, n); err != nil {
			return 0, err
		}
		if v&usb.PortConnected == 0 {
			return 0, ErrGone
		}
		if v>>16&(1<<usb.PortReset) != 0 || v&usb.PortEnabled != 0 {
			break
		}
		if time.Now().After(end) {
			return 0, fmt.Errorf("reset: %w", ErrTimeout)
		}
		time.Sleep(pollStatus)
	}
	switch {
	case v&usb.PortEnabled == 0:
		return 0, errors.New("not enabled by its reset")
	case v&usb.PortLow != 0:
		return speedLow, nil
	case v&usb.PortHigh != 0:
		return speedHigh, nil
	}
	return speedFull, nil
}
