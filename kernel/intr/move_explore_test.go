//go:build explore

package intr

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// A device interrupts at any moment of a move. Each moment is an access to the I/O APIC, so
// all are tried, with what the old CPU takes at once, and with what pends there. Whatever
// the moment is, the device is served after it, the line still works on the new CPU, and
// the old vector is free.
func TestInterruptDuringMove(t *testing.T) {
	for _, flags := range []uint32{0, abi.IRQLow, abi.IRQLevel, abi.IRQLevel | abi.IRQLow} {
		for _, version := range []uint32{0x11, 0x20} {
			moments := everyMoment(t, flags, version, moveAsIs)
			require.Empty(t, moments, "flags %#x, version %#x", flags, version)
		}
	}
}

// Negative control: without the interrupt that Settle makes, an edge is lost.
func TestLostEdgeIsFound(t *testing.T) {
	forget := func(b *board, n int) {
		moveWith(b, n, func(c *percpu.CPU) {
			lines[n].remake = false
			Settle(c, nil, n)
		})
	}
	require.NotEmpty(t, everyMoment(t, 0, 0x11, forget))
	require.Empty(t, everyMoment(t, abi.IRQLevel, 0x11, forget), "a level is still there")
}

// Negative control: an entry that is written whatever its remote IRR is has a dead line.
func TestDeadLevelIsFound(t *testing.T) {
	hasty := func(b *board, n int) {
		l := &lines[n]
		v, e := l.begin(&memory.cpus[0], uint32(n), &memory.cpus[1])
		require.Zero(t, e)
		old := b.read(0, 0x10+2*input)
		b.write(0, 0x10+2*input, old|bitMasked)
		b.write(0, 0x11+2*input, 1<<24)
		b.write(0, 0x10+2*input, old&^0xff|uint32(v))
		l.commit(&memory.cpus[0], route{1, v}, true)
		moveWith(b, n, func(c *percpu.CPU) { Settle(c, nil, n) })
	}
	require.NotEmpty(t, everyMoment(t, abi.IRQLevel, 0x11, hasty))
	require.Empty(t, everyMoment(t, 0, 0x11, hasty))
}

// Negative control: a vector that is given back at once means nothing to an interrupt that
// is on its way.
func TestEarlyReleaseIsFound(t *testing.T) {
	early := func(b *board, n int) {
		c := &memory.cpus[0]
		_, e := Move(c, nil, n, 1, false)
		require.Zero(t, e)
		lines[n].remake, lines[n].leaving = false, false
		mu.Lock(c)
		release(c, lines[n].old)
		mu.Unlock(c)
	}
	require.NotEmpty(t, everyMoment(t, 0, 0x11, early))
}

// moveAsIs moves line n from CPU 0 to CPU 1, as package irq does.
func moveAsIs(b *board, n int) {
	moveWith(b, n, func(c *percpu.CPU) { Settle(c, nil, n) })
}

// moveWith is moveAsIs with another Settle. What pends is taken between two attempts.
func moveWith(b *board, n int, settle func(c *percpu.CPU)) {
	c := &memory.cpus[0]
	for i := 0; lines[n].now.cpu != 1; i++ {
		require.Less(b.t, i, 3)
		b.on(0)
		if _, r := Move(c, nil, n, 1, false); r == linux.Fail(linux.EAGAIN) {
			b.run()
		} else {
			require.Zero(b.t, r)
		}
	}
	for i := 0; lines[n].leaving; i++ {
		require.Less(b.t, i, 3)
		b.on(0)
		settle(c)
		b.run()
	}
}

// everyMoment moves a line while its device interrupts once, before each access in turn,
// and returns the moments after which something is wrong.
func everyMoment(t *testing.T, flags, version uint32, move func(b *board, n int)) (wrong []string) {
	for pends := range 2 {
		for moment := 1; ; moment++ {
			b := newBoard(t, version)
			_, e := bind(&memory.cpus[0], &abi.IRQRequest{Flags: abi.IRQMessage, CPU: 1, Action: abi.ActionNothing}, nil)
			require.Zero(t, e) // so that the vector on cpu1 is another one
			n := b.claim(flags)
			begin, served := b.access, uint64(0)
			b.at = func(access int) {
				if access != begin+moment {
					return
				}
				b.at = nil // what follows is not a moment
				served = counts(n)
				b.raise()
				if pends == 0 && flags&abi.IRQLevel == 0 { // a handler waits for the lock of the I/O APIC
					b.run()
					b.on(0)
				}
			}
			move(b, n)
			over := b.at != nil
			b.at = nil
			b.run()
			if over {
				break
			}
			for _, p := range b.complaints(n, served) {
				wrong = append(wrong, fmt.Sprintf("pends %d, moment %d: %s", pends, moment, p))
			}
		}
	}
	return wrong
}

// complaints says what is wrong with line n after a move to CPU 1.
func (b *board) complaints(n int, served uint64) (list []string) {
	if counts(n) == served {
		list = append(list, "not served")
	}
	if lines[n].leaving || lines[n].moving || lines[n].now.cpu != 1 {
		list = append(list, "not moved")
	}
	for i := range deviceVectors {
		if memory.tables[0].line[i].Load() != 0 {
			list = append(list, "the old vector is taken")
		}
	}
	before := memory.tables[1].counts[n]
	b.pin = false
	if lines[n].level {
		Unmask(&memory.cpus[0], nil, n, true)
	}
	b.raise()
	b.run()
	if memory.tables[1].counts[n] != before+1 {
		list = append(list, "dead")
	}
	return list
}

// A level interrupt that no EOI ends, as after a fault, is ended by force.
func TestForcedMove(t *testing.T) {
	for _, version := range []uint32{0x11, 0x20} {
		b := newBoard(t, version)
		n := b.claim(abi.IRQLevel)
		b.raise()
		b.local[0].pending = [256]bool{} // it got lost
		b.pin = false
		c := &memory.cpus[0]
		_, r := Move(c, nil, n, 1, false)
		require.Equal(t, linux.Fail(linux.EAGAIN), r)
		require.Zero(t, lines[n].now.cpu, "it stays where it was")
		require.Zero(t, b.entries[input][0]&bitMasked, "and is not masked")
		_, r = Move(c, nil, n, 1, true)
		require.Zero(t, r)
		require.Zero(t, b.entries[input][0]&bitIRR)
		require.NotZero(t, b.entries[input][0]&bitLevel)
		b.raise()
		require.Equal(t, 1, b.run())
		require.EqualValues(t, 1, memory.tables[1].counts[n])
	}
}

// A line that was masked when it moved stays masked.
func TestMaskedMove(t *testing.T) {
	b := newBoard(t, 0x11)
	n := b.claim(abi.IRQLevel)
	b.raise()
	require.Equal(t, 1, b.run(), "the handler masks it")
	moveAsIs(b, n)
	require.NotZero(t, b.entries[input][0]&bitMasked)
	require.Zero(t, b.run())
	Unmask(&memory.cpus[0], nil, n, true)
	require.Equal(t, 1, b.run(), "the device was not served")
	require.EqualValues(t, 1, memory.tables[1].counts[n])
}

// An MSI whose registers are written late still reaches the old CPU, which keeps the
// vector until it has taken the last one.
func TestMoveOfMSI(t *testing.T) {
	b := newBoard(t, 0x11)
	n := b.claim(abi.IRQMessage)
	old := lines[n].now
	send := func(r route) { b.accept(&[2]uint32{uint32(r.vector), r.cpu << 24}, false) }
	c := &memory.cpus[0]
	b.on(0)
	_, r := Move(c, nil, n, 1, false)
	require.Zero(t, r)
	_, r = Move(c, nil, n, 0, false)
	require.Equal(t, linux.Fail(linux.EAGAIN), r, "one move at a time")
	send(old)
	_, r = Settle(c, nil, n)
	require.Equal(t, linux.Fail(linux.EAGAIN), r, "cpu0 has one")
	require.Equal(t, 2, b.run(), "and there is the one that Settle made")
	require.EqualValues(t, 1, memory.tables[0].counts[n])
	require.EqualValues(t, 1, memory.tables[1].counts[n])
	b.on(0)
	_, r = Settle(c, nil, n)
	require.Zero(t, r)
	require.Zero(t, b.run(), "it makes one only")
	send(lines[n].now)
	require.Equal(t, 1, b.run())
	require.EqualValues(t, 2, memory.tables[1].counts[n])
}

// Each CPU has all vectors for itself. One that has none left refuses a line, and takes it
// once another has moved away.
func TestVectorExhaustion(t *testing.T) {
	b := newBoard(t, 0x11)
	c := &memory.cpus[0]
	msi := abi.IRQRequest{Flags: abi.IRQMessage, Action: abi.ActionNothing}
	seen := map[uint8]bool{}
	for range deviceVectors {
		n, e := bind(c, &msi, nil)
		require.Zero(t, e)
		seen[lines[n].now.vector] = true
	}
	require.Len(t, seen, deviceVectors)
	for v := range seen {
		require.GreaterOrEqual(t, v, uint8(vector.DeviceFirst))
		require.LessOrEqual(t, v, uint8(vector.DeviceLast))
	}
	_, e := bind(c, &msi, nil)
	require.Equal(t, linux.ENOSPC, e, "cpu0 has none")
	msi.CPU = 1
	n, e := bind(c, &msi, nil)
	require.Zero(t, e)
	require.True(t, seen[lines[n].now.vector], "the same vector as on cpu0")
	_, r := Move(c, nil, int(n), 0, false)
	require.Equal(t, linux.Fail(linux.ENOSPC), r)
	moveAsIs(b, 0)
	_, r = Move(c, nil, int(n), 0, false)
	require.Zero(t, r)
	b.run()
	for lines[n].leaving {
		b.on(1)
		Settle(&memory.cpus[1], nil, int(n))
		b.run()
	}
	for i := range maxLines - deviceVectors - 1 {
		_, e := bind(c, &msi, nil)
		require.Equal(t, i >= deviceVectors-1, e != 0, "line %d", i)
	}
}

// What a request is refused for.
func TestRefusals(t *testing.T) {
	b := newBoard(t, 0x11)
	c := &memory.cpus[0]
	n := b.claim(0)
	refused := func(want linux.Errno, r abi.IRQRequest) {
		t.Helper()
		_, e := bind(c, &r, nil)
		require.Equal(t, want, e)
	}
	refused(linux.EBUSY, abi.IRQRequest{GSI: gsiBase + input})
	refused(linux.ENODEV, abi.IRQRequest{GSI: gsiBase - 1})
	refused(linux.ENODEV, abi.IRQRequest{GSI: gsiBase + 24})
	refused(linux.EINVAL, abi.IRQRequest{GSI: gsiBase + 6, CPU: 2})
	memory.cpus[1].APICID = 255
	refused(linux.ERANGE, abi.IRQRequest{GSI: gsiBase + 6, CPU: 1})
	_, r := Move(c, nil, n, 1, false)
	require.Equal(t, linux.Fail(linux.ERANGE), r)
	memory.cpus[1].APICID = 254
	memory.cpus[1].State.Store(percpu.Ready)
	refused(linux.ENODEV, abi.IRQRequest{GSI: gsiBase + 6, CPU: 1})
	b.entries[7][0] = 2 << 8
	refused(linux.EBUSY, abi.IRQRequest{GSI: gsiBase + 7})
	_, r = Move(c, nil, 1, 0, false)
	require.Equal(t, linux.Fail(linux.EINVAL), r, "no such line")
	_, r = Move(c, nil, -1, 0, false)
	require.Equal(t, linux.Fail(linux.EINVAL), r)
}

// An interrupt whose vector means nothing on its CPU is ended.
func TestNoLine(t *testing.T) {
	b := newBoard(t, 0x11)
	b.sent(1, 0x55)
	require.Equal(t, 1, b.run())
	memory.cpus[1].Devices.Store(0)
	b.sent(1, 0x55)
	require.Equal(t, 1, b.run())
}
