package sysfuzz

import "encoding/binary"

// Code is the addresses of the program's assembly that the blocks refer to.
type Code struct {
	Handler  uint64 // a signal handler that returns
	Restorer uint64 // rt_sigreturn
	Resume   uint64 // where a thread goes on after rt_sigreturn
	Context  uint64 // what Resume needs in RBX
}

// FillBlock writes a thread's block: all that its calls only read. The seed decides.
func FillBlock(b []byte, seed uint64, thread int, code Code) {
	s := NewSource(seed^0xb10c, thread, 0)
	put := func(at, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
	each := func(p part, f func(i, at uint64)) {
		for i := range p.n {
			f(i, p.at+i*p.size)
		}
	}
	each(masks, func(i, at uint64) { put(at, s.mask()) })
	each(times, func(i, at uint64) { s.time(func(sec, ns uint64) { put(at, sec); put(at+8, ns) }) })
	each(periods, func(i, at uint64) {
		s.time(func(sec, ns uint64) { put(at+16, sec); put(at+24, ns) })
		if i%8 == 0 { // again and again, but not so often that nothing else runs
			put(at+8, 5e7+s.below(1e9))
		}
	})
	each(actions, func(i, at uint64) {
		put(at, s.choose(code.Handler, code.Handler, 1))
		put(at+8, 0x0c000000|s.choose(0, 0x10000000, 0x40000000, 4)) // on the stack, restorer; restart, not deferred, info
		put(at+16, code.Restorer)
		put(at+24, NoNesting)
	})
	each(stacks, func(i, at uint64) {
		put(at, Block(thread)+altStack)
		put(at+8, s.choose(0, 0, 2, 0x80000000, 5))
		put(at+16, s.choose(BlockSize-altStack, BlockSize-altStack, 8192, 2048, 100, 0))
	})
	each(events, func(i, at uint64) {
		binary.LittleEndian.PutUint32(b[at:], uint32(s.choose(1, 4, 5, 0, 0x2000, 0x2019)|s.choose(0, 1<<31, 1<<30, 1<<28, 1<<29)))
		binary.LittleEndian.PutUint64(b[at+4:], s.next())
	})
	each(notices, func(i, at uint64) { // struct sigevent
		put(at, s.next())
		put(at+8, s.choose(10, 14, 23, 27, 64, 0, 65)|s.choose(0, 1, 4, 0, 7)<<32)
		put(at+16, s.below(64))
	})
	each(vectors, func(i, at uint64) {
		for k := uint64(0); k < 512; k += 16 {
			put(at+k, out(s))
			put(at+k+8, s.choose(0, 1, 8, 100, 512, 4096, 5000, s.below(1<<16)))
			if s.one(100) {
				put(at+k+8, s.nonsense())
			}
		}
	})
	each(polls, func(i, at uint64) {
		for k := uint64(0); k < 512; k += 8 {
			binary.LittleEndian.PutUint32(b[at+k:], uint32(anyFD(s)))
			binary.LittleEndian.PutUint32(b[at+k+4:], uint32(s.choose(1, 4, 5, 0, 0x3f, 0xffff)))
		}
	})
	each(paths, func(i, at uint64) {
		list := []string{"/", ".", "", "/dev/null", "/proc/self/maps", "a", "/etc/hosts", "..//..", "/dev/../dev/./tty"}
		copy(b[at:at+63], list[i%uint64(len(list))])
		if i == 15 {
			for k := range uint64(64) { // no end in this element
				b[at+k] = 'x'
			}
		}
	})
	each(limits, func(i, at uint64) {
		put(at, s.choose(512, 1024, 8<<20, ^uint64(0), 256))
		put(at+8, s.choose(512, 1024, 8<<20, ^uint64(0)))
	})
	each(scripts, func(i, at uint64) { s.script(func(k int, v uint64) { put(at+uint64(k)*8, v) }) })
	each(xstates, func(i, at uint64) {
		put(at, 0x37f)
		binary.LittleEndian.PutUint32(b[at+24:], 0x1f80|uint32(s.choose(0, 0x2000, 0x6000, 0x3f)))
		put(at+512, s.choose(0, 1, 2, 3, 7))
		for k := uint64(160); k < 416; k += 8 {
			put(at+k, s.next())
		}
	})
	each(frames, func(i, at uint64) { s.frame(b[at:at+1024], i, thread, code) })
}

// NoNesting is the mask of the handlers. Threads of the runtime run them too, and their
// signal stacks are not made for one frame of each signal.
const NoNesting = ^uint64(1<<3 | 1<<4 | 1<<6 | 1<<7 | 1<<10)

// mask is a set of signals. The faults, and Wake, are not in it: the first would end the
// process, the second ends waits.
func (s *Source) mask() uint64 {
	few := s.next()
	few &= s.next()
	m := s.choose(0, ^uint64(0), 1<<9, s.next(), few)
	for _, sig := range []uint64{4, 5, 7, 8, 11, Wake} {
		m &^= 1 << (sig - 1)
	}
	return m
}

// time is a short span, now and then a bad one or a long one. Wake ends the last.
func (s *Source) time(set func(sec, ns uint64)) {
	switch s.below(24) {
	case 0:
		set(s.choose(0, ^uint64(0), 1<<33, 1<<62, 1<<63-1), s.choose(0, 1e9-1, 1e9, ^uint64(0)))
	case 1:
		set(0, 1e6+s.below(2e7))
	default:
		set(0, s.choose(0, 0, 1, 1000, s.below(3e5)))
	}
}

// script is the one call of a thread that clone made.
func (s *Source) script(set func(k int, v uint64)) {
	switch s.below(10) {
	case 0, 1:
		set(0, 35) // nanosleep
		set(1, s.from(times))
	case 2, 3:
		set(0, 202) // futex
		for k, v := range []uint64{word(s), 128, s.below(2), s.from(times)} {
			set(k+1, v)
		}
	case 4:
		set(0, 0) // read
		for k, v := range []uint64{fd(s), Arena, 64} {
			set(k+1, v)
		}
	case 5:
		set(0, 3) // close
		set(1, 3+s.below(24))
	case 6:
		set(0, 232) // epoll_wait
		for k, v := range []uint64{fd(s), Arena, 8, s.below(5)} {
			set(k+1, v)
		}
	default:
		set(0, s.choose(24, 39, 186))
	}
}

// Offsets in the kernel's struct ucontext.
const (
	ucUsed  = 0 // which parts are valid
	ucStack = 16
	ucRBX   = 40 + 11*8
	ucRSP   = 40 + 15*8
	ucRIP   = 40 + 16*8
	ucFlags = 40 + 17*8
	ucSegs  = 40 + 18*8
	ucFP    = 40 + 23*8
	ucMask  = 40 + 32*8

	ucStrictSS = 4 // in ucUsed
)

// frame makes a frame for rt_sigreturn that goes on at code.Resume. What is not needed
// there is anything.
func (s *Source) frame(b []byte, i uint64, thread int, code Code) {
	put := func(at, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
	for at := uint64(0); at < 512; at += 8 {
		put(at, s.next())
	}
	put(ucRBX, code.Context)
	put(ucStack, Block(thread)+altStack)
	put(ucStack+8, s.choose(0, 2))
	put(ucStack+16, BlockSize-altStack)
	put(ucRSP, Stack(thread))
	put(ucRIP, code.Resume)
	put(ucFlags, s.choose(0x202, 0x202, 0xffffffff&^0x100, 0x40202, 0x4602, s.next()&^0x100))
	put(ucUsed, s.next()&^ucStrictSS) // so SS may be anything; a wrong CS ends the program
	put(ucSegs, s.choose(0x2b<<48, 0x28<<48, s.next()&^0xffff)|s.choose(0x33, 0x33, 0x30))
	put(ucFP, 0)
	if i%2 == 1 {
		put(ucFP, s.from(xstates))
	}
	put(ucMask, s.mask())
}
