package main

import (
	"fmt"
	"syscall"
)

// Files that are open all the time. All are non-blocking.
var reader, writer, event, epoll uintptr

const (
	sysPipe2, sysEventfd2, sysDup3, sysPpoll, sysPselect6, sysDup2 = 293, 290, 292, 271, 270, 33
	sysPipe, sysEventfd, sysPwait2                                 = 22, 284, 441

	nonblock, cloexec = 0x800, 0x80000
)

func openFiles() {
	p := words(0, 0)
	call(sysPipe2, p, nonblock)
	w := *word(p, 0)
	reader, writer = uintptr(w&(high-1)), uintptr(w>>32)
	event, _ = call(sysEventfd2, 0, nonblock)
	epoll, _ = call(syscall.SYS_EPOLL_CREATE1, 0)
}

// drain empties the pipe.
func drain() {
	for {
		if n, e := call(syscall.SYS_READ, reader, data[63], page); e != 0 || n == 0 {
			return
		}
	}
}

// filled puts 10 bytes into the pipe.
func filled() {
	drain()
	call(syscall.SYS_WRITE, writer, data[63], 10)
}

// pair closes what pipe has made.
func pair(uintptr) string {
	w := *word(data[1], 0)
	call(syscall.SYS_CLOSE, uintptr(w&(high-1)))
	call(syscall.SYS_CLOSE, uintptr(w>>32))
	return "done"
}

func at(fd uintptr) func() { return func() { call(sysDup2, reader, fd) } }

// closes prints a result, and closes a descriptor.
func closes(r uintptr) string {
	if r == reader {
		return "itself"
	}
	call(syscall.SYS_CLOSE, far)
	return fmt.Sprint(int64(r))
}

func files() []test {
	piece := words(2, uint64(data[3]), 4)
	flags := num(0, 1, 2, 4, nonblock, cloexec, 1<<31, minus)
	return []test{
		{"read", syscall.SYS_READ, []argument{file(reader), out(data[1]), wide(4, 0, 1<<63, minus)}, filled, nil},
		{"read of an empty pipe", syscall.SYS_READ, []argument{file(reader), out(data[1]), wide(4, 0)}, drain, nil},
		{"read from the end that writes, to no memory", syscall.SYS_READ, []argument{v(writer), v(1 << 63), v(4)}, nil, nil},
		{"write to the end that reads, from no memory", syscall.SYS_WRITE, []argument{v(reader), v(1 << 63), v(4)}, nil, nil},
		{"write", syscall.SYS_WRITE, []argument{file(writer), in(data[1]), wide(4, 0, 1<<63, minus)}, drain, nil},
		{"readv", syscall.SYS_READV, []argument{file(reader), in(piece), wide(1, 0, 1025, high|1, minus)}, filled, nil},
		{"writev", syscall.SYS_WRITEV, []argument{file(writer), in(piece), wide(1, 0, 1025, high|1, minus)}, drain, nil},
		{"close", syscall.SYS_CLOSE, []argument{file(far)}, at(far), nil},
		{"dup", syscall.SYS_DUP, []argument{file(reader)}, nil, opened},
		{"dup2", sysDup2, []argument{file(reader), also(num(far, minus, 1<<31-1), "itself", reader)}, nil, closes},
		{"dup3", sysDup3, []argument{file(reader), also(num(far, minus, 1<<31-1), "itself", reader), flags}, nil, closes},
		{"fstat", syscall.SYS_FSTAT, []argument{file(reader), out(data[1])}, nil, nil},
		{"lseek", syscall.SYS_LSEEK, []argument{file(reader), wide(0, minus), num(0, 1, 2, 3, 4, 5, minus)}, nil, nil},
		{"getdents64", syscall.SYS_GETDENTS64, []argument{file(reader), out(data[1]), num(100, 0)}, nil, nil},
		{"ioctl", syscall.SYS_IOCTL, []argument{file(reader), num(0x541b, 0, 0x5401, 0x5413, 0x541b|1<<31, minus), out(data[1])}, filled, nil},
		{"ioctl FIONBIO", syscall.SYS_IOCTL, []argument{file(reader), num(0x5421), in(words(4, 1))}, nil, nil},
		{"ioctl FIOCLEX", syscall.SYS_IOCTL, []argument{file(reader), num(0x5451), v(0)}, nil, nil},
		{"ioctl FIONCLEX", syscall.SYS_IOCTL, []argument{file(reader), num(0x5450), v(0)}, nil, nil},
		{"fcntl F_DUPFD", syscall.SYS_FCNTL, []argument{file(reader), num(0, 999, minus), num(far, minus, 1<<30)}, nil, closes},
		{"fcntl F_DUPFD_CLOEXEC", syscall.SYS_FCNTL, []argument{file(reader), num(1030), num(far, minus, 1<<30)}, nil, closes},
		{"fcntl F_GETFD", syscall.SYS_FCNTL, []argument{file(reader), num(1), wide(0, minus)}, nil, nil},
		{"fcntl F_SETFD", syscall.SYS_FCNTL, []argument{file(reader), num(2), wide(0, 1, 2, high, minus)}, nil, descriptorFlags},
		{"fcntl F_GETFL", syscall.SYS_FCNTL, []argument{file(reader), num(3), wide(0, minus)}, nil, nil},
		{"fcntl F_SETFL", syscall.SYS_FCNTL, []argument{file(reader), num(4), num(nonblock, 0, 0x400, 0x2000, 0x4000, 1<<30, 0x40, 1<<31)}, nil, fileFlags},
		{"fcntl F_SETPIPE_SZ", syscall.SYS_FCNTL, []argument{file(reader), num(1031), num(65536, 0, 4095, 1<<31+1, minus)}, nil, nil},
		{"fcntl F_GETPIPE_SZ", syscall.SYS_FCNTL, []argument{file(reader), num(1032), wide(0, minus)}, func() { call(syscall.SYS_FCNTL, reader, 1031, 65536) }, nil},
		{"fcntl F_GETOWN", syscall.SYS_FCNTL, []argument{file(reader), num(9), v(0)}, nil, nil},
		{"fcntl F_GETSIG", syscall.SYS_FCNTL, []argument{file(reader), num(11), v(0)}, nil, nil},
		{"fcntl F_GETLK", syscall.SYS_FCNTL, []argument{file(reader), num(5), v(8)}, nil, nil},
		{"fcntl F_GETLEASE", syscall.SYS_FCNTL, []argument{file(reader), num(1025), v(0)}, nil, nil},
		{"fcntl F_GET_SEALS", syscall.SYS_FCNTL, []argument{file(reader), num(1034), v(0)}, nil, nil},
		{"pipe", sysPipe, []argument{out(data[1])}, nil, pair},
		{"pipe2", sysPipe2, []argument{out(data[1]), num(0, 1, 2, 4, nonblock, cloexec, 0x4000, 1<<31, minus)}, nil, pair},
		{"eventfd", sysEventfd, []argument{num(0, minus)}, nil, opened},
		{"eventfd2", sysEventfd2, []argument{num(0, minus), flags}, nil, opened},
		{"read of an eventfd", syscall.SYS_READ, []argument{file(event), out(data[1]), wide(8, 0, 7, 9)}, func() { call(syscall.SYS_WRITE, event, words(5, 3), 8) }, nil},
		{"write to an eventfd", syscall.SYS_WRITE, []argument{file(event), in(words(5, 3)), wide(8, 0, 7, 9)}, func() { call(syscall.SYS_READ, event, data[63], 8) }, nil},
		{"socket of no family", syscall.SYS_SOCKET, []argument{num(999, minus), num(1, 99, 1|1<<20, minus), num(0)}, nil, opened},
		{"socketpair of no family", syscall.SYS_SOCKETPAIR, []argument{num(999, minus), num(1, 99, 1|1<<20, minus), num(0), out(data[1])}, nil, nil},
	}
}

func descriptorFlags(r uintptr) string {
	f, _ := call(syscall.SYS_FCNTL, reader, syscall.F_GETFD)
	call(syscall.SYS_FCNTL, reader, syscall.F_SETFD, 0)
	return fmt.Sprint(r, " flags ", f)
}

func fileFlags(r uintptr) string {
	f, _ := call(syscall.SYS_FCNTL, reader, syscall.F_GETFL)
	call(syscall.SYS_FCNTL, reader, syscall.F_SETFL, nonblock)
	return fmt.Sprintf("%d flags %#x", r, f)
}

// one puts the reader into the first set of a select, and into a list of poll.
func one(purpose int, fd uintptr) uintptr {
	*word(data[purpose], int(fd/64)) = 1 << (fd % 64)
	return data[purpose]
}

// waits are the calls that wait for files. With a bad address some would wait without end:
// their time is never absent.
func waits() []test {
	list := words(6, uint64(reader)|1<<32)
	// The mask keeps SIGURG out: the runtime sends it to a thread that computes for long, and a
	// call that lets it in ends with EINTR.
	mask, zero := words(7, 1<<(syscall.SIGURG-1)), words(8, 0, 0)
	both := words(9, uint64(mask), 8)
	short := words(10, uint64(mask), 4)
	set := one(11, reader)
	happened := words(12, 0)
	size := wide(8, 0, 4, 9, high|8)
	watch := words(13, 1, 0)
	set1 := func() { call(syscall.SYS_EPOLL_CTL, epoll, 2, event, 0) }
	watched := func() {
		call(syscall.SYS_EPOLL_CTL, epoll, 1, event, watch)
		call(syscall.SYS_WRITE, event, words(5, 3), 8)
	}
	calm := func() { watched(); call(syscall.SYS_READ, event, data[63], 8) }
	sets := func() { drain(); one(11, reader) }
	counts := num(64, 0, minus, 1<<31)
	most := num(4, 0, minus, 1<<31-1)
	times := func(name string, n uintptr, parts uint64, args func(p uintptr) []argument) (list []test) {
		for i, ts := range [][2]uint64{{0, parts}, {0, uint64(minus)}, {uint64(minus), 0}} {
			list = append(list, test{fmt.Sprintf("%s with the time %d, %d", name, int64(ts[0]), int64(ts[1])), n, args(words(20+i, ts[0], ts[1])), sets, nil})
		}
		return list
	}
	tests := []test{
		{"poll", syscall.SYS_POLL, []argument{out(list), num(1, 0, minus, 1<<31-1), num(0)}, drain, nil},
		{"poll of a full pipe", syscall.SYS_POLL, []argument{out(list), num(1, 0), num(0, minus)}, filled, nil},
		{"ppoll", sysPpoll, []argument{out(list), num(1, 0, minus), some(in(zero)), in(mask), size}, drain, nil},
		{"ppoll without a mask", sysPpoll, []argument{out(list), v(1), some(in(zero)), v(0), size}, drain, nil},
		{"select", syscall.SYS_SELECT, []argument{counts, out(set), out(data[14]), out(data[14]), some(in(zero))}, sets, nil},
		{"pselect6", sysPselect6, []argument{counts, out(set), v(0), v(0), some(in(zero)), in(both)}, sets, nil},
		{"pselect6 with a mask of 4 bytes", sysPselect6, []argument{v(64), v(set), v(0), v(0), v(zero), v(short)}, sets, nil},
		{"pselect6 with a mask of no right", sysPselect6, []argument{v(64), v(set), v(0), v(0), v(zero), v(words(15, uint64(none), 8))}, sets, nil},
		{"pselect6 with a size and no mask", sysPselect6, []argument{v(64), v(set), v(0), v(0), v(zero), v(words(16, 0, 4))}, sets, nil},
		{"epoll_create", syscall.SYS_EPOLL_CREATE, []argument{num(1, 0, minus)}, nil, opened},
		{"epoll_create1", syscall.SYS_EPOLL_CREATE1, []argument{num(0, 1, cloexec, 1<<31, minus)}, nil, opened},
		{"epoll_ctl add", syscall.SYS_EPOLL_CTL, []argument{file(epoll), num(1, 0, 4, minus), file(event), in(watch)}, set1, nil},
		{"epoll_ctl mod", syscall.SYS_EPOLL_CTL, []argument{file(epoll), num(3), file(event), in(watch)}, watched, nil},
		{"epoll_ctl del", syscall.SYS_EPOLL_CTL, []argument{file(epoll), num(2), file(event), in(watch)}, watched, nil},
		{"epoll_wait", syscall.SYS_EPOLL_WAIT, []argument{file(epoll), out(happened), most, num(0, minus)}, watched, nil},
		{"epoll_wait without an event", syscall.SYS_EPOLL_WAIT, []argument{file(epoll), out(happened), most, num(0)}, calm, nil},
		{"epoll_pwait", syscall.SYS_EPOLL_PWAIT, []argument{file(epoll), out(happened), most, num(0, minus), in(mask), size}, watched, nil},
		{"epoll_pwait2", sysPwait2, []argument{file(epoll), out(happened), most, in(zero), in(mask), size}, watched, nil},
		{"epoll_wait on a pipe", syscall.SYS_EPOLL_WAIT, []argument{v(reader), v(happened), v(1), v(0)}, nil, nil},
	}
	tests = append(tests, times("ppoll", sysPpoll, 1e9, func(p uintptr) []argument { return []argument{v(list), v(1), v(p), v(0), v(8)} })...)
	tests = append(tests, times("select", syscall.SYS_SELECT, 1<<62, func(p uintptr) []argument { return []argument{v(64), v(set), v(0), v(0), v(p)} })[1:]...)
	tests = append(tests, times("pselect6", sysPselect6, 1e9, func(p uintptr) []argument { return []argument{v(64), v(set), v(0), v(0), v(p), v(0)} })...)
	return append(tests, times("epoll_pwait2", sysPwait2, 1e9, func(p uintptr) []argument { return []argument{v(epoll), v(happened), v(1), v(p), v(0), v(8)} })...)
}
