package main

// A reader of the profile format, of as much as the checks need: profile.proto has the
// records, encoded as Protocol Buffers (github.com/google/pprof/proto).

// profile is samples, and the names of the functions at each location.
type profile struct {
	samples   []sample
	locations map[uint64][]uint64 // location to functions
	functions map[uint64]uint64   // function to the index of its name
	names     []string
}

type sample struct {
	stack []uint64 // locations
	count uint64
}

// count returns the number of all samples, and of those with each function on the
// stack.
func (p *profile) count(a, b string) (all, inA, inB uint64) {
	for _, s := range p.samples {
		all += s.count
		if p.has(s, a) {
			inA += s.count
		}
		if p.has(s, b) {
			inB += s.count
		}
	}
	return all, inA, inB
}

func (p *profile) has(s sample, name string) bool {
	for _, l := range s.stack {
		for _, f := range p.locations[l] {
			if p.names[p.functions[f]] == name {
				return true
			}
		}
	}
	return false
}

// field is one field of a record: a number, or bytes.
type field struct {
	number int
	value  uint64
	bytes  []byte
}

// fields splits a record.
func fields(raw []byte) (list []field) {
	for len(raw) > 0 {
		var key uint64
		key, raw = varint(raw)
		f := field{number: int(key >> 3)}
		f.value, raw = varint(raw)
		if key&7 == 2 {
			f.bytes, raw = raw[:f.value], raw[f.value:]
		}
		list = append(list, f)
	}
	return list
}

func varint(raw []byte) (v uint64, rest []byte) {
	for i, b := range raw {
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return v, raw[i+1:]
		}
	}
	panic("varint without an end")
}

// numbers returns the numbers of a repeated field, packed or not.
func (f field) numbers() (list []uint64) {
	if f.bytes == nil {
		return []uint64{f.value}
	}
	for raw := f.bytes; len(raw) > 0; {
		var v uint64
		v, raw = varint(raw)
		list = append(list, v)
	}
	return list
}

func decode(raw []byte) *profile {
	p := &profile{locations: map[uint64][]uint64{}, functions: map[uint64]uint64{}}
	for _, f := range fields(raw) {
		switch f.number {
		case 2:
			p.samples = append(p.samples, decodeSample(f.bytes))
		case 4:
			id, functions := decodeLocation(f.bytes)
			p.locations[id] = functions
		case 5:
			id, name := pair(f.bytes)
			p.functions[id] = name
		case 6:
			p.names = append(p.names, string(f.bytes))
		}
	}
	return p
}

func decodeSample(raw []byte) (s sample) {
	var values []uint64
	for _, f := range fields(raw) {
		switch f.number {
		case 1:
			s.stack = append(s.stack, f.numbers()...)
		case 2:
			values = append(values, f.numbers()...)
		}
	}
	s.count = values[0]
	return s
}

func decodeLocation(raw []byte) (id uint64, functions []uint64) {
	for _, f := range fields(raw) {
		switch f.number {
		case 1:
			id = f.value
		case 4: // a line
			function, _ := pair(f.bytes)
			functions = append(functions, function)
		}
	}
	return id, functions
}

// pair returns the fields 1 and 2 of a record.
func pair(raw []byte) (a, b uint64) {
	for _, f := range fields(raw) {
		switch f.number {
		case 1:
			a = f.value
		case 2:
			b = f.value
		}
	}
	return a, b
}
