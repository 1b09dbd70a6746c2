package pci

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// space is a simulated configuration space: the words of each function, and the bits of its
// base address registers that cannot be set.
type space struct {
	words  map[Addr]*[64]uint32
	fixed  map[Addr]*[6]uint32 // bits that keep their value
	reads  int
	decode []uint32 // the command register at each write to a base address register
}

func newSpace() *space {
	return &space{words: map[Addr]*[64]uint32{}, fixed: map[Addr]*[6]uint32{}}
}

func (s *space) Read(a Addr, off int) uint32 {
	s.reads++
	if w := s.words[a]; w != nil {
		return w[off/4]
	}
	return ^uint32(0)
}

func (s *space) Write(a Addr, off int, v uint32) {
	w := s.words[a]
	if w == nil {
		return
	}
	if bar := (off - offBARs) / 4; off >= offBARs && bar < 6 && w[3]>>16&headerMask == 0 {
		s.decode = append(s.decode, w[1]&(commandIO|commandMemory))
		fixed := ^uint32(0)
		if f := s.fixed[a]; f != nil {
			fixed = f[bar]
		}
		v = v&^fixed | w[off/4]&fixed
	}
	if off == offCommand {
		v = v&0xffff | w[1]&0xffff0000
	}
	w[off/4] = v
}

// add makes a function of a class.
func (s *space) add(a Addr, class uint32) *[64]uint32 {
	w := &[64]uint32{0: 0x12348086, 1: commandMemory | commandIO, 2: class << 8}
	s.words[a] = w
	return w
}

// bridge makes a bridge to a bus.
func (s *space) bridge(a Addr, bus uint32) *[64]uint32 {
	w := s.add(a, classPCIBridge<<8)
	w[3] = headerBridge << 16
	w[6] = bus<<16 | bus<<8 | uint32(a.Bus)
	return w
}

func addrs(list []*Function) (all []string) {
	for _, f := range list {
		all = append(all, f.Addr.String())
	}
	return all
}

func TestScan(t *testing.T) {
	s := newSpace()
	s.add(Addr{0, 0, 0}, 0x060000)
	s.add(Addr{0, 3, 0}, 0x0c0330)[3] = headerMulti << 16
	s.add(Addr{0, 3, 5}, 0x0c0320)
	s.add(Addr{0, 4, 0}, 0x010601)
	s.add(Addr{0, 4, 1}, 0x010601) // the device has one function, so this is a shadow
	s.bridge(Addr{0, 31, 0}, 2)
	s.bridge(Addr{2, 0, 0}, 7)
	s.add(Addr{7, 0, 0}, 0x020000)
	s.add(Addr{9, 0, 0}, 0x020000) // on no bus
	list, problems := Scan(s)
	require.Empty(t, problems)
	require.Equal(t, []string{"00:00.0", "00:03.0", "00:03.5", "00:04.0", "00:1f.0", "02:00.0", "07:00.0"}, addrs(list))
	require.Equal(t, "xHCI", list[1].ClassName())
	require.Equal(t, "EHCI", list[2].ClassName())
	require.Equal(t, uint8(7), list[5].Below)
}

// Bridges that lead to their own bus, upwards, or to the same bus, end in bounded time.
func TestBridges(t *testing.T) {
	s := newSpace()
	s.bridge(Addr{0, 0, 0}, 0) // not configured
	s.bridge(Addr{0, 1, 0}, 1)
	s.bridge(Addr{1, 0, 0}, 1)
	s.bridge(Addr{1, 1, 0}, 0)
	s.bridge(Addr{0, 2, 0}, 1)
	s.bridge(Addr{0, 3, 0}, 5)
	s.bridge(Addr{5, 0, 0}, 1)
	s.bridge(Addr{0, 4, 0}, 255)
	s.words[Addr{0, 5, 0}] = &[64]uint32{} // all zeros
	list, problems := Scan(s)
	require.Len(t, list, 8)
	require.Len(t, problems, 3)
	for _, p := range problems {
		require.ErrorIs(t, p, ErrBus)
	}
}

func TestBARs(t *testing.T) {
	s := newSpace()
	a := Addr{0, 2, 0}
	w := s.add(a, 0x0c0330)
	w[4], w[5], w[6], w[7], w[8], w[9] = 0xfe000004, 0x1, 0xd0000008, 0xc001, 0, 0xffe00000
	s.fixed[a] = &[6]uint32{0x3fff, 0, 0x0fffffff, 0xffff001f, ^uint32(0), 0xfff}
	before := *w
	list, _ := Scan(s)
	require.Equal(t, []BAR{
		{Index: 0, Address: 0x1fe000000, Size: 0x4000},
		{Index: 2, Address: 0xd0000000, Size: 0x10000000, Prefetch: true},
		{Index: 3, Address: 0xc000, Size: 0x20, IO: true},
		{Index: 5, Address: 0xffe00000, Size: 0x1000},
	}, list[0].BARs)
	require.Equal(t, before, *w, "as it was")
	for _, d := range s.decode {
		require.Zero(t, d, "the function decodes addresses while its registers have none")
	}
	b, ok := list[0].Memory(0)
	require.True(t, ok)
	require.Equal(t, uint64(0x1fe000000), b.Address)
	_, ok = list[0].Memory(3)
	require.False(t, ok, "ports")
	_, ok = list[0].Memory(4)
	require.False(t, ok)
}

// Screens, bridges and serial ports may be in use: their registers are only read.
func TestNotMeasured(t *testing.T) {
	for _, class := range []uint32{0x030000, 0x060100, 0x070002} {
		s := newSpace()
		s.add(Addr{0, 2, 0}, class)[4] = 0xd0000008
		list, _ := Scan(s)
		require.Equal(t, []BAR{{Address: 0xd0000000, Prefetch: true}}, list[0].BARs)
		require.Empty(t, s.decode)
	}
}

func TestCapabilities(t *testing.T) {
	tests := map[string]struct {
		words map[int]uint32
		want  []Cap
		err   error
	}{
		"none":         {map[int]uint32{}, nil, nil},
		"three":        {map[int]uint32{0x34: 0x40, 0x40: 0x5001, 0x50: 0xf005, 0xf0: 0x0011}, []Cap{{CapPower, 0x40}, {CapMSI, 0x50}, {CapMSIX, 0xf0}}, nil},
		"low bits":     {map[int]uint32{0x34: 0x43, 0x40: 0x0201}, []Cap{{CapPower, 0x40}}, nil},
		"loop":         {map[int]uint32{0x34: 0x40, 0x40: 0x5001, 0x50: 0x4005}, []Cap{{CapPower, 0x40}, {CapMSI, 0x50}}, ErrLoop},
		"self":         {map[int]uint32{0x34: 0x40, 0x40: 0x4001}, []Cap{{CapPower, 0x40}}, ErrLoop},
		"header":       {map[int]uint32{0x34: 0x40, 0x40: 0x1001}, []Cap{{CapPower, 0x40}}, ErrPointer},
		"gone at once": {map[int]uint32{0x34: 0x40, 0x40: ^uint32(0)}, nil, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSpace()
			w := s.add(Addr{0, 1, 0}, 0x020000)
			w[1] |= statusCaps
			for off, v := range tc.words {
				w[off/4] = v
			}
			list, problems := Scan(s)
			require.Equal(t, tc.want, list[0].Caps)
			require.ErrorIs(t, errors.Join(problems...), tc.err)
		})
	}
}

// table is the memory of a function.
type table map[uintptr]uint32

func (m table) Load32(off uintptr) uint32     { return m[off] }
func (m table) Store32(off uintptr, v uint32) { m[off] = v }

func TestMSI(t *testing.T) {
	m := MSI{Address: 0x1fee03000, Data: 0xd5}
	make := func(words map[int]uint32) (*space, *Function) {
		s := newSpace()
		a := Addr{0, 1, 0}
		w := s.add(a, 0x0c0330)
		w[1] |= statusCaps
		w[4] = 0xfe000000
		s.fixed[a] = &[6]uint32{0x3fff, ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0)}
		for off, v := range words {
			w[off/4] = v
		}
		list, _ := Scan(s)
		return s, list[0]
	}
	memory := table{0x200c: 1, 0x201c: 1}
	mapped := func(BAR) (Registers, error) { return memory, nil }

	s, f := make(map[int]uint32{0x34: 0x40, 0x40: 0x00f25005 &^ 0xff00}) // 64 bits, eight vectors
	require.NoError(t, f.UseMSI(m, mapped))
	w := s.words[f.Addr]
	require.Equal(t, uint32(0x00830005), w[0x10])
	require.Equal(t, []uint32{0xfee03000, 1, 0xd5}, w[0x11:0x14])
	require.NotZero(t, w[1]&commandNoINTx)

	s, f = make(map[int]uint32{0x34: 0x40, 0x40: 0x00000005}) // 32 bits
	require.NoError(t, f.UseMSI(MSI{0xfee00000, 0xd5}, mapped))
	require.Equal(t, []uint32{0x00010005, 0xfee00000, 0xd5}, s.words[f.Addr][0x10:0x13])

	s, f = make(map[int]uint32{0x34: 0x40, 0x40: 0x4011&^0xff00 | 1<<16, 0x44: 0x2000})
	require.NoError(t, f.UseMSI(m, mapped))
	require.Equal(t, uint32(msixEnable|1<<16|0x11), s.words[f.Addr][0x10])
	require.Equal(t, table{0x2000: 0xfee03000, 0x2004: 1, 0x2008: 0xd5, 0x200c: 0, 0x201c: 1}, memory)

	_, f = make(map[int]uint32{0x34: 0x40, 0x40: 0x11, 0x44: 0x3ff8}) // the last entry does not fit
	require.ErrorIs(t, f.UseMSI(m, mapped), ErrTable)
	_, f = make(map[int]uint32{0x34: 0x40, 0x40: 0x11, 0x44: 0x2003}) // no such register
	require.ErrorIs(t, f.UseMSI(m, mapped), ErrTable)
	for off, head := range map[int]uint32{0xf4: 0x00800005, 0xf8: 0x05, 0xfc: 0x11} { // they end beyond configuration space
		s, f = make(map[int]uint32{0x34: uint32(off), off: head})
		require.ErrorIs(t, f.UseMSI(m, mapped), ErrNoMSI)
		require.Equal(t, head, s.words[f.Addr][off/4])
	}
	_, f = make(map[int]uint32{})
	require.ErrorIs(t, f.UseMSI(m, mapped), ErrNoMSI)
	require.Zero(t, f.cfg.Read(f.Addr, offCommand)&commandNoINTx)
}

// random is a configuration space of any content: each function that it has may be anywhere.
type random struct {
	data  []byte
	reads int
}

func (r *random) Read(a Addr, off int) uint32 {
	inConfig(off)
	r.reads++
	if len(r.data) < 4 {
		return ^uint32(0)
	}
	at := (int(a.Bus)*131 + int(a.Device)*17 + int(a.Function)*5 + off) % (len(r.data) - 3)
	return binary.LittleEndian.Uint32(r.data[at:])
}

func (r *random) Write(_ Addr, off int, _ uint32) { inConfig(off) }

// inConfig panics for a register that the ports do not reach.
func inConfig(off int) {
	if off < 0 || off >= 0x100 || off%4 != 0 {
		panic("a register beyond configuration space")
	}
}

// Whatever configuration space has, Scan ends, and has no function twice.
func FuzzScan(f *testing.F) {
	f.Add([]byte{0x86, 0x80, 0, 0, 0, 0, 0x10, 0, 0, 0, 4, 6, 0, 0, 0x81, 0, 1, 2, 3, 4, 0x40, 0x40, 0x44})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &random{data: data}
		list, _ := Scan(r)
		seen := map[Addr]bool{}
		for _, f := range list {
			require.False(t, seen[f.Addr])
			seen[f.Addr] = true
			require.LessOrEqual(t, len(f.Caps), maxCaps)
			f.UseMSI(MSI{}, func(BAR) (Registers, error) { return table{}, nil })
		}
		require.LessOrEqual(t, r.reads, 256*32*8*(maxCaps+60))
	})
}

// A card's ports are the rows of eight in its ranges of I/O. What is in use is not measured.
func TestSerialCards(t *testing.T) {
	for name, tc := range map[string]struct {
		class  uint32
		bars   map[int]uint32
		fixed  [6]uint32
		inUse  bool
		serial bool
		want   []UART
	}{
		"one":         {0x070002, map[int]uint32{0: 0xc001}, [6]uint32{0: 0x7}, false, true, []UART{{0xc000, true}}},
		"two":         {0x070002, map[int]uint32{0: 0xc001}, [6]uint32{0: 0xf}, false, true, []UART{{0xc000, true}, {0xc008, true}}},
		"two ranges":  {0x070002, map[int]uint32{0: 0xc001, 2: 0xd001}, [6]uint32{0: 0x7, 2: 0x7}, false, true, []UART{{0xc000, true}, {0xd000, true}}},
		"long":        {0x070002, map[int]uint32{0: 0xc001}, [6]uint32{0: 0xff}, false, true, []UART{{0xc000, true}}},
		"in use":      {0x070002, map[int]uint32{0: 0xc001}, [6]uint32{0: 0xf}, true, true, []UART{{0xc000, true}}},
		"memory":      {0x070003, map[int]uint32{1: 0xfeb00000}, [6]uint32{1: 0xfff}, false, true, []UART{{0xfeb00000, false}}},
		"both":        {0x070002, map[int]uint32{0: 0xfeb00000, 1: 0xc001}, [6]uint32{0: 0xfff, 1: 0x7}, false, true, []UART{{0xc000, true}}},
		"no address":  {0x070002, nil, [6]uint32{}, false, true, nil},
		"own kind":    {0x0700ff, nil, [6]uint32{}, false, false, nil},
		"parallel":    {0x070102, nil, [6]uint32{}, false, false, nil},
		"another one": {0x020000, nil, [6]uint32{}, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, a := newSpace(), Addr{Device: 3}
			w := s.add(a, tc.class)
			w[1] = 0 // the firmware left it disabled
			for i, v := range tc.bars {
				w[4+i] = v
			}
			s.fixed[a] = &tc.fixed
			list, problems := Scan(s)
			require.Empty(t, problems)
			require.Equal(t, tc.serial, list[0].IsSerial())
			if !tc.serial {
				return
			}
			require.Equal(t, tc.want, list[0].Serial(tc.inUse))
			require.Equal(t, uint32(commandIO|commandMemory), w[1])
			for i, v := range tc.bars {
				require.Equal(t, v, w[4+i], "its address stays")
			}
			if tc.inUse {
				require.Empty(t, s.decode, "it answers all the time")
			}
		})
	}
}
