package main

import (
	"fmt"
	"syscall"
)

const (
	sysTimedwait, sysSuspend, sysPending, sysRestart = 128, 130, 127, 219

	number = 40 // a signal that nothing else here uses
	bit    = 1 << (number - 1)
)

// pid and tid are the caller's.
func pid() uintptr { p, _ := call(syscall.SYS_GETPID); return p }
func tid() uintptr { p, _ := call(syscall.SYS_GETTID); return p }

// raised makes the signal pending, once.
func raised() { call(syscall.SYS_TGKILL, pid(), tid(), number) }

// taken takes the signal if it is pending.
func taken() {
	mask, zero := words(42, bit), words(43, 0, 0)
	for {
		if _, e := call(sysTimedwait, mask, 0, zero, 8); e != 0 {
			return
		}
	}
}

func signals() []test {
	size := wide(8, 0, 4, 9, 16, high|8)
	zero := words(44, 0, 0)
	set := words(45, bit)
	all := words(46, 0)
	*word(data[46], 0) = uint64(minus)
	handler := words(47, 1, 0, 0, 0) // to ignore
	action := func() { call(syscall.SYS_RT_SIGACTION, number, words(48, 0, 0, 0, 0), 0, 8) }
	masked := func() { call(syscall.SYS_RT_SIGPROCMASK, 2, all, 0, 8) }
	once := func() { taken(); raised() }
	stack := func(purpose int, sp, flags, size uint64) uintptr { return words(purpose, sp, flags, size) }
	var was [3]uint64 // the runtime's alternate stack
	call(syscall.SYS_SIGALTSTACK, 0, data[49])
	for i := range was {
		was[i] = *word(data[49], i)
	}
	back := func(r uintptr) string {
		call(syscall.SYS_SIGALTSTACK, 0, data[1])
		s := fmt.Sprint(int64(r), " flags ", uint32(*word(data[1], 1)), " size ", *word(data[1], 2))
		call(syscall.SYS_SIGALTSTACK, words(50, was[:]...), 0)
		return s
	}
	tests := []test{
		{"rt_sigaction", syscall.SYS_RT_SIGACTION, []argument{num(number, 0, 65, minus, 9, 19), in(handler), out(data[1]), size}, action, nil},
		{"rt_sigaction that only looks", syscall.SYS_RT_SIGACTION, []argument{num(number, 0, 65, minus, 9, 19), v(0), out(data[1]), v(8)}, action, nil},
		{"rt_sigprocmask", syscall.SYS_RT_SIGPROCMASK, []argument{num(0, 3, minus), in(set), out(data[1]), size}, masked, nil},
		{"rt_sigprocmask that only looks", syscall.SYS_RT_SIGPROCMASK, []argument{num(0, 3, minus), v(0), out(data[1]), v(8)}, masked, nil},
		{"rt_sigpending", sysPending, []argument{out(data[1]), size}, masked, nil},
		{"rt_sigtimedwait", sysTimedwait, []argument{in(set), out(data[1]), in(zero), size}, once, nil},
		{"rt_sigtimedwait without a signal", sysTimedwait, []argument{in(set), out(data[1]), some(in(zero)), size}, taken, nil},
		{"rt_sigtimedwait with 1e9 ns", sysTimedwait, []argument{v(set), v(0), v(words(51, 0, 1e9)), v(8)}, taken, nil},
		{"rt_sigtimedwait with -1 s", sysTimedwait, []argument{v(set), v(0), v(words(52, uint64(minus), 0)), v(8)}, taken, nil},
		{"rt_sigsuspend of no bytes", sysSuspend, []argument{in(set), wide(0, 4, 9, high|8)}, nil, nil},
		{"rt_sigsuspend without a mask", sysSuspend, []argument{argument{0, in(0).wrong}, v(8)}, nil, nil},
		{"kill 0", syscall.SYS_KILL, []argument{num(pid(), nobody, 1<<31), num(0, 65, minus, 1<<31)}, nil, nil},
		{"kill of the group", syscall.SYS_KILL, []argument{v(0), v(65)}, nil, nil},
		{"tkill 0", syscall.SYS_TKILL, []argument{num(tid(), nobody, 0, minus, 1<<31), num(0, 65, minus, 1<<31)}, nil, nil},
		{"tgkill 0", syscall.SYS_TGKILL, []argument{num(pid(), nobody, 0, minus, 1<<31), num(tid(), nobody, 0, minus), num(0, 65, minus, 1<<31)}, nil, nil},
		{"sigaltstack", syscall.SYS_SIGALTSTACK, []argument{in(stack(53, uint64(data[60]), 0, 16384)), v(0)}, nil, back},
		{"sigaltstack that only looks", syscall.SYS_SIGALTSTACK, []argument{v(0), out(data[1])}, nil, nil},
		{"restart_syscall", sysRestart, nil, nil, nil},
	}
	for i, s := range []struct {
		what  string
		flags uint64
		size  uint64
	}{{"on", 1, 16384}, {"disabled", 2, 0}, {"of 2047 bytes", 0, 2047}, {"of no bytes", 0, 0}, {"on and disabled", 3, 16384},
		{"with an unknown flag", 4, 16384}, {"that disarms itself", 1 << 31, 16384}, {"with a high flag", high, 16384}} {
		tests = append(tests, test{"sigaltstack " + s.what, syscall.SYS_SIGALTSTACK, []argument{v(stack(54, 0, 0, 0)), v(0)},
			func() { stack(54, uint64(data[60]), s.flags, s.size) }, back})
		_ = i
	}
	for _, flags := range []uint64{0x4000000, 0x400, 0x800, 1 << 40, 0xffffffff, 0x20} {
		tests = append(tests, test{fmt.Sprintf("rt_sigaction with the flags %#x", flags), syscall.SYS_RT_SIGACTION, []argument{v(number), v(data[55]), v(0), v(8)},
			func() { words(55, 1, flags, 0, uint64(minus)) }, func(uintptr) string {
				call(syscall.SYS_RT_SIGACTION, number, 0, data[1], 8)
				s := fmt.Sprintf("flags %#x mask %#x", *word(data[1], 1), *word(data[1], 3))
				action()
				return s
			}})
	}
	return tests
}
