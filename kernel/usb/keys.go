package usb

import (
	"slices"
	"sync"
	"time"

	"muster/kernel/keymap"
)

// ReportLength is the length of a report of a keyboard under the boot protocol: a byte of
// modifiers, a reserved byte, and up to six keys that are down.
const ReportLength = 8

// Times of the key repeat. A USB keyboard does not repeat by itself.
const (
	repeatFirst = 500 * time.Millisecond
	repeatNext  = 33 * time.Millisecond
)

// Keys makes key events of the reports of one keyboard.
type Keys struct {
	keys *keymap.Keyboard

	mu    sync.Mutex
	down  []keymap.Key
	last  keymap.Key // repeats
	timer *time.Timer
	ended bool
}

// NewKeys returns the keys of a keyboard of a board.
func NewKeys(k *keymap.Keyboard) *Keys { return &Keys{keys: k} }

// rollover is in the place of each key when more are down than a report has room for.
const rollover = 1

// Report takes a report.
func (k *Keys) Report(b []byte) {
	if len(b) < ReportLength || b[2] == rollover {
		return
	}
	var now []keymap.Key
	for i := range 8 {
		if b[0]>>i&1 != 0 {
			now = append(now, keymap.LeftControl+keymap.Key(i))
		}
	}
	for _, x := range b[2:ReportLength] {
		if x > 3 { // below are errors
			now = append(now, keymap.Key(x))
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		return
	}
	before := k.down
	k.down = now
	for _, x := range before {
		if !slices.Contains(now, x) {
			k.keys.Key(keymap.Event{Key: x})
			if x == k.last {
				k.repeat(keymap.KeyNone)
			}
		}
	}
	for _, x := range now {
		if !slices.Contains(before, x) {
			k.keys.Key(keymap.Event{Key: x, Down: true})
			k.repeat(x)
		}
	}
}

// repeat makes a key the one that repeats, or none.
//
// Locks: k.mu held; not asserted: a sync.Mutex does not record its holder.
func (k *Keys) repeat(x keymap.Key) {
	if x >= keymap.LeftControl { // a modifier neither repeats nor ends another key's repeat
		return
	}
	if k.timer != nil {
		k.timer.Stop()
	}
	k.last = x
	if x != keymap.KeyNone {
		k.again(x, repeatFirst)
	}
}

// again presses the key once more after a time, and so on.
//
// Locks: k.mu held; not asserted: a sync.Mutex does not record its holder.
func (k *Keys) again(x keymap.Key, after time.Duration) {
	var t *time.Timer
	t = time.AfterFunc(after, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.timer == t && k.last == x {
			k.keys.Key(keymap.Event{Key: x, Down: true})
			k.again(x, repeatNext)
		}
	})
	k.timer = t
}

// End releases all keys: the keyboard has gone.
func (k *Keys) End() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.repeat(keymap.KeyNone)
	k.timer, k.ended = nil, true
	k.keys.Detach()
}

// Lights returns the byte of a report to a keyboard.
func Lights(l keymap.LEDs) (v uint8) {
	if l.Num {
		v |= 1
	}
	if l.Caps {
		v |= 2
	}
	return v
}
