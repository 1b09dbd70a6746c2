// Command contend is a program for ring 3 whose threads use the same few objects at once:
// they change and end what other threads use. Its argument selects the act. Whatever the
// order, each call returns, and the kernel has its memory and its threads back afterwards.
// test/contend_test.go runs it.
//
// Layer: host.
// Chapter: docs/10-system-calls.md.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const (
	page = 4096
	none = ^uintptr(0)
	rw   = syscall.PROT_READ | syscall.PROT_WRITE
)

// kept makes what ptr gets live in the heap: a stack may move while a thread waits.
var kept atomic.Pointer[byte]

func ptr[T any](p *T) uintptr {
	kept.Store((*byte)(unsafe.Pointer(p)))
	return uintptr(unsafe.Pointer(p))
}

func mapped(n uintptr, prot uintptr) uintptr {
	p, e := sys.Raw(syscall.SYS_MMAP, 0, n, prot, syscall.MAP_PRIVATE|syscall.MAP_ANON, none, 0)
	if e != 0 {
		fail("mmap: errno %d", int(e))
	}
	return p
}

func fail(format string, a ...any) {
	fmt.Printf("contend: "+format+"\n", a...)
	os.Exit(1)
}

// span is how long an act runs; it makes enough turns in any case.
const (
	span   = 1500 * time.Millisecond
	enough = 2000
)

var turns atomic.Int64

// contend has threads take turns until the act has lasted long enough.
func contend(threads int, turn func(id int, r *rand.Rand)) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	for id := range threads {
		wg.Go(func() {
			runtime.LockOSThread() // the thread ends with the goroutine, because acts change it
			r := rand.New(rand.NewPCG(uint64(id), 9))
			for !stop.Load() {
				turns.Add(1)
				turn(id, r)
			}
		})
	}
	for begin := time.Now(); time.Since(begin) < span || turns.Load() < enough; {
		time.Sleep(20 * time.Millisecond)
	}
	stop.Store(true)
	wg.Wait()
}

var acts = map[string]func(){
	"resize":       resize,
	"resize ends":  resizeEnds,
	"exhaust":      exhaust,
	"tids":         tids,
	"select":       selects,
	"stacks":       func() { stacks(false) },
	"other stacks": func() { stacks(true) },
	"timers":       timers,
	"nests":        nests,
	"tlb":          oracle,
	"maps":         maps,
	"mapwait":      mapwait,
}

func main() {
	runtime.LockOSThread() // the first thread does not end with a goroutine
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(12)
	act := acts[os.Args[1]]
	if act == nil {
		fail("no act %q", os.Args[1])
	}
	act()
	fmt.Printf("contend: %s is done\n", os.Args[1])
}
