package xhci

import (
	"errors"
	"fmt"
	"time"

	"muster/kernel/usb"
)

// port is a port of the controller or of a hub.
type port struct {
	device *device
	failed bool // what is plugged in cannot be used
}

// Times of a port.
//
// Source: Universal Serial Bus Specification 2.0, "Connect and Disconnect Signaling" and
// "Reset Signaling".
const (
	settle     = 100 * time.Millisecond // after a device was plugged in
	recovery   = 10 * time.Millisecond  // after a reset
	limitPort  = 500 * time.Millisecond // for a reset
	maxTries   = 3
	maxErrors  = 3 // of an endpoint, in a row
	maxDepth   = 5 // hubs in a row
	pollStatus = 5 * time.Millisecond
)

// manage looks after ports, hubs and endpoints whenever something has changed.
func (c *Controller) manage() {
	for range c.changed {
		for n := 1; n <= c.ports && c.failed() == nil; n++ {
			c.attendRoot(n)
			c.attendBelow(c.roots[n].device)
		}
		if c.failed() != nil {
			for _, r := range c.roots {
				if r.device != nil {
					c.close(r.device)
				}
			}
			return
		}
	}
}

// attendBelow looks after a device and those below it.
func (c *Controller) attendBelow(d *device) {
	if d == nil {
		return
	}
	c.mu.Lock()
	halted, dirty := d.halted, d.dirty
	d.halted, d.dirty = false, false
	c.mu.Unlock()
	if halted {
		c.revive(d)
	}
	if d.hub.Ports == 0 {
		return
	}
	for i := range d.below {
		if dirty {
			if err := c.attendHubPort(d, uint8(i+1)); err != nil {
				c.cfg.Log("xhci: port %v.%d: %v", d.place, i+1, err)
				dirty = false // the hub does not answer
			}
		}
		c.attendBelow(d.below[i].device)
	}
}

// revive lets an endpoint go on after an error. After several in a row it stays halted
// until the device is plugged in again.
func (c *Controller) revive(d *device) {
	c.mu.Lock()
	d.errors++
	n := d.errors
	c.mu.Unlock()
	if n > maxErrors {
		c.cfg.Log("xhci: port %v: no longer used: its reports have errors", d.place)
		return
	}
	if c.restart(typeResetEnd, d, d.index, d.in) != nil {
		return // it has gone, and its port says so
	}
	_, _ = c.request(d, usb.ClearHalt(d.endpoint)) // it may not have halted itself
	c.listen(d)
}

// plugged opens what was plugged in at a port, after reset has reset it, which returns the
// speed.
func (c *Controller) plugged(p *port, where place, reset func() (uint32, error)) {
	var err error
	for range maxTries {
		if where.speed, err = reset(); err != nil {
			continue
		}
		time.Sleep(recovery)
		if p.device, err = c.open(where); err == nil {
			return
		}
	}
	p.failed = true
	if !errors.Is(err, ErrGone) {
		c.cfg.Log("xhci: port %v: not used: %v", where, err)
	}
}

// unplugged closes what was at a port.
func (c *Controller) unplugged(p *port) {
	if p.device != nil {
		c.cfg.Log("xhci: port %v: unplugged", p.device.place)
		c.close(p.device)
	}
	*p = port{}
}

// attendRoot looks after one root port.
func (c *Controller) attendRoot(n int) {
	p := &c.roots[n]
	v := c.r.port(n)
	if v&portChanges != 0 {
		c.r.setPort(n, v&portKeep|v&portChanges)
	}
	if v&portConnect != 0 || v&portConnected == 0 {
		c.unplugged(p)
	}
	if v&portConnected == 0 || p.device != nil || p.failed {
		return
	}
	time.Sleep(settle)
	c.plugged(p, place{root: n}, func() (uint32, error) { return c.resetRoot(n) })
}

// resetRoot resets what is at a root port, and returns its speed. Ports of USB 3 enable
// themselves.
func (c *Controller) resetRoot(n int) (speed uint32, err error) {
	v := c.r.port(n)
	if v&portConnected == 0 {
		return 0, ErrGone
	}
	if v&portEnabled == 0 || v>>portSpeed&0xf < speedSuper {
		c.r.setPort(n, v&portKeep|portReset)
		done := func() bool {
			v = c.r.port(n)
			return v&portResetDone != 0 || v&portConnected == 0
		}
		if !c.r.wait(limitPort, c.cfg.Scale, done) {
			return 0, fmt.Errorf("reset: %w", ErrTimeout)
		}
		c.r.setPort(n, v&portKeep|portResetDone)
	}
	if v = c.r.port(n); v&portEnabled == 0 {
		return 0, errors.New("not enabled by its reset")
	}
	return v >> portSpeed & 0xf, nil
}
