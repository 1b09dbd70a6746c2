// Command sysfuzz makes random system calls in ring 3: those of package
// muster/test/sysfuzz, by several threads at once. The threads are not the runtime's: they
// run nothing but the loop in sysfuzz_amd64.s, so that no call can disturb Go code. The
// first thread fills their rings, and ends their waits by a signal.
//
// Usage: sysfuzz SEED THREADS CALLS [FROM TO [MASK]]. CALLS is for all threads together.
// With FROM and TO each thread makes only its calls of these numbers, with MASK only the
// threads whose bit is set make any. COPY=K in the environment changes the seed.
//
// Layer: host.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"muster/test/sysfuzz"
	"muster/test/testdata/internal/sys"
)

func spawn(flags, sp, context uintptr) uintptr
func addresses() (handler, fault, resume uintptr)

// faultLine is what the handler of faults prints: signal, address, instruction, stack
// pointer, RBX. The handler fills in the digits.
var faultLine = [...]byte{100: '\n'}

func init() { copy(faultLine[:], "sysfuzz: FAULT:"+strings.Repeat(" ................", 5)) }

const (
	threadFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000
	ringCalls   = 8192
	numbers     = 512
	maxThreads  = 32
	patience    = 5   // milliseconds without a call, until the call is taken to wait
	progress    = 500 // milliseconds between two lines of progress
)

// context is what a thread and the program share, as sysfuzz_amd64.s has it.
type context struct {
	made, filled, stop atomic.Uint64
	stack              uint64
	_                  [4096 - 32]byte
	counts             [numbers][2]uint64 // by number: successes, errors
	_                  [65536 - 4096 - numbers*16]byte
	ring               [ringCalls]sysfuzz.Call
}

var _ [64]byte = [unsafe.Sizeof(sysfuzz.Call{})]byte{}

// thread is one thread that makes calls.
type thread struct {
	*context
	source *sysfuzz.Source
	number int
	id     uintptr
	drawn  uint64 // calls that the source has given
	last   uint64 // made, when it was last looked at
	waits  int    // how often it was the same
}

type options struct {
	seed           uint64
	threads        int
	calls          uint64 // of each thread
	from, to, mask uint64
}

func main() {
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	o := parse()
	prepare()
	setCanaries()
	handler, fault, resume := addresses()
	actions(handler, fault)
	var threads []*thread
	for i := range o.threads {
		if o.mask>>i&1 == 0 || len(list) > 0 && (i >= len(list) || len(list[i]) == 0) {
			continue
		}
		at := uintptr(sysfuzz.Rings + uint64(i)*sysfuzz.RingSize)
		t := &thread{context: (*context)(unsafe.Pointer(at)), source: sysfuzz.NewSource(o.seed, i, uint64(os.Getpid())), number: i}
		t.stack = sysfuzz.Stack(i)
		block := unsafe.Slice((*byte)(unsafe.Pointer(uintptr(sysfuzz.Block(i)))), sysfuzz.BlockSize)
		sysfuzz.FillBlock(block, o.seed, i, sysfuzz.Code{Handler: uint64(handler), Restorer: uint64(sys.ReturnPC()), Resume: uint64(resume), Context: uint64(at)})
		threads = append(threads, t)
	}
	fmt.Printf("sysfuzz: seed %d, %d threads, %d calls each\n", o.seed, o.threads, o.calls)
	for _, t := range threads {
		t.run()
	}
	o.serve(threads)
	checkCanaries()
	report(threads)
	if o.seed&1 == 0 { // half of the programs end while their threads run
		for _, t := range threads {
			t.stop.Store(1)
		}
		nap()
	}
	syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
}

func parse() (o options) {
	number := func(i int, v uint64) uint64 {
		if len(os.Args) > i {
			n, err := strconv.ParseUint(os.Args[i], 0, 64)
			if err != nil {
				fmt.Println("usage: sysfuzz SEED THREADS CALLS [FROM TO [MASK]]")
				os.Exit(2)
			}
			return n
		}
		return v
	}
	o.seed = number(1, 1)
	o.threads = int(min(number(2, 8), maxThreads))
	o.calls = number(3, 100000) / uint64(max(o.threads, 1))
	o.from, o.to, o.mask = number(4, 0), number(5, ^uint64(0)), number(6, ^uint64(0))
	if copyNumber, err := strconv.ParseUint(os.Getenv("COPY"), 10, 64); err == nil {
		o.seed += copyNumber * 1000003
	}
	return o
}

// prepare maps the areas of the calls at their addresses.
func prepare() {
	for _, area := range [][2]uint64{
		{sysfuzz.Arena, sysfuzz.ArenaSize},
		{sysfuzz.Blocks, maxThreads * sysfuzz.BlockSize},
		{sysfuzz.Rings, maxThreads * sysfuzz.RingSize},
		{sysfuzz.Stacks, sysfuzz.StacksSize},
		{canaries, canaryPages * 4096},
	} {
		if _, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, uintptr(area[0]), uintptr(area[1]), 3, 0x32, ^uintptr(0), 0); e != 0 {
			fmt.Println("sysfuzz: mmap:", e)
			os.Exit(3)
		}
	}
}

// actions takes every signal from the runtime.
func actions(handler, fault uintptr) {
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		switch sig {
		case syscall.SIGILL, syscall.SIGTRAP, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV:
			sys.Handle(sig, fault, sys.OnStack|sys.SigInfo, sysfuzz.NoNesting)
		case syscall.SIGKILL, syscall.SIGSTOP:
		default:
			sys.Handle(sig, handler, sys.OnStack, sysfuzz.NoNesting)
		}
	}
}

// No call names the canaries: a page of them that changes was two pages' frame, or was
// written through a translation that should have gone.
const (
	canaries    = 0x4055_0000_0000
	canaryPages = 1024
)

func canary(i int) *[512]uint64 {
	return (*[512]uint64)(unsafe.Pointer(uintptr(canaries + i*4096)))
}

func setCanaries() {
	for i := range canaryPages {
		for k := range canary(i) {
			canary(i)[k] = uint64(i<<32 | k)
		}
	}
}

// checkCanaries ends the program if a page has changed.
func checkCanaries() {
	for i := range canaryPages {
		for k, v := range canary(i) {
			if v != uint64(i<<32|k) {
				fmt.Printf("sysfuzz: FAULT: word %d of canary page %d is %#x\n", k, i, v)
				syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 71, 0, 0)
			}
		}
	}
}

func (t *thread) run() {
	t.id = spawn(threadFlags, uintptr(t.stack), uintptr(unsafe.Pointer(t.context)))
}

// next returns the thread's next call.
func (t *thread) next() sysfuzz.Call {
	if len(list) > 0 {
		mine := list[t.number]
		return mine[t.drawn%uint64(len(mine))]
	}
	return t.source.Next()
}

// fill puts calls into the thread's ring while there is room.
func (t *thread) fill(o *options) {
	filled := t.filled.Load()
	for room := t.made.Load() + ringCalls - filled; room > 0 && t.drawn < o.calls; t.drawn++ {
		c := t.next()
		if t.drawn < o.from || t.drawn >= o.to {
			continue
		}
		t.ring[filled%ringCalls] = c
		filled++
		room--
	}
	t.filled.Store(filled)
}

// serve fills the rings until all calls are made.
func (o *options) serve(list []*thread) {
	pid := uintptr(os.Getpid())
	next, shown := uint64(50000), uint64(0)
	for turn := 1; ; turn++ {
		busy, total := false, uint64(0)
		for _, t := range list {
			t.fill(o)
			made := t.made.Load()
			total += made
			if made == t.filled.Load() {
				continue
			}
			busy = true
			if t.waits++; made != t.last {
				t.last, t.waits = made, 0
			}
			if t.waits >= patience { // the call waits: end that
				if _, _, e := syscall.RawSyscall(syscall.SYS_TGKILL, pid, t.id, sysfuzz.Wake); e == syscall.ESRCH || e == syscall.EINVAL {
					t.run() // the call was exit, or no thread could be made
				}
				t.waits = 0
			}
		}
		if turn%progress == 0 && total != shown { // tools/shrink takes a run without these lines for one that hangs
			fmt.Println("sysfuzz: calls", total)
			shown = total
		}
		if total >= next {
			checkCanaries()
			next = total + 50000
		}
		if !busy {
			return
		}
		nap()
	}
}

// nap lets a millisecond pass.
func nap() {
	ts := [2]uint64{0, 1e6}
	syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// report prints how often each number succeeded and failed.
func report(list []*thread) {
	var sum [numbers][2]uint64
	total := uint64(0)
	for _, t := range list {
		for n := range sum {
			sum[n][0] += t.counts[n][0]
			sum[n][1] += t.counts[n][1]
		}
		total += t.made.Load()
	}
	line := []byte("sysfuzz: counts")
	for n, c := range sum {
		if c != [2]uint64{} {
			line = fmt.Appendf(line, " %d:%d/%d", n, c[0], c[1])
		}
	}
	say(fmt.Appendf(line, "\nsysfuzz: done %d\n", total))
}

// say writes a line. The port that the programs share may be full, and one of their calls
// may have made it non-blocking by FIONBIO: EAGAIN. A signal that a call has caused ends a
// wait: EINTR.
func say(line []byte) {
	for len(line) > 0 {
		n, _, e := syscall.RawSyscall(syscall.SYS_WRITE, 1, uintptr(unsafe.Pointer(&line[0])), uintptr(len(line)))
		switch e {
		case 0:
			line = line[n:]
		case syscall.EAGAIN:
			nap()
		case syscall.EINTR:
		default:
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 72, 0, 0)
		}
	}
}
