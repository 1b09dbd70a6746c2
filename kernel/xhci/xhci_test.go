package xhci

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/keymap"
)

// running is a simulated controller in use.
type running struct {
	*simulated
	mu   sync.Mutex
	out  string
	log  []string
	err  error
	quit chan struct{}
}

// run starts the driver on a simulated controller, in a bubble of simulated time.
func run(t *testing.T, s *simulated) *running {
	s.wake = make(chan struct{}, 1) // of this bubble
	x := &running{simulated: s, quit: make(chan struct{})}
	board := keymap.NewBoard(keymap.Find("us"))
	board.Out = func(p []byte) { x.mu.Lock(); x.out += string(p); x.mu.Unlock() }
	c, err := New(Config{Registers: s, Page: s.page, Board: board,
		Log: func(f string, a ...any) { x.mu.Lock(); x.log = append(x.log, fmt.Sprintf(f, a...)); x.mu.Unlock() }})
	require.NoError(t, err)
	c.Run()
	end := errors.New("the end of the test")
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.err = c.Serve(func() error {
			select {
			case <-s.wake:
				return nil
			case <-x.quit:
				return end
			}
		})
	}()
	t.Cleanup(func() {
		close(x.quit)
		<-done
		pass(time.Minute) // until manage has ended
	})
	return x
}

func (x *running) typed() string {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.out
}

func (x *running) said() string {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Join(x.log, "\n")
}

// in runs a test in a bubble.
func in(t *testing.T, s *simulated, f func(t *testing.T, x *running)) {
	synctest.Test(t, func(t *testing.T) { f(t, run(t, s)) })
}

const ready = "xhci: port 1: 0627:0001, a keyboard"

// A keyboard is found, and its reports are keys: 1,000 of them, so that each ring goes
// round several times.
func TestKeyboard(t *testing.T) {
	in(t, newSimulated(), func(t *testing.T, x *running) {
		x.plug(true)
		pass(time.Second)
		require.Equal(t, ready, x.said())
		require.Equal(t, []byte{6, 6, 6, 6, 9, 11, 10, 9}, x.requests())
		want := ""
		for i := range 500 {
			require.True(t, x.report(codeSuccess, 0, 0, 4+byte(i%26)))
			synctest.Wait()
			require.True(t, x.report(codeSuccess))
			synctest.Wait()
			want += string(rune('a' + i%26))
		}
		require.Equal(t, want, x.typed())
	})
}

// A burst of reports, as many as there are places, is taken in order.
func TestBurst(t *testing.T) {
	in(t, newSimulated(), func(t *testing.T, x *running) {
		x.plug(true)
		pass(time.Second)
		for i := range byte(reportsOut) {
			require.True(t, x.report(codeSuccess, 0, 0, 4+i))
		}
		require.Equal(t, "abcdefgh", x.typed())
	})
}

// Caps Lock is a request with the byte of the lights.
func TestLights(t *testing.T) {
	in(t, newSimulated(), func(t *testing.T, x *running) {
		x.plug(true)
		pass(time.Second)
		x.report(codeSuccess, 0, 0, 0x39)
		pass(time.Second)
		require.Equal(t, []byte{0x21, 9, 0, 2, 0, 0, 1, 0, 2}, x.got[len(x.got)-1])
	})
}

// A keyboard that refuses requests which it may refuse is used all the same.
func TestRefused(t *testing.T) {
	s := newSimulated()
	s.refuse[10] = true // SET_IDLE
	in(t, s, func(t *testing.T, x *running) {
		x.plug(true)
		pass(time.Second)
		require.Equal(t, ready, x.said())
		x.report(codeSuccess, 0, 0, 4)
		require.Equal(t, "a", x.typed())
		codes := x.requests()
		require.Equal(t, []byte{10, 9}, codes[len(codes)-2:], "the lights, after the refused request")
	})
}

// One that refuses what it must not refuse is tried three times, and then again only after it was
// plugged in again. No slot is left over.
func TestUnusable(t *testing.T) {
	s := newSimulated()
	s.refuse[11] = true // SET_PROTOCOL
	in(t, s, func(t *testing.T, x *running) {
		x.plug(true)
		pass(10 * time.Second)
		require.Equal(t, "xhci: port 1: not used: request 0xb: completion code 6", x.said())
		require.Equal(t, 3, strings.Count(string(x.requests()), "\x0b"))
		require.Zero(t, x.enabled)
		x.simulated.mu.Lock()
		x.refuse = nil
		x.simulated.mu.Unlock()
		x.plug(false)
		pass(time.Second)
		x.plug(true)
		pass(time.Second)
		require.Contains(t, x.said(), ready)
	})
}

// A request without an answer is given up, and leaves the ring: the next one is answered.
func TestUnansweredRequest(t *testing.T) {
	in(t, newSimulated(), func(t *testing.T, x *running) {
		x.plug(true)
		pass(time.Second)
		before := len(x.got)
		x.slow[9] = true
		x.report(codeSuccess, 0, 0, 0x39)
		pass(3 * time.Second)
		require.Len(t, x.got, before)
		require.Nil(t, x.held, "it was stopped")
		x.slow[9] = false
		x.report(codeSuccess)
		x.report(codeSuccess, 0, 0, 0x39)
		pass(time.Second)
		require.Equal(t, []byte{0x21, 9, 0, 2, 0, 0, 1, 0, 0}, x.got[len(x.got)-1], "the lights are off again")
	})
}

// Plugging in and pulling out, many times, leaves no slot, no key and no memory in use.
func TestPlugging(t *testing.T) {
	in(t, newSimulated(), func(t *testing.T, x *running) {
		var pages uint64
		for i := range 20 {
			x.plug(true)
			pass(time.Second)
			x.report(codeSuccess, 2, 0, 4) // Shift-A stays down
			synctest.Wait()
			x.plug(false)
			pass(time.Second)
			require.Zero(t, x.enabled)
			if i == 0 {
				pages = x.next
			}
		}
		require.Equal(t, pages, x.next, "the pages of a device are used again")
		require.Equal(t, strings.Repeat("A", 20), x.typed(), "and nothing repeats")
	})
}

// Errors of the endpoint are cleared, up to three in a row.
func TestEndpointErrors(t *testing.T) {
	in(t, newSimulated(), func(t *testing.T, x *running) {
		x.plug(true)
		pass(time.Second)
		for range 3 {
			require.True(t, x.report(codeTransaction))
			pass(time.Second)
		}
		require.True(t, x.report(codeSuccess, 0, 0, 4))
		require.True(t, strings.HasPrefix(x.typed(), "a"))
		require.True(t, x.report(codeSuccess))
		for range 4 {
			require.True(t, x.report(codeTransaction))
			pass(time.Second)
		}
		require.Contains(t, x.said(), "its reports have errors")
	})
}

// A controller that goes silent, or reports an error, is given up in bounded time.
func TestDeadController(t *testing.T) {
	s := newSimulated()
	s.deaf = true
	in(t, s, func(t *testing.T, x *running) {
		x.plug(true)
		pass(time.Minute)
		require.Equal(t, "xhci: port 1: not used: a slot: no answer in time", x.said())
	})
	in(t, newSimulated(), func(t *testing.T, x *running) {
		x.plug(true)
		pass(time.Second)
		x.report(codeSuccess, 0, 0, 4)
		synctest.Wait()
		x.simulated.mu.Lock()
		x.op[opStatus] |= stsFatal
		x.simulated.mu.Unlock()
		x.plug(true)
		pass(time.Minute)
		require.ErrorContains(t, x.err, "it reports an error")
		require.Equal(t, "a", x.typed(), "no key repeats")
	})
}

func TestNewFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulated()
		s.stuck = true
		_, err := New(Config{Registers: s, Page: s.page})
		require.EqualError(t, err, "its reset does not end")
		s = newSimulated()
		_, err = New(Config{Registers: s, Page: func() (Page, error) { return Page{}, errors.New("no memory") }})
		require.EqualError(t, err, "no memory")
	})
}

// The firmware gives the controller up, or loses it after a second; its SMIs are off. A loop
// of capabilities ends.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulated()
		require.Empty(t, TakeOver(s, 1))
		require.Equal(t, uint32(extendedLegacy|legacyOS|0x200), s.legacy[0])
		require.Zero(t, s.legacy[1]&0xe001)

		s = newSimulated()
		s.firmware = true
		require.Equal(t, "the firmware did not hand it over", TakeOver(s, 1))
		require.Zero(t, s.legacy[0]&legacyBIOS)
		require.Zero(t, s.legacy[1]&0xe001)

		s = newSimulated()
		s.endless = true
		require.Equal(t, "its list of capabilities has no end", TakeOver(s, 1))
	})
}

func TestRoutes(t *testing.T) {
	one := &device{place: place{root: 3, speed: speedHigh}, slot: 1}
	two := &device{place: place{parent: one, port: 2, speed: speedFull}, slot: 2}
	kbd := &device{place: place{parent: two, port: 4, speed: speedLow}}
	route, root := kbd.route()
	require.Equal(t, uint32(0x42), route)
	require.Equal(t, 3, root)
	require.Equal(t, "3.2.4", kbd.place.String())
	slot, port := kbd.translator()
	require.Equal(t, []int{1, 2}, []int{slot, int(port)}, "the hub of high speed, and the port to the other hub")
	slot, _ = two.translator()
	require.Equal(t, 1, slot)
	slot, _ = one.translator()
	require.Zero(t, slot)
}

func TestInterval(t *testing.T) {
	for _, tc := range [][3]int{{speedHigh, 7, 6}, {speedHigh, 0, 0}, {speedHigh, 255, 15}, {speedFull, 10, 6}, {speedLow, 1, 3}, {speedLow, 255, 10}, {speedFull, 0, 3}} {
		require.Equal(t, uint32(tc[2]), interval(uint32(tc[0]), uint8(tc[1])), tc)
	}
}
