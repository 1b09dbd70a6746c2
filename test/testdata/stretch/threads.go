package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"muster/test/testdata/internal/sys"
)

// threadFlags are those of clone for a thread of the process.
const threadFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000

// scripts is memory for the calls of threads, 64 bytes each.
var scripts, scriptsEnd uintptr

// start makes a thread that makes one system call and exits; false if there can be no
// more threads.
func start(n uintptr, args ...uintptr) bool {
	if scripts == scriptsEnd {
		scripts = mmap(0, 1<<20, 3, 0)
		scriptsEnd = scripts + 1<<20
	}
	s := (*[8]uintptr)(unsafe.Pointer(scripts))
	s[0] = n
	copy(s[1:7], args)
	scripts += 64
	return int(cloneCall(threadFlags, uintptr(unsafe.Pointer(s)))) > 0
}

// many starts up to n such threads and lets them run.
func many(n int, number uintptr, args func(i int) []uintptr) (made int) {
	for i := range n {
		if !start(number, args(i)...) {
			must("clone: too few threads", -int(syscall.EAGAIN))
		}
		made++
		if i%100 == 99 {
			settle()
		}
	}
	settle()
	println("stretch: threads", made)
	return made
}

// settle lets the new threads reach their waits.
func settle() {
	ts := [2]uint64{0, 3e6}
	call(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)))
}

func futex(addr, op, n uintptr) int { return call(syscall.SYS_FUTEX, addr, op, n) }

// futexes has many waiters at one address, and at many addresses of one bucket.
func futexes(n int) {
	words := mmap(0, 1<<20, 3, 0)
	many(n, syscall.SYS_FUTEX, func(int) []uintptr { return []uintptr{words, 0} })
	futex(words+4, 1, 1<<30) // no thread waits there
	for w := uintptr(0); w < 1<<12; w += 4 {
		futex(words+1<<13+w, 1, 1) // some of these share the bucket
	}
	call(syscall.SYS_FUTEX, words, 10, 1<<30, 0, 0, 1) // a bitset
	futex(words, 1, 1<<30)
	settle()
	many(n, syscall.SYS_FUTEX, func(i int) []uintptr { return []uintptr{words + uintptr(i*4)%(1<<20), 0} })
	for w := uintptr(0); w < 1<<16; w += 256 {
		futex(words+w, 1, 1)
	}
	many(n/2, syscall.SYS_FUTEX, func(i int) []uintptr { return []uintptr{words, 9, 0, 0, 0, 1} })
	call(syscall.SYS_FUTEX, words, 10, 1<<30, 0, 0, 2) // matches none
	call(syscall.SYS_FUTEX, words, 10, 1<<30, 0, 0, 1)
	call(syscall.SYS_FUTEX, words, 5, 1<<30, 1<<30, words+4, 0x01000001) // wake_op
}

// requeue moves many waiters from one address to another.
func requeue(n int) {
	words := mmap(0, 1<<16, 3, 0)
	many(n, syscall.SYS_FUTEX, func(int) []uintptr { return []uintptr{words, 0} })
	call(syscall.SYS_FUTEX, words, 3, 1, 1<<30, words+4)
	call(syscall.SYS_FUTEX, words+4, 4, 1, 1<<30, words+8, 0)
	call(syscall.SYS_FUTEX, words, 4, 1, 1<<30, words, 0)
	futex(words+8, 1, 1<<30)
	futex(words+4, 1, 1<<30)
	futex(words, 1, 1<<30)
}

// eventWaiters has many threads that read one eventfd. Each write wakes all of them, one
// after the other, and one of them takes the value.
func eventWaiters(n int) {
	fd := must("eventfd", call(sysEventfd, 0, 0))
	buf := mmap(0, page, 3, 0)
	many(n, syscall.SYS_READ, func(int) []uintptr { return []uintptr{fd, buf, 8} })
	v := uint64(1)
	for range 2 {
		call(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&v)), 8)
		settle()
	}
	closeFile(fd)
}

// pipeWaiters has many threads that read one pipe, and many that write to a full one.
func pipeWaiters(n int) {
	ignore := [4]uint64{1} // SIG_IGN, because the threads have no g for the runtime's handler
	call(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGPIPE), uintptr(unsafe.Pointer(&ignore)), 0, 8)
	var p [2]int32
	call(syscall.SYS_PIPE2, uintptr(unsafe.Pointer(&p)), 0)
	r, w := uintptr(p[0]), uintptr(p[1])
	buf := mmap(0, 1<<20, 3, 0)
	many(n, syscall.SYS_READ, func(int) []uintptr { return []uintptr{r, buf, 1} })
	call(syscall.SYS_WRITE, w, buf, 1)
	settle()
	call(syscall.SYS_WRITE, w, buf, 4096)
	settle()
	closeFile(w)
	settle()
	r, w = pipe()
	call(syscall.SYS_WRITE, w, buf, 1<<20)
	call(syscall.SYS_FCNTL, w, syscall.F_SETFL, 0)
	many(n, syscall.SYS_WRITE, func(int) []uintptr { return []uintptr{w, buf, 4096} })
	call(syscall.SYS_READ, r, buf, 1<<20)
	settle()
	closeFile(r)
	settle()
}

// epollWaiters has many threads in one epoll, and then as many that time out.
func epollWaiters(n int) {
	ep, fd := epoll(), eventfd(0)
	control(ep, 1, fd, in)
	buf := mmap(0, page, 3, 0)
	many(n, syscall.SYS_EPOLL_PWAIT, func(int) []uintptr { return []uintptr{ep, buf, 1, ^uintptr(0), 0, 8} })
	pair(fd)
	settle()
	many(n, syscall.SYS_EPOLL_PWAIT, func(int) []uintptr { return []uintptr{ep, buf, 1, 50, 0, 8} })
	settle()
	pair(fd)
	closeFile(ep)
	closeFile(fd)
}

// pollers has some threads that poll many descriptors each, all of one file.
func pollers(n int) {
	const threads = 20
	fd := must("eventfd", call(sysEventfd, 0, 0))
	list := fill(fd, n)
	println("stretch: descriptors", len(list))
	pfds := make([]struct {
		fd              int32
		events, revents int16
	}, len(list))
	for i, d := range list {
		pfds[i].fd, pfds[i].events = int32(d), 1
	}
	at := uintptr(unsafe.Pointer(&pfds[0]))
	many(threads, 7, func(int) []uintptr { return []uintptr{at, uintptr(len(pfds)), 5000} })
	v := uint64(1)
	call(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&v)), 8)
	settle()
}

// sleepers has many threads whose sleep ends at one time, and many whose ends differ.
func sleepers(n int) {
	var now [2]uint64
	call(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&now)))
	now[0] += 2
	at := uintptr(unsafe.Pointer(&now))
	many(n, syscall.SYS_CLOCK_NANOSLEEP, func(int) []uintptr { return []uintptr{1, 1, at, 0} })
	ts := [2]uint64{3, 0}
	call(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)))
	many(n, syscall.SYS_CLOCK_NANOSLEEP, func(int) []uintptr { return []uintptr{1, 1, at, 0} }) // all in the past
	// Each a little later than the last, and then a signal to all.
	times := make([][2]uint64, n)
	many(n, syscall.SYS_NANOSLEEP, func(i int) []uintptr {
		times[i] = [2]uint64{0, uint64(5e8 + i*1000)}
		return []uintptr{uintptr(unsafe.Pointer(&times[i])), 0}
	})
	ts = [2]uint64{1, 0}
	call(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)))
}

// farthest has threads and timers that wait for times at the end of the clock. They do not make
// the sleeps of others late.
func farthest(n int) {
	word := mmap(0, page, 3, 0)
	ends := [][2]uint64{{1 << 40, 0}, {1<<63 - 1, 999999999}, {1 << 33, 999999999}, {9223372036, 854775806}}
	began := now(1)
	many(n, syscall.SYS_FUTEX, func(i int) []uintptr {
		return []uintptr{word, 9, 0, uintptr(unsafe.Pointer(&ends[i%len(ends)])), 0, 1}
	})
	var id uint32
	for i := range n {
		must("timer_create", call(222, 1, 0, uintptr(unsafe.Pointer(&id))))
		it := [4]uint64{0, 0, ends[i%len(ends)][0], ends[i%len(ends)][1]}
		must("timer_settime", call(223, uintptr(id), 1, uintptr(unsafe.Pointer(&it)), 0))
	}
	for range 10 {
		settle()
	}
	if took := now(1) - began; took > 2e9 {
		fmt.Println("stretch: short sleeps take, in nanoseconds:", took)
		os.Exit(1)
	}
	if woken := futex(word, 1, 1<<30); woken != n {
		fmt.Println("stretch: threads that still wait:", woken, "of", n)
		os.Exit(1)
	}
	settle()
}

// runners has many threads that are ready at once.
func runners(n int) {
	word := mmap(0, page, 3, 0)
	many(n, syscall.SYS_FUTEX, func(int) []uintptr { return []uintptr{word, 0} })
	futex(word, 1, 1<<30) // all become ready
	for range 100 {
		call(syscall.SYS_SCHED_YIELD)
	}
	call(syscall.SYS_SCHED_YIELD)
}

// tasks has many threads, and does what looks for one of them, or at all.
func tasks(n int) {
	many(n, syscall.SYS_PAUSE, func(int) []uintptr { return nil })
	pid := uintptr(call(syscall.SYS_GETPID))
	buf := mmap(0, page, 3, 0)
	for tid := pid; tid < pid+100; tid++ {
		call(syscall.SYS_TGKILL, pid, tid, 0)
		call(syscall.SYS_SCHED_GETAFFINITY, tid, 64, buf)
	}
	call(syscall.SYS_KILL, pid, 0)
	call(syscall.SYS_KILL, ^uintptr(0), 0)
	call(syscall.SYS_SYSINFO, buf)
	call(syscall.SYS_GETRUSAGE, 0, buf)
	call(syscall.SYS_CLOCK_GETTIME, 2, buf)
	call(syscall.SYS_TIMES, buf)
}

// killAll has many threads that block a signal, and sends it to the process. A thread
// inherits the mask. The runtime's own threads hang in a handler that blocks all.
func killAll(n int) {
	pid := uintptr(call(syscall.SYS_GETPID))
	all := ^uint64(0)
	hangOthers(pid)
	sys.Handle(10, handlerPC(), sys.OnStack|sys.Restart, all)
	call(syscall.SYS_RT_SIGPROCMASK, 2, uintptr(unsafe.Pointer(&all)), 0, 8)
	many(n, syscall.SYS_PAUSE, func(int) []uintptr { return nil })
	for range 10 {
		call(syscall.SYS_KILL, pid, 10)
	}
	zero := uint64(0)
	call(syscall.SYS_RT_SIGPROCMASK, 2, uintptr(unsafe.Pointer(&zero)), 0, 8)
	call(syscall.SYS_KILL, pid, 10)
	call(syscall.SYS_EXIT_GROUP, 0)
}

// hangOthers makes the runtime's other threads hang in a handler that blocks all signals.
func hangOthers(pid uintptr) {
	sys.Handle(12, hangPC(), sys.OnStack|sys.Restart, ^uint64(0))
	for tid := pid + 1; tid < pid+30; tid++ {
		call(syscall.SYS_TGKILL, pid, tid, 12)
	}
	settle()
}

// signals leaves many signals pending, and delivers them at once. The handlers nest, so they
// have a stack for all of them: a goroutine's is small, and what lies below it is the heap. That of the runtime's
// other threads is too small as well, so those threads block all signals.
func signals(n int) {
	const size = 1 << 20
	own := [3]uint64{uint64(mmap(0, size, 3, 0)), 0, size}
	must("sigaltstack", call(syscall.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&own)), 0))
	pid, tid := uintptr(call(syscall.SYS_GETPID)), uintptr(call(syscall.SYS_GETTID))
	hangOthers(pid)
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		sys.Handle(sig, handlerPC(), sys.OnStack|sys.NotBlocked, 0)
	}
	all, zero := ^uint64(0), uint64(0)
	for range n / 50 {
		call(syscall.SYS_RT_SIGPROCMASK, 2, uintptr(unsafe.Pointer(&all)), 0, 8)
		for sig := uintptr(1); sig <= 64; sig++ {
			if sig != 9 && sig != 19 {
				call(syscall.SYS_TGKILL, pid, tid, sig)
				call(syscall.SYS_KILL, pid, sig)
			}
		}
		call(syscall.SYS_RT_SIGPROCMASK, 2, uintptr(unsafe.Pointer(&zero)), 0, 8)
	}
}

// timers has many timers that send signals. All fire at one time, and again a period later,
// in which there is time for all of them.
func timers(n int) { manyTimers(n, 1, perTimer*uint64(n)) }

// cpuTimers has timers on the CPU time of the process and of the thread, which are due at
// one time.
func cpuTimers(n int) {
	manyTimers(n/2, 2, perTimer*uint64(n))
	manyTimers(n/2, 3, perTimer*uint64(n))
}

// perTimer is enough time for one timer to be armed, and to fire.
const perTimer = 20_000

// storm has timers that are due again at once. The program then does nothing but handle
// signals, on Linux too, so no test runs this act.
func storm(n int) { manyTimers(n, 1, 1) }

// now returns the time of a clock.
func now(clock uintptr) uint64 {
	var ts [2]uint64
	call(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)))
	return ts[0]*1e9 + ts[1]
}

// manyTimers makes timers on a clock, arms them for one time, and lets the time pass.
func manyTimers(n int, clock uintptr, period uint64) {
	sys.Handle(10, handlerPC(), sys.OnStack|sys.Restart, 0)
	ev := [8]uint64{0, 10} // SIGEV_SIGNAL, signal 10
	var ids []uint32
	for range n {
		var id uint32
		must("timer_create", call(222, clock, uintptr(unsafe.Pointer(&ev)), uintptr(unsafe.Pointer(&id))))
		ids = append(ids, id)
	}
	at := now(clock) + period
	it := [4]uint64{period / 1e9, period % 1e9, at / 1e9, at % 1e9}
	for _, id := range ids {
		must("timer_settime", call(223, uintptr(id), 1, uintptr(unsafe.Pointer(&it)), 0))
	}
	if period > 1 && now(clock) > at {
		must("timers: armed too late", -int(syscall.ETIME))
	}
	itv := [4]uint64{0, max(period/1000, 1), 0, 1}
	for which := range uintptr(3) {
		call(38, which, uintptr(unsafe.Pointer(&itv)), 0) // setitimer
	}
	for now(clock) < at+2*period {
		if clock == 1 {
			settle()
		}
	}
	for _, id := range ids[:n/2] { // the rest is for the exit
		must("timer_delete", call(226, uintptr(id)))
	}
	println("stretch: timers", n)
}

// exitGroup ends a process with many threads, areas, descriptors and watches.
func exitGroup(n int) {
	stripes(n)
	ep, fd := epoll(), eventfd(1)
	for _, d := range fill(fd, maxFiles-spare) {
		control(ep, 1, d, in)
	}
	word := mmap(0, page, 3, 0)
	many(n/2, syscall.SYS_FUTEX, func(int) []uintptr { return []uintptr{word, 0} })
	many(n/2, syscall.SYS_PAUSE, func(int) []uintptr { return nil })
	for i := uintptr(0); i < uintptr(n); i++ {
		touch(mmap(0x100000000000+i<<30, page, 3, 0))
	}
}
