package ps2

import "time"

// simulated is an i8042 with a keyboard. Its fields before now are the ways to fail.
type simulated struct {
	absent    bool  // the ports read all ones
	stuckIn   bool  // takes no byte
	stuckOut  bool  // has data without an end
	deaf      uint8 // a command without an answer
	selfTest  uint8 // the answer, if not 0
	portTest  uint8 // the answer
	translate bool  // cannot be turned off
	refuses   bool  // writes of the configuration have no effect
	unplugged bool
	fussy     int  // the keyboard understands no byte the first times
	chatty    int  // keys that come before the keyboard's answer
	typed     int  // keys are pressed until so many have come; one comes with each byte for the controller, while its port is on
	wakes     bool // the controller's self-test turns the port on

	now     time.Time
	config  uint8
	off     bool
	expects uint8   // the command that waits for its byte
	out     []int16 // bytes to read; those from the mouse have fromMouse
	again   int
	got     []uint8 // what the keyboard received
	raised  int     // interrupts
}

const fromMouse = 0x100

func newSimulated() *simulated { return &simulated{config: configInterrupt | configTranslate | 4} }

func (s *simulated) put(v int16) {
	s.out = append(s.out, v)
	if s.config&configInterrupt != 0 {
		s.raised++
	}
}

// typing lets a key come.
func (s *simulated) typing() {
	if s.typed > 0 && !s.off {
		s.typed--
		s.put(0x2d)
		s.put(0xad)
	}
}

func (s *simulated) Status() uint8 {
	if s.absent {
		return 0xff
	}
	v := uint8(0x10)
	if s.stuckIn {
		v |= statusIn
	}
	if len(s.out) > 0 || s.stuckOut {
		v |= statusOut
		if len(s.out) > 0 && s.out[0]&fromMouse != 0 {
			v |= statusAux
		}
	}
	return v
}

func (s *simulated) Data() uint8 {
	if s.absent || len(s.out) == 0 {
		return 0xff
	}
	v := s.out[0]
	s.out = s.out[1:]
	return uint8(v)
}

func (s *simulated) Command(code uint8) {
	s.expects = 0
	if code == s.deaf {
		return
	}
	defer s.typing()
	switch code {
	case cmdReadConfig:
		s.put(int16(s.config))
	case cmdWriteConfig:
		s.expects = code
	case cmdOff:
		s.off = true
	case cmdOn:
		s.off = false
	case cmdSelfTest:
		if !s.refuses {
			s.config = configTranslate // as some do
		}
		v := s.selfTest
		if v == 0 {
			v = selfTestGood
		}
		s.put(int16(v))
		s.off = s.off && !s.wakes
	case cmdPortTest:
		s.put(int16(s.portTest))
	}
}

func (s *simulated) Send(v uint8) {
	defer s.typing()
	if s.expects == cmdWriteConfig {
		s.expects = 0
		if !s.refuses {
			s.config = v
			s.off = v&configOff != 0
		}
		if s.translate {
			s.config |= configTranslate
		}
		return
	}
	if s.unplugged {
		return
	}
	for range s.chatty {
		s.put(0x1c)
	}
	if s.again < s.fussy {
		s.again++
		s.put(keyboardAgain)
		return
	}
	s.again = 0
	s.got = append(s.got, v)
	s.put(keyboardAck)
}

func (s *simulated) Now() time.Time        { return s.now }
func (s *simulated) Sleep(d time.Duration) { s.now = s.now.Add(d) }
