package ps2

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/keymap"
)

// Each way to fail ends in bounded time, with an error or with a note.
func TestOpen(t *testing.T) {
	tests := map[string]struct {
		spoil func(*simulated)
		cfg   Config
		want  string
		err   string
		limit time.Duration
	}{
		"good":                         {want: "scancode set 1, translated", limit: time.Millisecond},
		"set 2":                        {cfg: Config{Set2: true}, want: "scancode set 2", limit: time.Millisecond},
		"set 2 by the firmware":        {spoil: func(s *simulated) { s.config = 0 }, want: "scancode set 2", limit: time.Millisecond},
		"translation stays on":         {spoil: func(s *simulated) { s.translate = true }, cfg: Config{Set2: true}, want: "scancode set 1, translated"},
		"absent":                       {spoil: func(s *simulated) { s.absent = true }, err: "no controller answers", limit: 1},
		"takes no byte":                {spoil: func(s *simulated) { s.stuckIn = true }, err: "the controller does not take a byte", limit: limitAccept + 5*time.Millisecond},
		"data without an end":          {spoil: func(s *simulated) { s.stuckOut = true }, err: "the controller has data without an end", limit: 1},
		"no answer":                    {spoil: func(s *simulated) { s.deaf = cmdReadConfig }, err: "command 0x20: no answer", limit: limitAnswer + 5*time.Millisecond},
		"no self-test":                 {spoil: func(s *simulated) { s.deaf = cmdSelfTest }, err: "command 0xaa: no answer", limit: limitAnswer + 5*time.Millisecond},
		"no self-test, scaled":         {spoil: func(s *simulated) { s.deaf = cmdSelfTest }, cfg: Config{Scale: 3}, err: "command 0xaa: no answer", limit: 3*limitAnswer + 5*time.Millisecond},
		"bad self-test":                {spoil: func(s *simulated) { s.selfTest = 0xfc }, want: "scancode set 1, translated; the self-test answered 0xfc"},
		"bad port test":                {spoil: func(s *simulated) { s.portTest = 3 }, want: "scancode set 1, translated; the port test answered 0x3"},
		"no port test":                 {spoil: func(s *simulated) { s.deaf = cmdPortTest }, err: "command 0xab: no answer"},
		"interrupts stay on":           {spoil: func(s *simulated) { s.refuses = true }, err: "the configuration reads 0x45 after 0x74 was written"},
		"bytes from before":            {spoil: func(s *simulated) { s.out = []int16{0x1c, fromMouse | 8, 0x9c} }, want: "scancode set 1, translated"},
		"no keyboard":                  {spoil: func(s *simulated) { s.unplugged = true }, want: "scancode set 1, translated; no keyboard answers, one may be plugged in later", limit: 2*limitKeys + 9*time.Millisecond},
		"keyboard does not understand": {spoil: func(s *simulated) { s.fussy = 1 }, want: "scancode set 1, translated"},
		"keys before the answer":       {spoil: func(s *simulated) { s.chatty = 5 }, want: "scancode set 1, translated"},
		"keys meanwhile":               {spoil: func(s *simulated) { s.typed = 1000 }, want: "scancode set 1, translated"},
		"keys meanwhile, set 2":        {spoil: func(s *simulated) { s.typed = 1000 }, cfg: Config{Set2: true}, want: "scancode set 2"},
		"the self-test turns it on":    {spoil: func(s *simulated) { s.typed, s.wakes = 1000, true }, want: "scancode set 1, translated"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSimulated()
			if tc.spoil != nil {
				tc.spoil(s)
			}
			c, err := Open(s, tc.cfg)
			if tc.limit == 0 {
				tc.limit = time.Second
			}
			require.LessOrEqual(t, s.now.Sub(time.Time{}), tc.limit)
			if tc.err != "" {
				require.EqualError(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, c.String())
			require.Zero(t, s.config&(configInterrupt|configAuxInterrupt))
		})
	}
}

// serving is a controller that is served with a script of what happens between
// interrupts.
func serving(t *testing.T, s *simulated, cfg Config, script ...func()) (out string, err error) {
	var b strings.Builder
	board := keymap.NewBoard(keymap.Find("us"))
	board.Out = func(p []byte) { b.Write(p) }
	c, err := Open(s, cfg)
	require.NoError(t, err)
	require.NoError(t, c.Start(board))
	require.NotZero(t, s.config&configInterrupt)
	end := errors.New("end of the script")
	err = c.Serve(func() error {
		require.Empty(t, s.out, "Serve waits with bytes in the controller")
		if len(script) == 0 {
			return end
		}
		script[0]()
		script = script[1:]
		return nil
	})
	if errors.Is(err, end) {
		err = nil
	}
	return b.String(), err
}

func (s *simulated) type2(bytes ...int16) func() {
	return func() {
		for _, v := range bytes {
			s.put(v)
		}
	}
}

// Keys are read, bytes of the mouse are not keys, and the keyboard is set up.
func TestServe(t *testing.T) {
	s := newSimulated()
	out, err := serving(t, s, Config{}, s.type2(0x1e, fromMouse|0x1e, 0x9e), s.type2(0x2a, 0x30, 0xb0, 0xaa))
	require.NoError(t, err)
	require.Equal(t, "aB", out)
	require.Equal(t, []uint8{keysDefaults, keysRepeat, repeatRate, keysLEDs, 0, keysOn}, s.got)

	s = newSimulated()
	out, err = serving(t, s, Config{Set2: true}, s.type2(0x1c, 0xf0, 0x1c))
	require.NoError(t, err)
	require.Equal(t, "a", out)
	require.Equal(t, []uint8{keysDefaults, keysSet, 2, keysRepeat, repeatRate, keysLEDs, 0, keysOn}, s.got)
}

// Caps Lock switches the light: two bytes, the second after the answer to the first, and
// again if the keyboard has not understood it.
func TestLights(t *testing.T) {
	s := newSimulated()
	_, err := serving(t, s, Config{}, func() { s.got, s.fussy = nil, 2 }, s.type2(0x3a, 0xba))
	require.NoError(t, err)
	require.Equal(t, []uint8{keysLEDs, ledCaps}, s.got)
}

// A keyboard that never understands, or never answers, does not keep others from working.
func TestCommandsEnd(t *testing.T) {
	s := newSimulated()
	out, err := serving(t, s, Config{}, func() { s.fussy = 1000 }, s.type2(0x3a, 0xba), s.type2(0x1e))
	require.NoError(t, err)
	require.Equal(t, "A", out)

	s = newSimulated()
	_, err = serving(t, s, Config{}, func() { s.unplugged = true }, s.type2(0x3a, 0xba), func() {
		s.unplugged, s.got = false, nil
		s.Sleep(2 * limitAck)
	}, s.type2(0x3a, 0xba))
	require.NoError(t, err)
	require.Equal(t, []uint8{keysLEDs, 0}, s.got)
}

// A keyboard that is plugged in says so, and is set up; keys that were down are up.
func TestPlugged(t *testing.T) {
	for name, set2 := range map[string]bool{"set 1": false, "set 2": true} {
		t.Run(name, func(t *testing.T) {
			s := newSimulated()
			shift, a := s.type2(0x36), s.type2(0x1e)
			if set2 {
				shift, a = s.type2(0x59), s.type2(0x1c)
			}
			out, err := serving(t, s, Config{Set2: set2}, shift, func() { s.got = nil }, s.type2(keyboardFresh), a)
			require.NoError(t, err)
			require.Equal(t, "a", out)
			require.Equal(t, uint8(keysOn), s.got[len(s.got)-1])
		})
	}
}

// A keyboard that answers is found at once, and another one when it says that it was plugged in.
func TestFound(t *testing.T) {
	for name, there := range map[string]bool{"there": true, "later": false} {
		t.Run(name, func(t *testing.T) {
			s := newSimulated()
			s.unplugged = !there
			found := 0
			board := keymap.NewBoard(keymap.Find("us"))
			board.Out, board.Found = func([]byte) {}, func() { found++ }
			c, err := Open(s, Config{})
			require.NoError(t, err)
			require.NoError(t, c.Start(board))
			require.Equal(t, there, found == 1)
			s.unplugged = false
			before := found
			turns := 0
			require.Error(t, c.Serve(func() error {
				if turns++; turns > 1 {
					return errors.New("end")
				}
				s.put(keyboardFresh)
				return nil
			}))
			require.Equal(t, before+1, found)
		})
	}
}

// A keyboard that has lost keys leaves none down.
func TestLost(t *testing.T) {
	s := newSimulated()
	out, err := serving(t, s, Config{}, s.type2(0x36), s.type2(keyboardLost1), s.type2(0x1e))
	require.NoError(t, err)
	require.Equal(t, "a", out)
}

// A controller that goes mad is given up.
func TestStuck(t *testing.T) {
	s := newSimulated()
	_, err := serving(t, s, Config{}, func() { s.stuckOut = true })
	require.ErrorIs(t, err, ErrStuck)
	require.Zero(t, s.config&configInterrupt)
}
