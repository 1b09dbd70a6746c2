package xhci

import (
	"sync"
)

// simulated is a controller with two root ports. A keyboard may be at the first.
type simulated struct {
	mu       sync.Mutex
	op       map[uintptr]uint32 // operational registers
	run      map[uintptr]uint32
	legacy   [2]uint32
	pages    map[uint64]Page
	next     uint64
	port     [3]uint32
	commands simRing
	events   simRing
	slot     uint64 // the output context
	control  simRing
	reports  simRing
	waiting  []byte // a request's setup packet
	got      [][]byte
	refuse   map[byte]bool // requests that the keyboard refuses, by code
	slow     map[byte]bool // requests that the keyboard does not answer, by code
	held     *trb          // the event of such a request: endpoint 0 is busy until it is stopped
	deaf     bool          // commands have no answer
	stuck    bool          // the reset does not end
	endless  bool          // the list of capabilities has a loop
	firmware bool          // the firmware keeps the controller
	enabled  int           // slots
	halted   bool          // endpoint 0 has refused a request
	wake     chan struct{}
}

// simRing is a ring as the controller sees it.
type simRing struct {
	at    uint64
	cycle uint32
	n     int // entries until the end, of the event ring
	base  uint64
}

const (
	simOp    = 0x40
	simRun   = 0x1000
	simBell  = 0x2000
	simCaps  = 0x800
	keyboard = 1
)

func newSimulated() *simulated {
	return &simulated{op: map[uintptr]uint32{opStatus: stsHalted, opPageSize: 1}, run: map[uintptr]uint32{}, pages: map[uint64]Page{},
		next: 1 << 33, refuse: map[byte]bool{}, slow: map[byte]bool{}, legacy: [2]uint32{extendedLegacy | legacyBIOS, 0xe000 | 1}}
}

func (s *simulated) page() (Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Page{s.next, new([pageBytes / 4]uint32)}
	s.pages[s.next] = p
	s.next += pageBytes
	return p, nil
}

// words returns the page at an address and the index of the word.
func (s *simulated) words(at uint64) (Page, int) {
	p, ok := s.pages[at&^(pageBytes-1)]
	if !ok {
		panic("the controller accesses memory that is not its own")
	}
	return p, int(at%pageBytes) / 4
}

func (s *simulated) Load32(off uintptr) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case off == regLength:
		return 0x01100000 | simOp
	case off == regHCS1:
		return 2<<24 | 8
	case off == regHCS2:
		return 3 << 27 // scratchpad pages
	case off == regHCC1:
		return simCaps/4<<16 | hccContext | hccWide
	case off == regDoorbells:
		return simBell
	case off == regRuntime:
		return simRun
	case off == simCaps:
		if s.endless {
			return 0x0102
		}
		return s.legacy[0] | 0x0200
	case off == simCaps+4 && !s.endless:
		return s.legacy[1]
	case off > simCaps && off < simRun:
		return 0x0102 // leads on and on
	case off >= simOp+opPorts && off < simOp+opPorts+32:
		return s.port[(off-simOp-opPorts)/16+1]
	case off >= simOp && off < simCaps:
		return s.op[off-simOp]
	}
	return 0
}

func (s *simulated) Store32(off uintptr, v uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case off == simCaps:
		s.legacy[0] = v
		if v&legacyOS != 0 && !s.firmware {
			s.legacy[0] &^= legacyBIOS
		}
	case off == simCaps+4:
		s.legacy[1] = v
	case off >= simOp+opPorts && off < simOp+opPorts+32:
		s.setPort(int(off-simOp-opPorts)/16+1, v)
	case off == simOp+opCommand:
		if v&cmdReset != 0 && !s.stuck {
			v = 0
			s.op[opStatus] = stsHalted
		}
		if v&cmdRun != 0 {
			s.op[opStatus] &^= stsHalted
			at := uint64(s.op[opCommandRing+4])<<32 | uint64(s.op[opCommandRing]&^0x3f)
			s.commands = simRing{at: at, cycle: 1}
			p, i := s.words(uint64(s.run[intTable+4])<<32 | uint64(s.run[intTable]))
			base := uint64(p.get(i+1))<<32 | uint64(p.get(i))
			s.events = simRing{at: base, base: base, cycle: 1, n: int(p.get(i + 2))}
		}
		s.op[opCommand] = v
	case off >= simOp && off < simCaps:
		s.op[off-simOp] = v
	case off >= simRun && off < simBell:
		s.run[off-simRun] = v
	case off == simBell:
		s.work(&s.commands, s.command)
	case off == simBell+4 && v == 1 && !s.halted && s.held == nil:
		s.work(&s.control, s.request)
	}
}

func (s *simulated) setPort(n int, v uint32) {
	p := &s.port[n]
	*p = *p&^(v&portChanges)&^portPower | v&portPower
	if v&portReset != 0 && *p&portConnected != 0 {
		*p |= portEnabled | portResetDone
	}
}

// plug plugs the keyboard in at the first port, or pulls it out.
func (s *simulated) plug(in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port[keyboard]&portPower == 0 {
		return // nothing can be seen
	}
	s.port[keyboard] = portPower | portConnect
	if in {
		s.port[keyboard] |= portConnected | speedHigh<<portSpeed
	}
	s.event(trb{uint64(keyboard) << 24, codeSuccess << 24, typePort})
}

// event puts an entry on the event ring, and interrupts.
func (s *simulated) event(t trb) {
	p, i := s.words(s.events.at)
	p.put64(i, t.param)
	p.put(i+2, t.status)
	p.put(i+3, t.control|s.events.cycle)
	s.events.at += 16
	if s.events.at == s.events.base+16*uint64(s.events.n) {
		s.events.at, s.events.cycle = s.events.base, s.events.cycle^1
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns the next entry of a ring of the kernel's.
func (s *simulated) take(r *simRing) (t trb, at uint64, ok bool) {
	for {
		p, i := s.words(r.at)
		t = trb{uint64(p.get(i)) | uint64(p.get(i+1))<<32, p.get(i + 2), p.get(i + 3)}
		if t.control&trbCycle != r.cycle {
			return t, 0, false
		}
		if t.control&typeMask != typeLink {
			at = r.at
			r.at += 16
			return t, at, true
		}
		r.at = t.param
		if t.control&trbToggle != 0 {
			r.cycle ^= 1
		}
	}
}

func (s *simulated) work(r *simRing, do func(trb, uint64)) {
	for r.at != 0 {
		t, at, ok := s.take(r)
		if !ok {
			return
		}
		do(t, at)
	}
}

// codeStopped is the completion code of a transfer that Stop Endpoint ended.
const codeStopped = 26

// command executes a command.
func (s *simulated) command(t trb, at uint64) {
	if s.deaf {
		return
	}
	slot := t.control >> 24
	ring := func(context int) simRing {
		p, i := s.words(t.param)
		v := uint64(p.get(i+16*(context+1)+3))<<32 | uint64(p.get(i+16*(context+1)+2))
		return simRing{at: v &^ 0xf, cycle: uint32(v & 1)}
	}
	switch t.control & typeMask {
	case typeEnable:
		slot = 1
		s.enabled++
	case typeAddress:
		s.control = ring(1)
	case typeConfigure:
		s.reports = ring(3)
	case typeDisable:
		s.enabled--
		s.control, s.reports, s.halted = simRing{}, simRing{}, false
	case typeStopEnd:
		s.event(trb{s.held.param, codeStopped << 24, s.held.control})
		s.held = nil
	case typeSetDequeue:
		r := simRing{at: t.param &^ 0xf, cycle: uint32(t.param & 1)}
		if t.control>>16&0x1f == 1 {
			s.control, s.halted = r, false
		} else {
			s.reports = r
		}
	}
	s.event(trb{at, codeSuccess << 24, typeDone | slot<<24})
}

var deviceDescriptor = []byte{18, 1, 0, 2, 0, 0, 0, 64, 0x27, 6, 1, 0, 0, 0, 0, 0, 0, 1}

var configDescriptor = []byte{9, 2, 34, 0, 1, 1, 0, 0xa0, 50, 9, 4, 0, 0, 1, 3, 1, 1, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0, 7, 5, 0x81, 3, 8, 0, 7}

// request takes one entry of a control request.
func (s *simulated) request(t trb, at uint64) {
	code := uint32(codeSuccess)
	switch t.control & typeMask {
	case typeSetup:
		s.waiting = nil
		for i := range 8 {
			s.waiting = append(s.waiting, byte(t.param>>(8*i)))
		}
		return
	case typeData:
		n := int(t.status & 0xffff)
		p, i := s.words(t.param)
		if t.control&trbIn == 0 {
			s.waiting = append(s.waiting, p.bytes(4*i, n)...)
			return
		}
		answer := deviceDescriptor
		if s.waiting[3] == 2 {
			answer = configDescriptor
		}
		answer = append(append([]byte{}, answer...), 0, 0, 0)
		for j := 0; j < min(n, len(answer)-3); j += 4 {
			p.put(i+j/4, uint32(answer[j])|uint32(answer[j+1])<<8|uint32(answer[j+2])<<16|uint32(answer[j+3])<<24)
		}
		return
	}
	if s.refuse[s.waiting[1]] {
		code, s.halted = codeStall, true
	}
	e := trb{at, code << 24, typeTransfer | 1<<16 | 1<<24}
	if s.slow[s.waiting[1]] {
		s.held = &e
		return
	}
	s.got = append(s.got, s.waiting)
	s.event(e)
}

// report sends a report, or an error. It reports false if the kernel has given no place.
func (s *simulated) report(code uint32, b ...byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reports.at == 0 {
		return false
	}
	t, at, ok := s.take(&s.reports)
	if !ok {
		return false
	}
	p, i := s.words(t.param)
	b = append(b, make([]byte, 8)...)
	for j := 0; j < 8; j += 4 {
		p.put(i+j/4, uint32(b[j])|uint32(b[j+1])<<8|uint32(b[j+2])<<16|uint32(b[j+3])<<24)
	}
	s.event(trb{at, code << 24, typeTransfer | 3<<16 | 1<<24})
	return true
}

// requests returns the codes of the requests that the keyboard got.
func (s *simulated) requests() (codes []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.got {
		codes = append(codes, r[1])
	}
	return codes
}
