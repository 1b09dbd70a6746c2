// Command affinity binds threads to CPUs by sched_setaffinity, and prints what is not as on Linux: threads that
// are not the caller's, while they compute, wait for a CPU and sleep; new threads; sets of all sizes. With an argument, a number of
// seconds, threads that are bound go on for so long, while CPUs go offline and come back.
//
// Layer: host.
// Chapter: docs/09-scheduler.md.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

const (
	sysSetAffinity, sysGetAffinity, sysGetcpu = 203, 204, 309

	noSuch = 1<<30 - 1
)

// set is CPUs, with room for more than there are.
type set [64]uint64

var failed atomic.Bool

func expect(ok bool, what string, a ...any) {
	if !ok {
		failed.Store(true)
		fmt.Println("affinity:", fmt.Sprintf(what, a...))
	}
}

//go:uintptrescapes
func call(n uintptr, a ...uintptr) (uintptr, syscall.Errno) { return sys.Raw(n, a...) }

// where returns the CPU that runs the caller.
func where() int {
	cpu := new(uint32)
	call(sysGetcpu, uintptr(unsafe.Pointer(cpu)), 0)
	return int(*cpu)
}

func setOf(ids ...int) *set {
	s := &set{}
	for _, id := range ids {
		s[id/64] |= 1 << (id % 64)
	}
	return s
}

func (s *set) has(id int) bool { return s[id/64]>>(id%64)&1 != 0 }

// bind sets the CPUs of a thread, 0 for the caller.
func bind(tid int, s *set) syscall.Errno {
	_, e := call(sysSetAffinity, uintptr(tid), unsafe.Sizeof(*s), uintptr(unsafe.Pointer(s)))
	return e
}

// of returns the CPUs of a thread.
func of(tid int) *set {
	s := &set{}
	_, e := call(sysGetAffinity, uintptr(tid), unsafe.Sizeof(*s), uintptr(unsafe.Pointer(s)))
	expect(e == 0, "sched_getaffinity: %v", e)
	return s
}

// worker is a thread that does one thing, and notes on which CPU it is.
type worker struct {
	tid  int
	on   atomic.Int32
	runs atomic.Int64
	stop atomic.Bool
	done sync.WaitGroup
}

func start(work func()) *worker {
	w := &worker{}
	tid := make(chan int)
	w.done.Add(1)
	go func() {
		defer w.done.Done()
		runtime.LockOSThread() // and never unlocked: the thread ends
		tid <- syscall.Gettid()
		for !w.stop.Load() {
			work()
			w.on.Store(int32(where()))
			w.runs.Add(1)
		}
	}()
	w.tid = <-tid
	return w
}

func (w *worker) end() {
	w.stop.Store(true)
	w.done.Wait()
}

// goesOn waits until the worker has been through its loop twice more.
func (w *worker) goesOn(what string) {
	from := w.runs.Load()
	for limit := time.Now().Add(20 * time.Second); w.runs.Load() < from+2; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			expect(false, "%s: a thread does not run for 20 s", what)
			return
		}
	}
}

// works are what threads do when they are bound from outside.
var works = map[string]func(){
	"computes": func() {},
	"sleeps":   func() { time.Sleep(time.Millisecond) },
	"yields":   func() { syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) },
	"calls":    func() { syscall.Getppid() },
}

// moves binds threads to one CPU after the other. Beside a thread that computes, another one waits for the same CPU.
func moves(some []int) {
	for what, work := range works {
		w, beside := start(work), start(func() {})
		for i := range 24 {
			id := some[i%len(some)]
			expect(bind(beside.tid, setOf(id)) == 0, "sched_setaffinity")
			expect(bind(w.tid, setOf(id)) == 0, "sched_setaffinity")
			expect(*of(w.tid) == *setOf(id), "sched_getaffinity returns another set")
			if i%3 != 0 {
				continue // before it has been there
			}
			w.goesOn(what)
			expect(int(w.on.Load()) == id, "a thread that %s is on CPU %d, bound to %d", what, w.on.Load(), id)
		}
		w.end()
		beside.end()
	}
}

// self binds the caller, which is there when the call returns.
func self(all, some []int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := rand.New(rand.NewSource(1))
	for range 200 {
		ids := []int{}
		for _, id := range some {
			if r.Intn(2) == 0 {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			expect(bind(0, setOf()) == syscall.EINVAL, "a set without CPUs")
			continue
		}
		s := setOf(ids...)
		expect(bind(0, s) == 0, "sched_setaffinity")
		on := where()
		expect(s.has(on), "on CPU %d, which is not in the set %v", on, ids)
	}
	bind(0, setOf(all...))
}

// exists reports whether a process has a thread.
func exists(pid, tid int) bool {
	_, e := call(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), 0)
	return e == 0
}

// bindAll binds all threads of the program.
func bindAll(s *set) {
	pid := syscall.Getpid()
	for tid := pid; tid < pid+200; tid++ {
		if exists(pid, tid) {
			expect(bind(tid, s) == 0, "sched_setaffinity of thread %d", tid)
		}
	}
}

// inherits makes threads while all threads are bound, as it is not known which of them makes one.
func inherits(all []int) {
	last := setOf(all[len(all)-1])
	bindAll(last)
	var list []*worker
	for range 8 {
		w := start(works["sleeps"])
		expect(*of(w.tid) == *last, "a new thread has a set of its own")
		w.goesOn("new")
		expect(last.has(int(w.on.Load())), "a new thread is on CPU %d", w.on.Load())
		list = append(list, w)
	}
	bindAll(setOf(all...))
	for _, w := range list {
		w.end()
	}
}

// answers are results whose meaning is Linux's.
func answers(all []int) {
	runtime.LockOSThread() // 0 is this thread
	defer runtime.UnlockOSThread()
	expect(bind(0, setOf(4095)) == syscall.EINVAL, "a set of a CPU that is not there")
	expect(bind(noSuch, setOf(all[0])) == syscall.ESRCH, "a thread that is not there")
	beyond := setOf(append([]int{4095}, all[0])...)
	expect(bind(0, beyond) == 0, "a CPU that is not there beside one that is")
	expect(*of(0) == *setOf(all[0]), "CPUs that are not there are not in the set")
	bytes := append(make([]byte, 0, 8), byte(1<<all[0]))
	_, e := call(sysSetAffinity, 0, 1, uintptr(unsafe.Pointer(&bytes[0])))
	expect(e == 0, "a set of one byte: %v", e)
	expect(bind(0, setOf(all...)) == 0, "all CPUs")
	expect(*of(0) == *setOf(all...), "the set of all CPUs")
}

// shares has more threads than CPUs, bound to two CPUs: each gets on, and the others are left alone.
func shares(all []int) {
	pair := setOf(all[0], all[len(all)-1])
	var list []*worker
	for range 5 {
		w := start(func() {})
		expect(bind(w.tid, pair) == 0, "sched_setaffinity")
		list = append(list, w)
	}
	for range 5 {
		for _, w := range list {
			w.goesOn("beside others")
			expect(pair.has(int(w.on.Load())), "on CPU %d, which is not in the set", w.on.Load())
		}
	}
	for _, w := range list {
		w.end()
	}
}

// mutual has two threads that bind each other to one CPU after the other. Neither waits for long until the other has left its CPU.
// It prints what happens again and again, as a host that is busy makes some calls slow.
func mutual(n int) {
	var tids [2]atomic.Int64
	var slow [2]int
	var done sync.WaitGroup
	for i := range 2 {
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread() // and never unlocked: the thread ends
			tids[i].Store(int64(syscall.Gettid()))
			for tids[1-i].Load() == 0 {
				runtime.Gosched()
			}
			for end, k := time.Now().Add(5*time.Second), i; time.Now().Before(end); k++ {
				begin := time.Now()
				bind(int(tids[1-i].Load()), setOf(k%n))
				if time.Since(begin) > 900*time.Millisecond {
					slow[i]++
				}
			}
		}()
	}
	done.Wait()
	expect(slow[0]+slow[1] < 4, "two threads that bind each other have %d calls of more than 900 ms", slow[0]+slow[1])
}

// endures binds threads at random for a while, in which CPUs go offline and come back. A set may have no CPU that is online any
// more: then the thread may run anywhere.
func endures(all []int, d time.Duration) {
	var list []*worker
	for _, work := range works {
		list = append(list, start(work), start(work))
	}
	fmt.Println("affinity: begins")
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		w := list[rand.Intn(len(list))]
		s := setOf(all[rand.Intn(len(all))], all[rand.Intn(len(all))])
		e := bind(w.tid, s)
		expect(e == 0 || e == syscall.EINVAL, "sched_setaffinity: %v", e)
		if n%8 == 0 {
			w.goesOn("while CPUs come and go")
		}
	}
	for _, w := range list {
		w.goesOn("at the end")
		w.end()
	}
	fmt.Println("affinity: changes", n)
}

func main() {
	runtime.GOMAXPROCS(16)
	var all []int
	for s, id := of(0), 0; id < 64*len(s); id++ {
		if s.has(id) {
			all = append(all, id)
		}
	}
	some := all // a few, of all parts of the set
	if n := len(all); n > 5 {
		some = []int{all[0], all[1], all[n/2], all[n-2], all[n-1]}
	}
	if len(os.Args) > 1 {
		seconds, err := strconv.Atoi(os.Args[1])
		if err != nil {
			panic(err)
		}
		endures(all, time.Duration(seconds)*time.Second)
	} else {
		answers(all)
		self(all, some)
		inherits(all)
		moves(some)
		shares(all)
		if len(all) > 1 && len(all) <= 8 { // more CPUs than the host has make all calls slow
			mutual(len(all))
		}
	}
	fmt.Println("affinity: passed:", !failed.Load(), "on", len(all), "CPUs")
}
