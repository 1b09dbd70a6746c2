package main

import (
	"fmt"
	"syscall"
)

const (
	sysTimerCreate, sysTimerSet, sysTimerGet, sysTimerOverrun, sysTimerDelete = 222, 223, 224, 225, 226
)

// timer is the id of a timer that is there all the time.
var timer uintptr

// deleted deletes the timer that a call has made.
func deleted(uintptr) string {
	call(sysTimerDelete, uintptr(*word(data[1], 0)&(high-1)))
	return "done"
}

func timers() []test {
	quiet := words(20, 0, 1<<32|23) // no signal
	call(sysTimerCreate, 1, quiet, data[1])
	timer = uintptr(*word(data[1], 0) & (high - 1))
	span := words(21, 0, 0, 1000, 0)
	off := func() { call(sysTimerSet, timer, 0, words(22, 0, 0, 0, 0), 0) }
	id := num(timer, 77777, minus, 1<<31)
	clock := num(1, 0, 2, 3, 4, 5, 6, 7, 10, 11, 12, 99, minus, 1<<31)
	stopped := words(23, 0, 0, 0, 0)
	tests := []test{
		{"timer_create", sysTimerCreate, []argument{clock, in(quiet), out(data[1])}, nil, deleted},
		{"timer_settime", sysTimerSet, []argument{id, num(0, 1, 2, minus), in(span), out(data[2])}, off, nil},
		{"timer_gettime", sysTimerGet, []argument{id, out(data[1])}, off, nil},
		{"timer_getoverrun", sysTimerOverrun, []argument{id}, off, nil},
		{"timer_delete", sysTimerDelete, []argument{num(77777, minus, 1<<31)}, off, nil},
		{"getitimer", syscall.SYS_GETITIMER, []argument{num(0, 1, 2, 3, minus), out(data[1])}, nil, nil},
		{"setitimer", syscall.SYS_SETITIMER, []argument{num(0, 1, 2, 3, minus), in(stopped), out(data[1])}, nil, nil},
		{"alarm", syscall.SYS_ALARM, []argument{num(0)}, nil, nil},
		{"alarm in 136 years", syscall.SYS_ALARM, []argument{num(minus)}, nil, func(r uintptr) string {
			left, _ := call(syscall.SYS_ALARM, 0)
			return fmt.Sprint(r, left > 1<<30)
		}},
	}
	for i, ev := range []struct {
		what          string
		signo, notify uint64
	}{{"a signal", number, 0}, {"signal 0", 0, 0}, {"signal 65", 65, 0}, {"signal -1", high - 1, 0}, {"a thread's signal", number, 4}, {"notify 2", number, 2},
		{"notify 3", number, 3}, {"notify 5", number, 5}, {"notify -1", number, high - 1}, {"no signal, and number 65", 65, 1}} {
		for _, to := range []struct {
			what string
			tid  uint64
		}{{"", uint64(tid())}, {" to no thread", nobody}, {" to thread 0", 0}} {
			_ = i
			tests = append(tests, test{"timer_create with " + ev.what + to.what, sysTimerCreate, []argument{v(1), v(data[24]), v(data[1])},
				func() { words(24, 0, ev.notify<<32|ev.signo, to.tid) }, deleted})
		}
	}
	for _, t := range [][4]uint64{{0, 0, 0, 1e9}, {0, 1e9, 0, 0}, {0, 0, uint64(minus), 0}, {uint64(minus), 0, 0, 0}, {0, 0, 0, uint64(minus)}, {0, 0, 1 << 62, 0}} {
		what := fmt.Sprintf("of %d, %d every %d, %d", int64(t[2]), int64(t[3]), int64(t[0]), int64(t[1]))
		tests = append(tests,
			test{"timer_settime " + what, sysTimerSet, []argument{v(timer), v(0), v(data[25]), v(0)}, func() { off(); words(25, t[:]...) }, nil},
			test{"setitimer " + what, syscall.SYS_SETITIMER, []argument{v(0), v(data[25]), v(0)}, func() { words(25, t[:]...) }, func(r uintptr) string {
				call(syscall.SYS_SETITIMER, 0, stopped, 0)
				return "done"
			}})
	}
	return tests
}

func clocks() []test {
	short := words(26, 0, 1000)
	numbers := num(1, 0, 2, 3, 4, 5, 6, 7, 10, 11, 12, 99, minus, 1<<31)
	sleepers := num(1, 0, 3, 4, 5, 6, 7, 10, 11, 12, 99, minus, 1<<31)
	tests := []test{
		{"clock_gettime", syscall.SYS_CLOCK_GETTIME, []argument{numbers, out(data[1])}, nil, nil},
		{"clock_getres", syscall.SYS_CLOCK_GETRES, []argument{numbers, out(data[1])}, nil, nil},
		{"nanosleep", syscall.SYS_NANOSLEEP, []argument{in(short), out(data[1])}, nil, nil},
		{"clock_nanosleep", syscall.SYS_CLOCK_NANOSLEEP, []argument{sleepers, num(0, 2, 1<<31), in(short), out(data[1])}, nil, nil},
		{"clock_nanosleep to a time", syscall.SYS_CLOCK_NANOSLEEP, []argument{sleepers, num(1, minus), in(short), out(data[1])}, nil, nil},
		{"gettimeofday", syscall.SYS_GETTIMEOFDAY, []argument{out(data[1]), out(data[2])}, nil, nil},
		{"time", syscall.SYS_TIME, []argument{out(data[1])}, nil, yes},
		{"times", syscall.SYS_TIMES, []argument{out(data[1])}, nil, yes},
	}
	for i, t := range [][2]uint64{{0, 1e9}, {0, uint64(minus)}, {uint64(minus), 0}, {1 << 63, 0}} {
		what := fmt.Sprintf(" of %d, %d", int64(t[0]), int64(t[1]))
		at := words(27+i, t[:]...)
		tests = append(tests,
			test{"nanosleep" + what, syscall.SYS_NANOSLEEP, []argument{v(at), v(0)}, nil, nil},
			test{"clock_nanosleep" + what, syscall.SYS_CLOCK_NANOSLEEP, []argument{num(1, 2, 3, 4), num(0, 1), v(at), v(0)}, nil, nil},
			test{"futex wait" + what, syscall.SYS_FUTEX, []argument{v(words(31, 0)), num(128, 137), v(5), v(at), v(0), v(1)}, nil, nil})
	}
	return tests
}
