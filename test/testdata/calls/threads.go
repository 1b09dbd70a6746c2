package main

import (
	"fmt"
	"syscall"
)

const (
	sysWaitid, sysClone3, sysSetAffinity, sysGetAffinity, sysGetcpu, sysPrlimit = 247, 435, 203, 204, 309, 302

	thread = 0x10000 // CLONE_THREAD, which alone is not valid
)

func threads() []test {
	at := words(32, 0, 0)
	zero := words(33, 0, 0)
	op := func(right uintptr) argument { return num(right, 99, 128|99, minus) }
	cpus := words(34, 0)
	call(sysGetAffinity, 0, 1024, cpus)
	args := func() { words(35, thread, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) }
	args()
	tests := []test{
		{"futex wait for another value", syscall.SYS_FUTEX, []argument{in(at), op(128), num(5, 6), in(zero)}, nil, nil},
		{"futex wait at an odd address", syscall.SYS_FUTEX, []argument{v(at + 2), num(128, 0), v(5), v(0)}, nil, nil},
		{"futex wait until now", syscall.SYS_FUTEX, []argument{v(at), num(128, 0, 137, 9, 137|256, 128|256), v(0), v(zero), v(0), num(minus, 1)}, nil, nil},
		{"futex wait without bits", syscall.SYS_FUTEX, []argument{v(at), v(137), v(0), v(zero), v(0), v(0)}, nil, nil},
		{"futex wake", syscall.SYS_FUTEX, []argument{in(at), op(129), num(1, 0, minus, 1<<31)}, nil, nil},
		{"futex wake of all processes", syscall.SYS_FUTEX, []argument{in(at), op(1), num(1)}, nil, nil},
		{"futex wake at an odd address", syscall.SYS_FUTEX, []argument{v(at + 1), v(129), v(1)}, nil, nil},
		{"futex wake with bits", syscall.SYS_FUTEX, []argument{in(at), num(138, 10), v(1), v(0), v(0), num(1, 0)}, nil, nil},
		{"futex requeue", syscall.SYS_FUTEX, []argument{in(at), num(131, 3), num(1, 0, minus), num(1, 0, minus), in(at + 8)}, nil, nil},
		{"futex requeue of all processes", syscall.SYS_FUTEX, []argument{in(at), num(3), num(1, 0, minus), num(1, 0, minus), in(at + 8)}, nil, nil},
		{"futex wake with bits of all processes", syscall.SYS_FUTEX, []argument{in(at), num(10), v(1), v(0), v(0), num(1, 0)}, nil, nil},
		{"futex wake without bits of all processes", syscall.SYS_FUTEX, []argument{in(at), num(10), v(1), v(0), v(0), v(0)}, nil, nil},
		{"futex compare and requeue of all processes", syscall.SYS_FUTEX, []argument{in(at), num(4), num(1, 0, minus), num(1, 0, minus), in(at + 8), num(0, 7)}, nil, nil},
		{"futex compare and requeue", syscall.SYS_FUTEX, []argument{in(at), num(132, 4), num(1, 0, minus), num(1, 0, minus), in(at + 8), num(0, 7)}, nil, nil},
		{"futex fd", syscall.SYS_FUTEX, []argument{v(at), num(2, 130), v(1)}, nil, nil},
		{"futex wake and change", syscall.SYS_FUTEX, []argument{in(at), num(5, 133), num(1, 0, minus), num(1, 0, minus), out(at + 8), num(0, 5<<28, 6<<24, 15<<28, 1<<28|1<<12)}, nil, nil},
		{"futex wake and change at odd addresses", syscall.SYS_FUTEX, []argument{v(at + 1), num(133, 5), v(1), v(1), v(at + 2), v(5 << 28)}, nil, nil},
		{"futex unlock of priority inheritance", syscall.SYS_FUTEX, []argument{v(at), num(7, 135)}, nil, nil},
		{"clone3", sysClone3, []argument{in(data[35]), wide(88, 0, 63, 64, 96, page+1, high|64, minus)}, args, nil},
		{"clone", syscall.SYS_CLONE, []argument{wide(thread, thread|0x100, 0x800, thread|high), v(0), v(0), v(0), v(0)}, nil, nil},
		{"wait4", syscall.SYS_WAIT4, []argument{num(minus, 0, 1<<31, nobody), out(data[1]), num(1, 2, 8, 0x10, 1<<31, 1<<24), out(data[2])}, nil, nil},
		{"waitid", sysWaitid, []argument{num(0, 1, 2, 3, 4, minus), num(nobody, 0, minus), out(data[1]), num(4|1, 0, 1, 2|1, 8|1, 0x10, 1<<24|4|1, 1<<24, 1<<25), out(data[2])}, nil, nil},
		{"waitid of the own group", sysWaitid, []argument{v(2), v(0), v(0), v(4 | 1)}, nil, nil},
		{"waitid of a process of a file", sysWaitid, []argument{v(3), file(reader), v(0), v(4 | 1)}, nil, nil},
		{"set_tid_address", syscall.SYS_SET_TID_ADDRESS, []argument{in(at)}, nil, func(r uintptr) string { return fmt.Sprint(r == tid()) }},
		{"sched_yield", syscall.SYS_SCHED_YIELD, nil, nil, nil},
		{"sched_getaffinity", sysGetAffinity, []argument{num(0, nobody, minus), num(1024, 0, 1023, 1025, minus), out(data[1])}, nil, yes},
		{"sched_setaffinity", sysSetAffinity, []argument{num(0, nobody, minus), num(1024, 0), in(cpus)}, nil, nil},
		{"sched_setaffinity to no CPU", sysSetAffinity, []argument{num(0, nobody), v(1024), v(words(36, 0))}, nil, nil},
	}
	tests = append(tests, priorities()...)
	tests = append(tests, []test{
		{"prctl PR_SET_NAME", syscall.SYS_PRCTL, []argument{num(15, 999, minus), in(text(37, "calls"))}, nil, nil},
		{"prctl PR_SET_NAME up to an edge", syscall.SYS_PRCTL, []argument{v(15), v(ending())}, nil, nil},
		{"prctl PR_GET_NAME", syscall.SYS_PRCTL, []argument{num(16), out(data[1])}, nil, nil},
		{"prctl PR_GET_DUMPABLE", syscall.SYS_PRCTL, []argument{v(3)}, nil, yes},
		{"prctl PR_GET_TIMERSLACK", syscall.SYS_PRCTL, []argument{v(30)}, nil, yes},
		{"prctl PR_GET_NO_NEW_PRIVS", syscall.SYS_PRCTL, []argument{v(39), wide(0, 1)}, nil, yes},
		{"arch_prctl ARCH_GET_FS", syscall.SYS_ARCH_PRCTL, []argument{num(0x1003, 0, 0x1000, 0x9999, minus), out(data[1])}, nil, nil},
		{"arch_prctl ARCH_GET_GS", syscall.SYS_ARCH_PRCTL, []argument{num(0x1004), out(data[1])}, nil, nil},
		{"arch_prctl ARCH_SET_GS", syscall.SYS_ARCH_PRCTL, []argument{num(0x1001), wide(0, 1<<47, 1<<63, minus)}, nil, nil},
		{"arch_prctl ARCH_SET_FS to no address", syscall.SYS_ARCH_PRCTL, []argument{num(0x1002), wide(1<<47, 1<<63, minus)}, nil, nil},
		{"getcpu", sysGetcpu, []argument{out(data[1]), out(data[2]), in(0)}, nil, nil},
	}...)
	for i, a := range []struct {
		what string
		w    []uint64
	}{{"a signal for a thread", []uint64{0x10900, 0, 0, 0, 17, 0, 0, 0}}, {"signal 65", []uint64{thread, 0, 0, 0, 65, 0, 0, 0}}, {"a stack without a size", []uint64{thread, 0, 0, 0, 0, uint64(at), 0, 0}},
		{"a size without a stack", []uint64{thread, 0, 0, 0, 0, 0, 4096, 0}}, {"a signal among the flags", []uint64{thread | 17, 0, 0, 0, 0, 0, 0, 0}},
		{"an unknown flag", []uint64{thread | 1<<40, 0, 0, 0, 0, 0, 0, 0}}, {"a stack that wraps", []uint64{thread, 0, 0, 0, 0, uint64(minus) - 4095, 8192, 0}}} {
		tests = append(tests, test{"clone3 with " + a.what, sysClone3, []argument{v(words(40+i, a.w...)), v(64)}, nil, nil})
	}
	return tests
}

// priorities are the calls of nice values and policies. A user without privileges cannot raise what was lowered, so
// they change nothing until the end, when new tasks are not to inherit the policy.
func priorities() []test {
	const (
		getPriority, setPriority, setParam, getParam, setScheduler, getScheduler, getMax, getMin, getInterval = 140, 141, 142, 143, 144, 145, 146, 147, 148

		fifo, batch, idle, reset = 1, 3, 5, 1 << 30
	)
	nice, _ := call(getPriority, 0, 0)
	nice = 20 - nice
	zero, one, hundred, less := words(58, 0), words(59, 1), words(60, 100), words(61, high-1)
	which, task := num(0, 3, minus, 1<<31), num(0, nobody, minus, 1<<31)
	policy := func(right uintptr) argument { return num(right, 4, 6, 99, minus, 1<<31, 1<<29) }
	return []test{
		{"getpriority", getPriority, []argument{which, task}, nil, yes},
		{"getpriority of a group", getPriority, []argument{v(1), task}, nil, yes},
		{"getpriority of the caller's user", getPriority, []argument{v(2), num(0)}, nil, yes},
		{"getpriority of a user", getPriority, []argument{v(2), v(nobody)}, nil, nil},
		{"setpriority", setPriority, []argument{which, task, v(nice)}, nil, nil},
		{"setpriority of a group", setPriority, []argument{v(1), v(nobody), v(nice)}, nil, nil},
		{"setpriority of a user", setPriority, []argument{v(2), v(nobody), v(nice)}, nil, nil},
		{"sched_setscheduler", setScheduler, []argument{task, policy(0), in(zero)}, nil, nil},
		{"sched_setscheduler to a batch", setScheduler, []argument{v(0), num(batch), in(zero)}, nil, nil},
		{"sched_getscheduler of a batch", getScheduler, []argument{task}, nil, nil},
		{"sched_setparam", setParam, []argument{task, in(zero)}, nil, nil},
		{"sched_setparam to 1", setParam, []argument{v(0), v(one)}, nil, nil},
		{"sched_setparam to 100", setParam, []argument{v(0), v(hundred)}, nil, nil},
		{"sched_setparam to -1", setParam, []argument{v(0), v(less)}, nil, nil},
		{"sched_getparam", getParam, []argument{task, out(data[1])}, nil, func(r uintptr) string { return fmt.Sprint(r, uint32(*word(data[1], 0))) }},
		{"sched_setscheduler with a priority", setScheduler, []argument{num(0), wide(0, batch, idle, 4), v(one)}, nil, nil},
		{"sched_setscheduler to real time without a priority", setScheduler, []argument{num(0), wide(fifo, 2), v(zero)}, nil, nil},
		{"sched_setscheduler to real time above the most", setScheduler, []argument{num(0), wide(fifo, 2), v(hundred)}, nil, nil},
		{"sched_get_priority_max", getMax, []argument{num(0, fifo, 2, batch, 4, idle, 99, minus, reset)}, nil, nil},
		{"sched_get_priority_min", getMin, []argument{num(0, fifo, 2, batch, 4, idle, 99, minus, reset)}, nil, nil},
		{"sched_rr_get_interval", getInterval, []argument{task, out(data[1])}, nil, nil},
		{"sched_setscheduler with a reset", setScheduler, []argument{v(0), num(batch | reset), v(zero)}, nil, nil},
		{"sched_getscheduler after a reset", getScheduler, []argument{num(0)}, nil, nil},
	}
}

// facts are the calls that tell about the machine, the user and the process. What they
// tell differs.
func facts() []test {
	resource := num(7, 0, 15, 16, minus, 1<<31)
	limits := func(purpose, resource int) uintptr {
		call(syscall.SYS_GETRLIMIT, uintptr(resource), data[purpose])
		return data[purpose]
	}
	same := limits(50, 7)
	most := words(51, *word(same, 1), *word(same, 1))
	above := words(52, *word(same, 1), *word(same, 1)-1)
	core := limits(53, 4)
	lower := words(54, 0, *word(core, 1))
	set := func(r uintptr) string {
		limits(55, 4)
		s := fmt.Sprint(r, " limit ", *word(data[55], 0))
		call(sysPrlimit, 0, 4, core, 0)
		return s
	}
	return []test{
		equal(syscall.SYS_GETUID, syscall.SYS_GETEUID), equal(syscall.SYS_GETGID, syscall.SYS_GETEGID), equal(syscall.SYS_GETPID, syscall.SYS_GETPPID),
		equal(syscall.SYS_GETEUID, syscall.SYS_GETUID), equal(syscall.SYS_GETEGID, syscall.SYS_GETGID), equal(syscall.SYS_GETPPID, syscall.SYS_GETTID),
		{"uname", syscall.SYS_UNAME, []argument{out(data[1])}, nil, nil},
		{"sysinfo", syscall.SYS_SYSINFO, []argument{out(data[1])}, nil, nil},
		{"getrusage", syscall.SYS_GETRUSAGE, []argument{num(0, 1, minus, 2, minus-1), out(data[1])}, nil, nil},
		{"getrlimit", syscall.SYS_GETRLIMIT, []argument{resource, out(data[1])}, nil, nil},
		{"prlimit64", sysPrlimit, []argument{num(0, nobody), resource, v(0), out(data[1])}, nil, nil},
		{"prlimit64 to what it is", sysPrlimit, []argument{num(0, nobody), num(7, 16, minus), in(same), out(data[1])}, nil, nil},
		{"prlimit64 to the most", sysPrlimit, []argument{v(0), v(7), v(most), v(0)}, nil, nil},
		{"prlimit64 above the most", sysPrlimit, []argument{v(0), v(7), v(above), v(0)}, nil, nil},
		{"prlimit64 to less", sysPrlimit, []argument{v(0), v(4), v(lower), v(0)}, nil, set},
		{"getrandom", 318, []argument{out(data[1]), wide(16, 0), num(0, 1, 2, 4, 6, 8, 1<<31, minus)}, nil, nil},
	}
}

// equal says whether two calls return the same.
func equal(number, second uintptr) test {
	return test{fmt.Sprint("calls ", number, " and ", second), number, nil, nil, func(r uintptr) string {
		other, _ := call(second)
		return fmt.Sprint(r == other)
	}}
}

// memory is about the bits of int arguments, and addresses; vmprobe looks at the rest.
func memory() []test {
	a := mapped(8)
	unmapped := func(r uintptr) string {
		call(syscall.SYS_MUNMAP, r, page)
		return "done"
	}
	return []test{
		{"mmap", syscall.SYS_MMAP, []argument{v(0), v(page), wide(rw, high|rw), wide(0x22, high|0x22, 0x22|1<<31), num(minus, closed), v(0)}, nil, unmapped},
		{"mmap of a file", syscall.SYS_MMAP, []argument{v(0), wide(page, 0), v(rw), wide(2, 0), file(closed), wide(0, 1)}, nil, unmapped},
		{"mmap of a pipe", syscall.SYS_MMAP, []argument{v(0), wide(page, 0), v(rw), wide(2, 1, 0), num(reader), wide(0, 1)}, nil, unmapped},
		{"mprotect", syscall.SYS_MPROTECT, []argument{also(wide(a, 0, 8, 1<<47, 1<<63, minus), "odd", a+1), wide(page, 0, minus), wide(rw, high|rw, 1<<31)}, nil, nil},
		{"madvise", syscall.SYS_MADVISE, []argument{also(wide(a, 1<<63), "odd", a+1), wide(page, 0, minus), num(4, 99, minus)}, nil, nil},
		{"msync", syscall.SYS_MSYNC, []argument{also(wide(a, 1<<63), "odd", a+1), wide(page, 0, minus), num(4, 5, 8, minus)}, nil, nil},
		{"mlock2", 325, []argument{wide(a, 1<<63), wide(page, 0), num(0, 1, 2, minus)}, nil, nil},
		{"mlock", syscall.SYS_MLOCK, []argument{wide(a, 1<<63), wide(page, 0, minus)}, nil, nil},
		{"munlock", syscall.SYS_MUNLOCK, []argument{wide(a, 1<<63), wide(page, 0, minus)}, nil, nil},
		{"mincore", syscall.SYS_MINCORE, []argument{also(wide(a), "odd", a+1), wide(page, 0), out(data[1])}, nil, nil},
		{"mremap", syscall.SYS_MREMAP, []argument{also(wide(a, 1<<63), "odd", a+1), wide(page), wide(page, 0), wide(0, 8, high, high|1, minus)}, nil, yes},
		{"munmap", syscall.SYS_MUNMAP, []argument{also(wide(a, 1<<63), "odd", a+1), wide(page, 0, minus)}, nil, nil},
		{"brk", syscall.SYS_BRK, []argument{wide(0, 1, minus)}, nil, yes},
	}
}

// odd makes calls of numbers that do not exist.
func odd() {
	for _, n := range []uintptr{1 << 20, 511, 1000, 1 << 31, 1<<63 | 1000, minus} {
		_, e := call(n)
		fmt.Printf("call %#x: errno %d\n", n, int(e))
	}
	r, e := call(high | syscall.SYS_GETPID)
	fmt.Printf("getpid with high bits: %v, errno %d\n", r == pid(), int(e))
}
