//go:build explore

package intr

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// Bits of a redirection entry, as the data sheet of the 82093AA has them.
const (
	bitIRR    = 1 << 14
	bitLevel  = 1 << 15
	bitMasked = 1 << 16
)

// board is a machine with two CPUs and one I/O APIC: what it does with each store to its
// registers. It has one device, on input 5.
type board struct {
	t       *testing.T
	entries [24][2]uint32
	version uint32
	pin     bool // the device's line
	local   [2]localAPIC
	lost    int // edges that came while the input was masked
	access  int
	at      func(access int) // called before each access
	log     []string
}

// localAPIC is one CPU's. page is what the code reads and writes.
type localAPIC struct {
	page    *[1024]uint32
	pending [256]bool
	level   [256]bool
}

const (
	input   = 5
	gsiBase = 24
	pageEOI = 0xb0 / 4
	pageIRR = 0x200 / 4
	noEOI   = 1
)

// memory is what the code under test knows by address: it must not move.
var memory struct {
	pages  [2][1024]uint32
	tables [2]vectors
	cpus   [2]percpu.CPU
	list   [2]*percpu.CPU
	ioapic ioapic
}

func newBoard(t *testing.T, version uint32) *board {
	b := &board{t: t, version: version}
	lines = [maxLines]line{}
	memory.pages, memory.tables = [2][1024]uint32{}, [2]vectors{}
	for i := range memory.cpus {
		memory.list[i] = &memory.cpus[i]
		memory.cpus[i].State.Store(percpu.Online)
		memory.cpus[i].APICID = uint32(i)
		memory.cpus[i].Devices.Store(uintptr(unsafe.Pointer(&memory.tables[i])))
		b.local[i].page = &memory.pages[i]
	}
	if percpu.Count() == 0 {
		for i := range memory.cpus {
			memory.cpus[i].Init(uint32(i))
			if i == 1 {
				percpu.SetTable(uintptr(unsafe.Pointer(&memory.list)), 2)
			}
			require.True(t, percpu.Register(&memory.cpus[i]))
		}
	}
	clock.SetHz(1e9)
	signal = func(*percpu.CPU, *linux.File) {} // there is no eventfd
	apic.IORead, apic.IOWrite, apic.Sent = b.read, b.write, b.sent
	memory.ioapic = ioapic{}
	memory.ioapic.Init(&memory.cpus[0], 1, 0, gsiBase)
	ioapics = &memory.ioapic
	Install()
	return b
}

// step is one access of the code to the machine; other things happen between two of them.
func (b *board) step() {
	b.access++
	if b.at != nil {
		b.at(b.access)
	}
}

func (b *board) read(_ uintptr, r uint32) uint32 {
	b.step()
	if r == 1 {
		return b.version | 23<<16
	}
	return b.entries[(r-0x10)/2][r&1]
}

func (b *board) write(_ uintptr, r, v uint32) {
	b.step()
	if r == apic.IOEnd {
		b.end(uint8(v))
		return
	}
	e := &b.entries[(r-0x10)/2]
	if r&1 == 1 {
		e[1] = v
		return
	}
	e[0] = v&^bitIRR | e[0]&bitIRR
	if v&bitLevel == 0 {
		e[0] &^= bitIRR
	}
	b.look()
}

// look delivers a level interrupt, if the line is active.
func (b *board) look() {
	e := &b.entries[input]
	if b.pin && e[0]&(bitLevel|bitIRR|bitMasked) == bitLevel {
		e[0] |= bitIRR
		b.accept(e, true)
	}
}

func (b *board) accept(e *[2]uint32, level bool) {
	l := &b.local[e[1]>>24]
	v := uint8(e[0])
	l.pending[v], l.level[v] = true, level
	l.page[pageIRR+int(v>>5)*4] |= 1 << (v & 31)
}

// raise is the device's edge, or its level.
func (b *board) raise() {
	e := &b.entries[input]
	if e[0]&bitLevel != 0 {
		b.pin = true
		b.look()
		return
	}
	if e[0]&bitMasked != 0 {
		b.lost++
		return
	}
	b.accept(e, false)
}

// sent is an interrupt that a CPU sends.
func (b *board) sent(dest, icr uint32) { b.accept(&[2]uint32{icr & 0xff, dest << 24}, false) }

// end is the EOI of a level interrupt, as the local APICs broadcast it.
func (b *board) end(v uint8) {
	for i := range b.entries {
		if e := &b.entries[i]; uint8(e[0]) == v && e[0]&bitLevel != 0 {
			e[0] &^= bitIRR
		}
	}
	b.look()
}

// run lets the CPUs take what is pending, and reports how many interrupts there were. It
// ends: a line that interrupts without end fails the test.
func (b *board) run() (n int) {
	for again := true; again; {
		again = false
		for id := range b.local {
			for v := 255; v >= 0; v-- {
				if b.local[id].pending[v] {
					b.take(id, uint8(v))
					n, again = n+1, true
				}
			}
		}
		require.Less(b.t, n, 100, "interrupts without end")
	}
	return n
}

func (b *board) take(id int, v uint8) {
	l := &b.local[id]
	b.on(id)
	l.pending[v] = false
	l.page[pageIRR+int(v>>5)*4] &^= 1 << (v & 31)
	l.page[pageEOI] = noEOI
	vector.Deliver(&memory.cpus[id], &cpu.Frame{Vector: uint64(v)})
	require.Zero(b.t, l.page[pageEOI], "no EOI of vector %#x on cpu%d", v, id)
	if l.level[v] {
		b.end(v)
	}
}

// on makes a CPU the one that runs.
func (b *board) on(id int) { apic.Use(false, uintptr(unsafe.Pointer(b.local[id].page))) }

// claim claims the device's line for a CPU. A level line is masked until Unmask.
func (b *board) claim(flags uint32) (n int) {
	m, e := bind(&memory.cpus[0], &abi.IRQRequest{GSI: gsiBase + input, Flags: flags, Action: abi.ActionEvent}, nil)
	require.Zero(b.t, e)
	return int(m)
}

// counts returns how often the line has interrupted, on all CPUs.
func counts(n int) (sum uint64) {
	for i := range memory.tables {
		sum += memory.tables[i].counts[n]
	}
	return sum
}
