package keymap

import (
	"slices"
	"sync"
)

// Board is all keyboards of the machine together: Shift of one counts for a letter of
// another, and the locks are common.
type Board struct {
	Out     func(p []byte) // gets the bytes of each key; must not block
	Restart func()         // is called for Control-Alt-Delete
	Found   func()         // is called when a keyboard is there; must not block

	mu     sync.Mutex
	layout *Layout
	held   [256]int // on how many keyboards a key is down
	locks  LEDs
	accent rune // a dead key that waits for the next key
	list   []*Keyboard
}

// LEDs is the lights of a keyboard, and the locks that they show.
type LEDs struct{ Num, Caps bool }

// NewBoard returns a board without keyboards.
func NewBoard(l *Layout) *Board { return &Board{layout: l} }

// Keyboard is one keyboard of a board.
type Keyboard struct {
	board *Board
	down  [256]bool
	light func(LEDs)
}

// Attach adds a keyboard. light switches its lights; it must not block, and must not call
// the board.
func (b *Board) Attach(light func(LEDs)) *Keyboard {
	k := &Keyboard{board: b, light: light}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, k)
	light(b.locks)
	return k
}

// Present says that the keyboard answers. PS/2 has a place for a keyboard, which may be empty.
func (k *Keyboard) Present() {
	if k.board.Found != nil {
		k.board.Found()
	}
}

// Detach releases the keys of a keyboard, and removes it.
func (k *Keyboard) Detach() {
	k.ReleaseAll()
	b := k.board
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = slices.DeleteFunc(b.list, func(x *Keyboard) bool { return x == k })
}

// ReleaseAll says that no key is down any more: the keyboard has lost count.
func (k *Keyboard) ReleaseAll() {
	k.board.mu.Lock()
	defer k.board.mu.Unlock()
	for i, down := range k.down {
		if down {
			k.down[i] = false
			k.board.held[i]--
		}
	}
}

// Key takes an event. A key that goes down while it is down repeats.
func (k *Keyboard) Key(e Event) {
	b := k.board
	b.mu.Lock()
	restart := false
	again := k.down[e.Key]
	switch {
	case !e.Down:
		if again {
			k.down[e.Key] = false
			b.held[e.Key]--
		}
	case again && (e.Key.isModifier() || e.Key.isLock()):
	default:
		if !again {
			k.down[e.Key] = true
			b.held[e.Key]++
		}
		restart = b.press(e.Key)
	}
	b.mu.Unlock()
	if restart && b.Restart != nil {
		b.Restart()
	}
}

// mods is the modifiers that are down.
type mods struct{ shift, control, alt, third bool }

func (b *Board) mods() mods {
	right := b.held[RightAlt] > 0
	return mods{
		shift:   b.held[LeftShift]+b.held[RightShift] > 0,
		control: b.held[LeftControl]+b.held[RightControl] > 0,
		alt:     b.held[LeftAlt] > 0 || right && !b.layout.altGr,
		third:   right && b.layout.altGr,
	}
}

// press does what a key does when it goes down or repeats. It reports whether the
// machine is to restart.
//
// Locks: b.mu held; not asserted: a sync.Mutex does not record its holder.
func (b *Board) press(k Key) (restart bool) {
	m := b.mods()
	switch {
	case k.isModifier():
	case k == KeyCapsLock:
		b.locks.Caps = !b.locks.Caps
		b.lights()
	case k == KeyNumLock:
		b.locks.Num = !b.locks.Num
		b.lights()
	case (k == KeyDelete || k == PadDot) && m.control && (m.alt || m.third):
		return true
	default:
		if p := b.text(k, m); len(p) > 0 {
			b.Out(p)
		}
	}
	return false
}

func (b *Board) lights() {
	for _, k := range b.list {
		k.light(b.locks)
	}
}
