// Command vectors holds x87 and vector state over system calls of each kind, as compilers
// of C may: all of it must be the same afterwards. It runs on Linux as on Muster.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// area is an XSAVE or FXSAVE area; it is used at a multiple of 64.
type area [1024]byte

// In vectors_amd64.s.
func hold(before, after, clean *area, call *[7]uintptr) uintptr // LOAD, SYSCALL, STORE
func spin(before, after, clean *area, n uintptr)                // LOAD, a loop, STORE
func child(stack uintptr, before, after, clean *area, done *uint32)
func handlerPC() uintptr
func cpuid1() uint32 // ECX of leaf 1
func xgetbv() uint64

// old says that the kernel offers no XSAVE, and vectors_amd64.s uses FXSAVE.
var old = cpuid1()>>27&1 == 0

// What the last handler has found in its frame.
var (
	frameFlags uint64
	frameMagic uint32
)

// Offsets in an area.
const (
	mxcsr  = 24
	header = 512
	avx    = 576
)

// Calls that package syscall does not name.
const (
	futexWaitPrivate = 128
	getcpu           = 309
)

var components = enabled()

func enabled() uint64 {
	if old {
		return 3
	}
	return xgetbv() & 7
}

func newArea() *area {
	b := make([]byte, 2*len(area{}))
	return (*area)(unsafe.Pointer((uintptr(unsafe.Pointer(&b[0])) + 63) &^ 63))
}

// fill gives every register a value of its own: x87 registers, control words, XMM, YMM.
func fill(a *area, r *rand.Rand) {
	for i := range a {
		a[i] = byte(r.Uint32())
	}
	clear(a[:32])
	binary.LittleEndian.PutUint16(a[0:], 0x37f&^(3<<8|3<<10)|uint16(r.IntN(16))<<8) // precision and rounding
	a[4] = byte(r.IntN(256))                                                        // which x87 registers are in use
	binary.LittleEndian.PutUint32(a[mxcsr:], 0x1f80|uint32(r.IntN(4))<<13|uint32(r.IntN(2))<<15|uint32(r.IntN(2))<<6|uint32(r.IntN(64)))
	for i := range 8 { // the 80 bits of a register are a number, or compare by accident of its format
		clear(a[32+16*i+10 : 48+16*i])
		a[32+16*i+7] |= 0x80
	}
	clear(a[416:])
	binary.LittleEndian.PutUint64(a[header:], components)
	if components&4 != 0 {
		for i := avx; i < avx+256; i++ {
			a[i] = byte(r.Uint32())
		}
	}
}

// same reports where two areas differ, "" for nowhere.
func same(a, b *area) string {
	parts := []struct {
		name     string
		from, to int
	}{{"x87 control, status and tags", 0, 5}, {"MXCSR", 24, 28}, {"x87 registers", 32, 160}, {"XMM", 160, 416}}
	if components&4 != 0 {
		parts = append(parts, struct {
			name     string
			from, to int
		}{"upper halves of YMM", avx, avx + 256})
	}
	for _, p := range parts {
		if !bytes.Equal(a[p.from:p.to], b[p.from:p.to]) {
			return fmt.Sprintf("%s: %x, then %x", p.name, a[p.from:p.to], b[p.from:p.to])
		}
	}
	return ""
}

// worker has what one thread's calls need.
type worker struct {
	r                    *rand.Rand
	before, after, clean *area
	pipe                 [2]int
	word                 uint32
	buffer               [64]byte
	stack                []byte
	returned             atomic.Bool // from the call
	disturbing           sync.WaitGroup
}

// disturb sends signals to a thread until its call has returned: the first ones may come before
// the call begins, and then end nothing.
func (w *worker) disturb(pid, tid int) {
	defer w.disturbing.Done()
	for !w.returned.Load() {
		time.Sleep(2 * time.Millisecond)
		syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(syscall.SIGUSR1))
	}
}

// kind is one kind of system call.
type kind struct {
	name string
	call func(w *worker) [7]uintptr
	want func(r uintptr) bool
}

func anything(uintptr) bool { return true }
func zero(r uintptr) bool   { return r == 0 }
func fails(e syscall.Errno) func(uintptr) bool {
	return func(r uintptr) bool { return int(r) == -int(e) }
}

var millisecond = syscall.Timespec{Nsec: 1_000_000}
var long = syscall.Timespec{Sec: 60}

func ptr[T interface{}](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

var kinds = []kind{
	{"short", func(*worker) [7]uintptr { return [7]uintptr{syscall.SYS_GETPID} }, anything},
	{"with a result in memory", func(w *worker) [7]uintptr { return [7]uintptr{syscall.SYS_UNAME, ptr(&page()[0])} }, zero},
	{"of a bad number", func(*worker) [7]uintptr { return [7]uintptr{1 << 20} }, fails(syscall.ENOSYS)},
	{"of a bad pointer", func(*worker) [7]uintptr { return [7]uintptr{syscall.SYS_UNAME, 1<<47 - 4096} }, fails(syscall.EFAULT)},
	{"that gives way", func(*worker) [7]uintptr { return [7]uintptr{syscall.SYS_SCHED_YIELD} }, zero},
	{"that sleeps", func(*worker) [7]uintptr { return [7]uintptr{syscall.SYS_NANOSLEEP, ptr(&millisecond)} }, anything},
	{"that waits for a word", func(w *worker) [7]uintptr {
		return [7]uintptr{syscall.SYS_FUTEX, ptr(&w.word), futexWaitPrivate, 0, ptr(&millisecond)}
	}, anything},
	{"that waits for a pipe", func(w *worker) [7]uintptr {
		time.AfterFunc(time.Millisecond, func() { syscall.Write(w.pipe[1], []byte("x")) })
		return [7]uintptr{syscall.SYS_READ, uintptr(w.pipe[0]), ptr(&w.buffer), 1}
	}, anything},
	{"that maps", func(*worker) [7]uintptr {
		return [7]uintptr{syscall.SYS_MMAP, 0, 1 << 16, 3, syscall.MAP_ANON | syscall.MAP_PRIVATE, ^uintptr(0)}
	}, anything},
	{"with a signal at its end", func(*worker) [7]uintptr {
		return [7]uintptr{syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGUSR1)}
	}, zero},
	{"that a signal ends", func(w *worker) [7]uintptr {
		w.disturbing.Add(1)
		go w.disturb(syscall.Getpid(), syscall.Gettid())
		return [7]uintptr{syscall.SYS_NANOSLEEP, ptr(&long)}
	}, fails(syscall.EINTR)},
}

// page returns a page that does not exist before the kernel writes to it.
func page() []byte {
	b, err := syscall.Mmap(-1, 0, 4096, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	return b
}

var failed atomic.Uint32

func say(what, why string) {
	if failed.Add(1) < 10 {
		fmt.Printf("vectors: %s: %s\n", what, why)
	}
}

// Codes of arch_prctl.
const (
	archSetGS = 0x1001
	archGetGS = 0x1004
)

// run makes each kind of call, one time after the other. Go does not use GS, so its base
// must be the thread's own all the time; FS is Go's, and nothing works without it.
func (w *worker) run(rounds int) {
	gs := uintptr(w.r.Uint64()) >> 17
	syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archSetGS, gs, 0)
	defer func() {
		var now uintptr
		syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archGetGS, ptr(&now), 0)
		if now != gs {
			say("GS", fmt.Sprintf("base %#x, then %#x", gs, now))
		}
	}()
	for range rounds {
		for _, k := range kinds {
			fill(w.before, w.r)
			w.returned.Store(false)
			call := k.call(w)
			r := hold(w.before, w.after, w.clean, &call)
			w.returned.Store(true)
			w.disturbing.Wait()
			if !k.want(r) {
				say(k.name, fmt.Sprintf("result %d", int(r)))
			}
			if d := same(w.before, w.after); d != "" {
				say("a call "+k.name, d)
			}
		}
		fill(w.before, w.r)
		spin(w.before, w.after, w.clean, 5_000_000)
		if d := same(w.before, w.after); d != "" {
			say("preemption", d)
		}
		w.inherit()
	}
}

// inherit starts a thread by clone, which has its parent's vector state.
func (w *worker) inherit() {
	fill(w.before, w.r)
	done := new(uint32)
	child(ptr(&w.stack[len(w.stack)-1])&^63, w.before, w.after, w.clean, done)
	for atomic.LoadUint32(done) == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	if d := same(w.before, w.after); d != "" {
		say("a new thread", d)
	}
}

// checkFrame looks at what signal frames announce: an XSAVE area, if there is one.
func checkFrame() {
	flags, magic := uint64(7), uint32(0x46505853)
	if old {
		flags, magic = 6, 0
	}
	if frameFlags != flags || frameMagic != magic {
		say("signal frame", fmt.Sprintf("flags %#x, magic %#x", frameFlags, frameMagic))
	}
}

func main() {
	rounds := 3
	if len(os.Args) > 1 {
		fmt.Sscan(os.Args[1], &rounds)
	}
	sys.Handle(syscall.SIGUSR1, handlerPC(), sys.OnStack, 0)
	n := 2 * runtime.NumCPU()
	runtime.GOMAXPROCS(2 * n)
	var all sync.WaitGroup
	for i := range n {
		w := &worker{r: rand.New(rand.NewPCG(uint64(i), 8)), before: newArea(), after: newArea(), clean: newArea(), stack: make([]byte, 64<<10)}
		binary.LittleEndian.PutUint32(w.clean[mxcsr:], 0x1f80)
		binary.LittleEndian.PutUint16(w.clean[0:], 0x37f)
		if err := syscall.Pipe(w.pipe[:]); err != nil {
			panic(err)
		}
		all.Go(func() {
			runtime.LockOSThread()
			w.run(rounds)
		})
	}
	all.Wait()
	checkFrame()
	if failed.Load() > 0 {
		fmt.Println("vectors:", failed.Load(), "differences")
		os.Exit(1)
	}
	fmt.Printf("vectors: state kept, components %#x, %d kinds of calls\n", components, len(kinds)+2)
}
