package xhci

import (
	"fmt"
	"slices"
	"time"
)

// maxEvents bounds one round of drain: a controller that fills its ring without an end is
// broken.
const maxEvents = 16 * ringEntries

// Serve takes events. wait returns when there was an interrupt since its last call. Serve
// returns when the controller is no longer used.
func (c *Controller) Serve(wait func() error) error {
	for {
		err := c.drain()
		if err == nil {
			err = wait()
		}
		if err != nil {
			c.fail(err)
			return err
		}
	}
}

// drain takes all events.
func (c *Controller) drain() error {
	sts := c.r.load(opStatus)
	if sts == ^uint32(0) {
		return ErrGone
	}
	if sts&(stsFatal|stsBroken) != 0 {
		return fmt.Errorf("it reports an error, status %#x", sts)
	}
	c.r.store(opStatus, stsEvent)
	c.r.storeRuntime(intManage, managePending|manageEnable)
	for n := 0; n < maxEvents; n++ {
		c.mu.Lock()
		e, ok := c.events.take()
		if !ok || n%(ringEntries/2) == ringEntries/2-1 {
			c.taken(dequeueBusy)
		}
		c.mu.Unlock()
		if !ok {
			return nil
		}
		c.dispatch(e)
	}
	return fmt.Errorf("it has events without an end")
}

// dispatch gives an event to the goroutine or the keyboard that it is for.
func (c *Controller) dispatch(e event) {
	switch e.control & typeMask {
	case typeDone:
		c.mu.Lock()
		if w := c.waiting[e.param]; w != nil {
			w <- e // it has room for one
			delete(c.waiting, e.param)
		}
		c.mu.Unlock()
	case typePort:
		c.attend()
	case typeTransfer:
		c.mu.Lock()
		d := c.devices[e.slot()]
		if d != nil && slices.Contains(d.awaited, e.param) {
			d.awaited = nil
			d.done <- e // it has room for one
		}
		c.mu.Unlock()
		if d != nil && e.endpoint() != 1 {
			c.interrupted(d, e)
		}
	}
}

// fail ends the use of the controller: all that waits goes on with an error.
func (c *Controller) fail(err error) {
	c.mu.Lock()
	if c.broken == nil {
		c.broken = err
	}
	for at, w := range c.waiting {
		close(w)
		delete(c.waiting, at)
	}
	c.mu.Unlock()
	c.attend()
}

// failed returns why the controller is no longer used, nil while it is.
func (c *Controller) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// do gives the controller a command, and waits for its end.
func (c *Controller) do(what string, t trb) (event, error) {
	c.commands.Lock()
	defer c.commands.Unlock()
	w := make(chan event, 1)
	c.mu.Lock()
	if err := c.broken; err != nil {
		c.mu.Unlock()
		return event{}, err
	}
	at := c.command.add(t)
	c.waiting[at] = w
	c.mu.Unlock()
	c.r.ring(0, 0)
	select {
	case e, ok := <-w:
		if !ok {
			return e, c.failed()
		}
		if e.code() != codeSuccess {
			return e, fmt.Errorf("%s: completion code %d", what, e.code())
		}
		return e, nil
	case <-time.After(limitCommand * time.Duration(c.cfg.Scale)):
		c.mu.Lock()
		delete(c.waiting, at)
		c.mu.Unlock()
		return event{}, fmt.Errorf("%s: %w", what, ErrTimeout)
	}
}
