package sysfuzz

// kind draws one argument.
type kind func(s *Source) uint64

// is is always v.
func is(v uint64) kind { return func(*Source) uint64 { return v } }

// of is one of a list, seldom another number.
func of(list ...uint64) kind {
	return func(s *Source) uint64 {
		if s.one(40) {
			return s.nonsense()
		}
		return list[s.below(uint64(len(list)))]
	}
}

// bits is any union of a list, seldom another number.
func bits(list ...uint64) kind {
	return func(s *Source) uint64 {
		if s.one(40) {
			return s.nonsense()
		}
		v, which := uint64(0), s.next()>>20
		for i, b := range list {
			if which>>i&1 != 0 {
				v |= b
			}
		}
		return v
	}
}

// upTo is a number below n, seldom another.
func upTo(n uint64) kind {
	return func(s *Source) uint64 {
		if s.one(40) {
			return s.nonsense()
		}
		return s.below(n)
	}
}

// either is one kind in n times, else another.
func either(n uint64, a, b kind) kind {
	return func(s *Source) uint64 {
		if s.one(n) {
			return a(s)
		}
		return b(s)
	}
}

// in is the address of an element of the block.
func in(p part) kind {
	return func(s *Source) uint64 {
		if s.one(30) {
			return s.badPointer()
		}
		return s.from(p)
	}
}

// none is an absent pointer, now and then.
func none(k kind) kind { return either(4, is(0), k) }

// out is where the kernel writes, or reads what it wrote. Page ends are likely.
func out(s *Source) uint64 {
	switch s.below(24) {
	case 0:
		return s.badPointer()
	case 1, 2, 3:
		return Arena + s.below(ArenaSize/page)*page + page - s.below(64)
	case 4, 5:
		return Arena + s.below(ArenaSize)
	}
	return Arena + s.below(64)*page + s.below(page/8)*8
}

// word is the address of a futex: few, so that threads meet.
func word(s *Source) uint64 {
	switch s.below(20) {
	case 0:
		return out(s)
	case 1:
		return Arena + s.below(ArenaSize/4)*4
	}
	return Arena + s.below(16)*4 + s.below(2)*page
}

// pages is the start of a mapping in the arena.
func pages(s *Source) uint64 {
	switch s.below(24) {
	case 0:
		return s.badPointer()
	case 1:
		return Arena + s.below(ArenaSize)
	case 2, 3, 4, 5, 6, 7, 8, 9:
		return Arena + s.below(ArenaSize/page)*page
	}
	return Arena + (128+s.below(512))*page
}

// length is the length of a mapping.
func length(s *Source) uint64 {
	switch s.below(24) {
	case 0:
		return s.nonsense()
	case 1:
		return s.below(ArenaSize)
	case 2, 3:
		return s.below(512) * page
	}
	return (1 + s.below(8)) * page
}

// size is the number of bytes of a transfer.
func size(s *Source) uint64 {
	switch s.below(32) {
	case 0:
		return s.nonsense()
	case 1:
		return s.below(1 << 18)
	case 2, 3:
		return s.choose(4095, 4096, 4097, 65535, 65536, 65537)
	}
	return s.choose(0, 1, 7, 8, 9, 16, 64, 100, 511, 512, 513, s.below(4096))
}

// fd is a descriptor that the calls may use and close: few, so that threads meet.
func fd(s *Source) uint64 {
	switch s.below(32) {
	case 0:
		return s.choose(3, 500, 511, 512, 1<<31-1, 1<<32-1, ^uint64(0), 1<<32+3)
	case 1, 2:
		return 3 + s.below(500)
	}
	return 3 + s.below(24)
}

// anyFD may be the console, too.
func anyFD(s *Source) uint64 {
	if s.one(10) {
		return s.below(3)
	}
	return fd(s)
}

// tid is the id of a thread, perhaps of this process.
func tid(s *Source) uint64 {
	switch s.below(12) {
	case 0:
		return s.choose(0, 1, 1<<30, 1<<31-1, 1<<32-1, ^uint64(0))
	case 1, 2:
		return s.pid + s.below(4096)
	}
	return s.pid + s.below(48)
}

func pid(s *Source) uint64 {
	if s.one(10) {
		return s.choose(0, 1, s.pid+1, 1<<31-1, ^uint64(0))
	}
	return s.pid
}

// sig is a signal whose handler returns. Signal Wake is among them.
func sig(s *Source) uint64 {
	switch s.below(30) {
	case 0:
		return s.choose(0, 65, 66, 1<<32+10, ^uint64(0))
	case 1:
		return harmless[s.below(uint64(len(harmless)))]
	}
	return s.choose(10, 12, 14, 17, 23, 28, 33, 40, 64)
}

// harmless is the signals that the program handles by returning. Only those of changing
// get other actions.
var harmless = func() (list []uint64) {
	for n := uint64(1); n <= 64; n++ {
		switch n {
		case 4, 5, 7, 8, 9, 11, 19, 31: // faults, KILL, STOP, SYS
		default:
			list = append(list, n)
		}
	}
	return list
}()

// Wake is the signal by which the program ends a wait. No mask of the calls blocks it.
const Wake = 12

// changing is a signal whose action the calls may change.
func changing(s *Source) uint64 {
	if s.one(20) {
		return s.choose(0, 9, 19, 65, ^uint64(0))
	}
	return s.choose(33, 40, 64, 50, 51)
}

// stackOf is the stack pointer of a new thread. Only a signal needs the stack, and no two
// threads that live at a time should have the same.
func stackOf(s *Source) uint64 {
	s.children++
	return Stacks + (uint64(s.thread)*stacksEach+s.children%stacksEach+1)*stackSize
}
