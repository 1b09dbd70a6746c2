// Package sysfuzz makes the random system calls of the fuzzer: the same seed gives the
// same calls.
//
// A call's arguments are drawn from what lives in the fuzzed process, from limits, and
// from nonsense. Nothing is drawn from a result: descriptors are small numbers, threads
// are near the process's own id, and memory lies at fixed addresses. So the calls of a
// thread depend on the seed alone, and the host can make the list that a machine ran.
//
// test/testdata/sysfuzz makes these calls in ring 3, tools/shrink reduces a list that
// breaks the kernel.
//
// Layer: host tests.
// Context: any goroutine; one at a time for each Source.
// Locks: none.
// Chapter: docs/12-shell-and-tests.md.
package sysfuzz

// Call is a system call: its number and its arguments. Script is the address of the call
// that a thread makes which this call starts, if it is clone.
type Call struct {
	Number uint64
	Args   [6]uint64
	Script uint64
}

// Addresses of the fuzzed process. The runtime uses none of these areas.
const (
	Arena     = 0x4011_0000_0000 // memory that the calls map, unmap and write
	ArenaSize = 8 << 20

	Blocks    = 0x4022_0000_0000 // one for each thread: what the calls only read
	BlockSize = 64 << 10

	Rings    = 0x4033_0000_0000 // one for each thread: calls to make
	RingSize = 1 << 20

	Stacks     = 0x4044_0000_0000 // of the threads that calls make
	StacksSize = 32 * stacksEach * stackSize
	stackSize  = 8 << 10
	stacksEach = 4096 // for each thread that makes some

	page = 4096
)

// Block returns the address of a thread's block.
func Block(thread int) uint64 { return Blocks + uint64(thread)*BlockSize }

// Parts of a block: offset and size of an element, and their number.
type part struct{ at, size, n uint64 }

var (
	masks   = part{0x0000, 8, 32}
	times   = part{0x0100, 16, 64}
	periods = part{0x0500, 32, 32}
	actions = part{0x0900, 32, 32}
	stacks  = part{0x0d00, 24, 20}
	events  = part{0x0f00, 16, 64}
	notices = part{0x1300, 64, 20}
	vectors = part{0x1800, 512, 8}
	polls   = part{0x2800, 512, 8}
	paths   = part{0x3800, 64, 16}
	scripts = part{0x4000, 64, 64}
	frames  = part{0x5000, 1024, 16}
	xstates = part{0x9000, 4096, 4}
	limits  = part{0x3c00, 16, 16}
)

// altStack is where in a block the alternate signal stack is, to its end.
const altStack = 0xd000

// Stack returns the stack pointer that a thread begins with. Only signals use the stack.
func Stack(thread int) uint64 { return Rings + uint64(thread+1)*RingSize - 512 }

// Source makes the calls of one thread.
type Source struct {
	state    uint64
	thread   int
	pid      uint64
	children uint64 // threads made
}

// NewSource returns the source of a thread's calls. pid is the process's id.
func NewSource(seed uint64, thread int, pid uint64) *Source {
	s := &Source{state: seed*0x9e3779b97f4a7c15 + uint64(thread+1)*0xd1b54a32d192ed03 | 1, thread: thread, pid: pid}
	for range 4 {
		s.next()
	}
	return s
}

func (s *Source) next() uint64 { // xorshift64*
	s.state ^= s.state >> 12
	s.state ^= s.state << 25
	s.state ^= s.state >> 27
	return s.state * 0x2545f4914f6cdd1d
}

// below returns a number less than n.
func (s *Source) below(n uint64) uint64 { return (s.next() >> 33) * n >> 31 }

// one reports true once in n times.
func (s *Source) one(n uint64) bool { return s.below(n) == 0 }

// choose returns one of a list.
func (s *Source) choose(list ...uint64) uint64 { return list[s.below(uint64(len(list)))] }

// from returns the address of an element of the thread's block.
func (s *Source) from(p part) uint64 {
	return Block(s.thread) + p.at + s.below(p.n)*p.size
}

// Next returns the next call.
func (s *Source) Next() (c Call) {
	for {
		e := &Table[wheel[s.below(uint64(len(wheel)))]]
		c = Call{Number: e.Number, Script: s.from(scripts)}
		if e.Number == Nowhere {
			c.Number = s.choose(0x1000+s.below(80), 0x40000000+s.below(400), 500+s.below(500), 1<<32+s.below(400), 1<<63+s.below(400), ^uint64(0))
		}
		for i, k := range e.Args {
			c.Args[i] = k(s)
		}
		if s.one(64) { // one argument is anything
			c.Args[s.below(6)] = s.nonsense()
		}
		if !deadly(&c) {
			return c
		}
	}
}

// wheel has each entry of Table as often as its weight says.
var wheel = func() (list []uint16) {
	for i, e := range Table {
		for range e.Weight {
			list = append(list, uint16(i))
		}
	}
	return list
}()

// nonsense is a number that is seldom right.
func (s *Source) nonsense() uint64 {
	switch s.below(6) {
	case 0:
		return s.choose(0, 1, 7, 8, 4095, 4096, 1<<31-1, 1<<31, 1<<32-1, 1<<32, 1<<32+1, 1<<62, 1<<63-1, 1<<63, ^uint64(0), ^uint64(0)-1)
	case 1:
		return s.badPointer()
	case 2:
		return 1 << s.below(64)
	case 3:
		return ^uint64(0) << s.below(64)
	case 4:
		return s.below(1 << 16)
	}
	return s.next()
}

// badPointer is an address that the process has nothing at.
func (s *Source) badPointer() uint64 {
	return s.choose(0, 1, 8, 4096, 1<<47-4096, 1<<47-1, 1<<47, 1<<63, 0xffff800000000000, 0xffffa00000000000,
		0xffffc00000000000, 0xffffffff80201000, ^uint64(0)-7, ^uint64(0)-4095, Arena+ArenaSize, Arena-8)
}
