package ps2

import (
	"sync"
	"time"

	"muster/kernel/keymap"
)

// Commands of the keyboard, and what it says beside keys.
//
// Source: IBM PS/2 Technical Reference, "Keyboard (101- and 102-Key)", "Commands from the
// System" and "Commands to the System".
const (
	keysLEDs     = 0xed // with a byte
	keysSet      = 0xf0 // with a byte
	keysRepeat   = 0xf3 // with a byte
	keysOn       = 0xf4
	keysDefaults = 0xf5 // and no more keys until keysOn

	keyboardFresh = 0xaa // plugged in, and its own test was good
	keyboardAck   = 0xfa
	keyboardAgain = 0xfe // it has not understood the last byte
	keyboardLost  = 0x00 // more keys than it can hold; 0xff in set 1
	keyboardLost1 = 0xff

	ledNum  = 1 << 1
	ledCaps = 1 << 2

	// repeatRate is 500 ms, and then 30 times a second.
	repeatRate = 1 << 5
)

// identify finds out, by polling, whether there is a keyboard, and silences it.
func (c *Controller) identify() bool {
	for range 2 { // the first byte after the port was off may be lost
		if c.send(keysDefaults) != nil {
			return false
		}
		for range maxFlush {
			v, err := c.receive(limitKeys)
			if err != nil || v == keyboardAgain {
				break
			}
			if v == keyboardAck {
				return true
			}
		}
	}
	return false
}

// commands is the bytes for the keyboard. It answers each with keyboardAck before it
// takes the next.
type commands struct {
	mu     sync.Mutex
	on     bool  // the answers are read
	lights uint8 // as the board has them
	queue  []uint8
	sent   bool // the first of queue
	at     time.Time
	failed int // how often it has not understood the first of queue
}

// Bounds of a command: what is not answered is dropped when the next command comes.
const (
	maxAgain    = 3
	maxCommands = 32
	limitAck    = time.Second
)

// SetLEDs switches the lights. It does not wait for them.
func (c *Controller) SetLEDs(l keymap.LEDs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lights = 0
	if l.Num {
		c.lights |= ledNum
	}
	if l.Caps {
		c.lights |= ledCaps
	}
	if c.on {
		c.say(keysLEDs, c.lights)
	}
}

// setUp chooses what a new keyboard sends, and lets it begin.
func (c *Controller) setUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = true
	if c.decode.Set2 {
		c.say(keysSet, 2)
	}
	c.say(keysRepeat, repeatRate, keysLEDs, c.lights, keysOn)
}

// say appends bytes to the queue, and sends the first if the keyboard is free.
//
// Locks: c.mu held; not asserted: a sync.Mutex does not record its holder.
func (c *Controller) say(bytes ...uint8) {
	late := c.sent && c.m.Now().Sub(c.at) > limitAck*time.Duration(c.cfg.Scale)
	if late || len(c.queue) > maxCommands {
		c.queue, c.sent = nil, false
	}
	c.queue = append(c.queue, bytes...)
	c.next()
}

// next sends the first byte of the queue.
//
// Locks: c.mu held; not asserted: a sync.Mutex does not record its holder.
func (c *Controller) next() {
	if c.sent || len(c.queue) == 0 {
		return
	}
	if c.send(c.queue[0]) != nil {
		c.queue = nil
		return
	}
	c.sent, c.at = true, c.m.Now()
}

// answered takes the keyboard's answer to the byte that was sent.
func (c *Controller) answered(again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sent {
		return
	}
	c.sent = false
	if again && c.failed < maxAgain {
		c.failed++
	} else {
		c.failed = 0
		c.queue = c.queue[1:]
	}
	c.next()
}

// take takes a byte from the keyboard.
func (c *Controller) take(v uint8) {
	switch {
	case v == keyboardAck || v == keyboardAgain:
		c.answered(v == keyboardAgain)
	case v == keyboardFresh && c.decode.Fresh():
		c.keys.ReleaseAll()
		c.setUp()
		c.keys.Present()
	case v == keyboardLost || v == keyboardLost1:
		c.keys.ReleaseAll()
	default:
		if e, ok := c.decode.Add(v); ok {
			c.keys.Key(e)
		}
	}
}
