package acpi

import "bytes"

// IdleState is an entry of a \_PR or \_SB processor's _CST: a state in which a CPU may sleep
// ("_CST (C States)").
type IdleState struct {
	Type    uint8  `json:"type"` // 1 to 3: C1 to C3
	Entry   GAS    `json:"entry"`
	Latency uint16 `json:"latency_us"` // the longest time to leave it
	Power   uint32 `json:"power_mw"`
}

// SpaceFixed is the address space of a register that only the CPU's maker defines: a state
// that MWAIT or HLT enters. The address then has MWAIT's argument.
const SpaceFixed Space = 0x7f

// IdleStates is what the AML of a table says of idle states.
type IdleStates struct {
	Named   int         // processors whose _CST is a package that can be read without running AML
	Methods int         // those whose _CST is a method, or is made while AML runs
	States  []IdleState // of the first package
}

var cstName = []byte("_CST")

// More of the encodings of AML ("AML Byte Stream Byte Values"), and the resource descriptor of a
// register ("Generic Register Descriptor").
const (
	amlMethod = 0x14
	amlBuffer = 0x11

	registerTag   = 0x82
	registerBytes = 3 + gasLength

	maxIdleStates = 16
)

// FindIdleStates looks for objects _CST in the AML of a DSDT or SSDT, without interpreting the AML.
func FindIdleStates(t Table) (s IdleStates) {
	if t.Table == nil {
		return s
	}
	b := t.Data()
	for off := headerLength; ; {
		i := bytes.Index(b[off:], cstName)
		if i < 0 {
			return s
		}
		at := off + i
		off = at + len(cstName)
		switch {
		case named(b, at):
			list, ok := idlePackage(b[off:])
			if !ok {
				s.Methods++ // a name for what a method stores in it
				continue
			}
			s.Named++
			if s.States == nil {
				s.States = list
			}
		case method(b, at):
			s.Methods++
		}
	}
}

// method reports whether the bytes before a name make it the name of a method: its encoding and
// 1 to 4 bytes of length.
func method(b []byte, at int) bool {
	for n := 1; n <= 4 && at-n-1 >= headerLength; n++ {
		if b[at-n-1] == amlMethod && int(b[at-n]>>6) == n-1 {
			return true
		}
	}
	return false
}

// amlLength reads a package length, and returns the bytes that it covers, without itself.
func amlLength(b []byte) (body, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n := int(b[0] >> 6)
	if len(b) < 1+n {
		return nil, nil, false
	}
	length := int(b[0] & 0x3f)
	if n > 0 {
		length &= 0xf
		for i := range n {
			length |= int(b[1+i]) << (4 + 8*i)
		}
	}
	if length < 1+n || length > len(b) {
		return nil, nil, false
	}
	return b[1+n : length], b[length:], true
}

// idlePackage reads a _CST package: the number of states, and a package for each.
func idlePackage(b []byte) (list []IdleState, ok bool) {
	if len(b) == 0 || b[0] != amlPackage {
		return nil, false
	}
	body, _, ok := amlLength(b[1:])
	if !ok || len(body) == 0 {
		return nil, false
	}
	count, body, ok := amlInteger(body[1:])
	if !ok || count > maxIdleStates {
		return nil, false
	}
	list = []IdleState{}
	for range count {
		var s IdleState
		if s, body, ok = idleState(body); !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// idleState reads the package of one state: a buffer with its register, type, latency, power.
func idleState(b []byte) (s IdleState, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != amlPackage {
		return s, nil, false
	}
	body, rest, ok := amlLength(b[1:])
	if !ok || len(body) < 2 || body[1] != amlBuffer {
		return s, nil, false
	}
	buffer, body, ok := amlLength(body[2:])
	if !ok {
		return s, nil, false
	}
	if _, buffer, ok = amlInteger(buffer); !ok || len(buffer) < registerBytes || buffer[0] != registerTag {
		return s, nil, false
	}
	s.Entry = gas(buffer[3:])
	var v [3]uint32
	for i := range v {
		if v[i], body, ok = amlInteger(body); !ok {
			return s, nil, false
		}
	}
	s.Type, s.Latency, s.Power = uint8(v[0]), uint16(v[1]), v[2]
	return s, rest, true
}
