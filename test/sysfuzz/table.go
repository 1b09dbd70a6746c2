package sysfuzz

// Entry is a system call that the fuzzer makes: how often beside the others, and the
// kinds of its arguments. An argument without a kind is 0.
type Entry struct {
	Number uint64
	Name   string
	Weight int
	Args   []kind
}

// Flags and commands, by Linux's numbers.
const (
	cloneThread = 0x100 | 0x800 | 0x10000
	mapFixed    = 0x10
)

// Table is every system call of kernel/linux/syscall.go, and a few that it lacks. A call
// that is there under several forms has an entry for each.
var Table = []Entry{
	// Files.
	{0, "read", 60, []kind{fd, out, size}},
	{0, "read", 2, []kind{anyFD, out, upTo(64)}},
	{1, "write", 60, []kind{fd, out, size}},
	{2, "open", 2, []kind{either(4, out, in(paths)), bits(1, 2, 0x40, 0x200, 0x800, 0x80000)}},
	{3, "close", 50, []kind{fd}},
	{4, "stat", 1, []kind{in(paths), out}},
	{5, "fstat", 8, []kind{anyFD, out}},
	{6, "lstat", 1, []kind{in(paths), out}},
	{7, "poll", 12, []kind{either(8, out, in(polls)), upTo(64), of(0, 0, 0, 1, 2)}},
	{8, "lseek", 4, []kind{anyFD, size, of(0, 1, 2)}},
	{16, "ioctl", 6, []kind{anyFD, of(0x541b, 0x5401, 0x5413, 0x5421), out}},
	{17, "pread64", 2, []kind{fd, out, size, size}},
	{18, "pwrite64", 2, []kind{fd, out, size, size}},
	{19, "readv", 12, []kind{fd, in(vectors), upTo(33)}},
	{20, "writev", 12, []kind{fd, in(vectors), upTo(33)}},
	{21, "access", 1, []kind{in(paths), upTo(8)}},
	{22, "pipe", 2, []kind{out}},
	{23, "select", 2, []kind{upTo(64), none(out), none(out), none(out), in(times)}},
	{32, "dup", 8, []kind{fd}},
	{33, "dup2", 6, []kind{fd, fd}},
	{72, "fcntl", 10, []kind{fd, of(0, 1, 2, 3, 1030, 1031, 1032), of(0, 3, 8, 4096, 65536, 1<<20)}},
	{72, "fcntl", 4, []kind{fd, is(4), of(0x800, 0x800, 0x800, 0)}},
	{292, "dup3", 8, []kind{fd, fd, bits(0x80000)}},
	{293, "pipe2", 16, []kind{out, bits(0x800, 0x800, 0x800, 0x80000)}},
	{436, "close_range", 1, []kind{fd, fd, bits(2, 4)}},

	// Waiting for files.
	{213, "epoll_create", 2, []kind{of(1, 8)}},
	{291, "epoll_create1", 8, []kind{bits(0x80000)}},
	{232, "epoll_wait", 16, []kind{fd, out, of(1, 8, 64, 512), of(0, 0, 0, 0, 1)}},
	{281, "epoll_pwait", 16, []kind{fd, out, of(1, 8, 64), of(0, 0, 0, 0, 1), none(in(masks)), of(8)}},
	{441, "epoll_pwait2", 4, []kind{fd, out, of(1, 8), in(times), none(in(masks)), of(8)}},
	{233, "epoll_ctl", 60, []kind{fd, of(1, 1, 2, 3), anyFD, in(events)}},
	{284, "eventfd", 2, []kind{of(0, 1, 5)}},
	{290, "eventfd2", 16, []kind{of(0, 1, 1<<32-2), bits(1, 0x800, 0x800, 0x800, 0x80000)}},
	{270, "pselect6", 1, []kind{upTo(64), none(out), none(out), none(out), in(times), none(out)}},
	{271, "ppoll", 4, []kind{in(polls), upTo(64), in(times), none(in(masks)), of(8)}},

	// Memory: seldom, because a change stops all CPUs for the flush of their TLBs.
	{9, "mmap", 8, []kind{pages, length, of(0, 1, 3, 3, 3, 3, 5, 7), is(0x32), is(^uint64(0))}},
	{9, "mmap", 1, []kind{pages, length, bits(1, 2, 4), bits(1, 2, 0x20, 0x20, 0x40, 0x100, 0x4000, 0x8000, 0x100000), either(4, fd, is(^uint64(0)))}},
	{9, "mmap", 1, []kind{is(0), upTo(16 * page), of(3), of(0x22), is(^uint64(0))}},
	{10, "mprotect", 4, []kind{pages, length, of(0, 1, 3, 3, 3, 5, 7)}},
	{11, "munmap", 4, []kind{pages, length}},
	{12, "brk", 1, []kind{out}},
	{25, "mremap", 2, []kind{pages, length, length, bits(1, 2, 4), pages}},
	{26, "msync", 1, []kind{pages, length, bits(1, 2, 4)}},
	{27, "mincore", 1, []kind{pages, length, out}},
	{28, "madvise", 2, []kind{pages, length, of(0, 1, 2, 3, 4, 4, 4, 8, 10, 14, 15, 16, 17, 21, 23, 24)}},
	{149, "mlock", 1, []kind{pages, length}},
	{150, "munlock", 1, []kind{pages, length}},
	{325, "mlock2", 1, []kind{pages, length, bits(1)}},

	// Signals.
	{13, "rt_sigaction", 10, []kind{changing, none(in(actions)), none(out), of(8)}},
	{13, "rt_sigaction", 2, []kind{of(17, 18, 23, 28), in(actions), none(out), of(8)}},
	{13, "rt_sigaction", 4, []kind{upTo(66), is(0), out, of(8)}},
	{14, "rt_sigprocmask", 16, []kind{of(0, 1, 2), none(in(masks)), none(out), of(8)}},
	{15, "rt_sigreturn", 6, []kind{in(frames)}},
	{34, "pause", 1, nil},
	{36, "getitimer", 2, []kind{of(0, 1, 2), out}},
	{37, "alarm", 1, []kind{of(0, 0, 0, 1, 100)}},
	{38, "setitimer", 4, []kind{of(0, 1, 2), none(in(periods)), none(out)}},
	{62, "kill", 8, []kind{pid, sig}},
	{127, "rt_sigpending", 2, []kind{out, of(8)}},
	{128, "rt_sigtimedwait", 3, []kind{in(masks), none(out), in(times), of(8)}},
	{129, "rt_sigqueueinfo", 1, []kind{pid, sig, out}},
	{130, "rt_sigsuspend", 1, []kind{in(masks), of(8)}},
	{131, "sigaltstack", 6, []kind{none(in(stacks)), none(out)}},
	{200, "tkill", 6, []kind{tid, sig}},
	{219, "restart_syscall", 1, nil},
	{222, "timer_create", 6, []kind{of(0, 1, 1, 2, 3, 7), none(in(notices)), out}},
	{223, "timer_settime", 8, []kind{upTo(12), of(0, 0, 1), in(periods), none(out)}},
	{224, "timer_gettime", 2, []kind{upTo(12), out}},
	{225, "timer_getoverrun", 2, []kind{upTo(12)}},
	{226, "timer_delete", 6, []kind{upTo(12)}},
	{234, "tgkill", 12, []kind{pid, tid, sig}},

	// Threads and processes.
	{24, "sched_yield", 4, nil},
	{39, "getpid", 4, nil},
	{56, "clone", 14, []kind{bits(cloneThread, cloneThread|0x600, cloneThread|0x100000), stackOf, out, out, out}},
	{56, "clone", 14, []kind{is(cloneThread | 0x40600), stackOf, out, out, out}},
	{60, "exit", 1, []kind{upTo(256)}},
	{61, "wait4", 1, []kind{tid, none(out), bits(1, 2), none(out)}},
	{110, "getppid", 1, nil},
	{140, "getpriority", 1, []kind{upTo(4), either(2, is(0), tid)}},
	{141, "setpriority", 1, []kind{of(0, 3), either(2, is(0), tid), upTo(20)}},
	{142, "sched_setparam", 1, []kind{either(2, is(0), tid), out}},
	{143, "sched_getparam", 1, []kind{either(2, is(0), tid), none(out)}},
	{144, "sched_setscheduler", 1, []kind{either(2, is(0), tid), of(0, 0, 1, 3, 5, 7, 1<<30), out}},
	{145, "sched_getscheduler", 1, []kind{either(2, is(0), tid)}},
	{146, "sched_get_priority_max", 1, []kind{upTo(8)}},
	{147, "sched_get_priority_min", 1, []kind{upTo(8)}},
	{148, "sched_rr_get_interval", 1, []kind{either(2, is(0), tid), out}},
	{157, "prctl", 2, []kind{of(1, 2, 15, 16, 0x53564d41), out, out}},
	{158, "arch_prctl", 4, []kind{of(0x1001, 0x1002, 0x1003, 0x1004), either(3, is(1<<47), out)}},
	{186, "gettid", 4, nil},
	{202, "futex", 20, []kind{word, of(1, 129, 10, 138), upTo(8), of(0, 1), word, of(1<<32-1, 1, 2)}},
	{202, "futex", 16, []kind{word, of(0, 128, 9, 137, 265), upTo(3), in(times), word, of(1<<32-1, 1)}},
	{202, "futex", 8, []kind{word, of(3, 131, 4, 132, 5, 133), upTo(4), upTo(8), word, upTo(4)}},
	{202, "futex", 1, []kind{word, upTo(16), upTo(3), in(times), word, upTo(4)}},
	{203, "sched_setaffinity", 2, []kind{either(2, is(0), tid), of(8, 128), out}},
	{204, "sched_getaffinity", 3, []kind{either(2, is(0), tid), of(8, 64, 128), out}},
	{218, "set_tid_address", 2, []kind{out}},
	{247, "waitid", 1, []kind{of(0, 1, 2), tid, none(out), bits(1, 4), none(out)}},
	{273, "set_robust_list", 1, []kind{out, of(24)}},
	{309, "getcpu", 3, []kind{none(out), none(out)}},
	{334, "rseq", 1, []kind{out, of(32), of(0, 1), of(0x53053053)}},
	{435, "clone3", 3, []kind{out, of(64, 88)}},

	// Time.
	{35, "nanosleep", 3, []kind{in(times), none(out)}},
	{96, "gettimeofday", 2, []kind{none(out), none(out)}},
	{100, "times", 1, []kind{none(out)}},
	{201, "time", 1, []kind{none(out)}},
	{228, "clock_gettime", 6, []kind{upTo(13), out}},
	{229, "clock_getres", 2, []kind{upTo(13), none(out)}},
	{230, "clock_nanosleep", 3, []kind{of(0, 1, 1, 2, 7, 11), of(0, 0, 1), in(times), none(out)}},

	// Facts.
	{63, "uname", 2, []kind{out}},
	{79, "getcwd", 2, []kind{out, size}},
	{97, "getrlimit", 2, []kind{upTo(17), out}},
	{98, "getrusage", 2, []kind{of(0, 1, 1<<32-1), out}},
	{99, "sysinfo", 2, []kind{out}},
	{102, "getuid", 1, nil},
	{104, "getgid", 1, nil},
	{107, "geteuid", 1, nil},
	{108, "getegid", 1, nil},
	{302, "prlimit64", 3, []kind{either(2, is(0), pid), upTo(17), none(in(limits)), none(out)}},
	{318, "getrandom", 3, []kind{out, size, bits(1, 2)}},

	// Paths, and what there is not.
	{41, "socket", 1, []kind{of(1, 2, 10), of(1, 2)}},
	{53, "socketpair", 1, []kind{of(1), of(1, 2), is(0), out}},
	{80, "chdir", 1, []kind{in(paths)}},
	{83, "mkdir", 1, []kind{in(paths), of(0o755)}},
	{84, "rmdir", 1, []kind{in(paths)}},
	{86, "link", 1, []kind{in(paths), in(paths)}},
	{87, "unlink", 1, []kind{in(paths)}},
	{88, "symlink", 1, []kind{in(paths), in(paths)}},
	{89, "readlink", 1, []kind{in(paths), out, size}},
	{217, "getdents64", 1, []kind{anyFD, out, size}},
	{257, "openat", 2, []kind{of(^uint64(99), 3), either(4, out, in(paths)), bits(1, 2, 0x40), of(0o644)}},
	{258, "mkdirat", 1, []kind{of(^uint64(99)), in(paths)}},
	{262, "newfstatat", 1, []kind{of(^uint64(99)), in(paths), out}},
	{263, "unlinkat", 1, []kind{of(^uint64(99)), in(paths)}},
	{264, "renameat", 1, []kind{of(^uint64(99)), in(paths), of(^uint64(99)), in(paths)}},
	{267, "readlinkat", 1, []kind{of(^uint64(99)), in(paths), out, size}},
	{269, "faccessat", 1, []kind{of(^uint64(99)), in(paths), upTo(8)}},
	{332, "statx", 1, []kind{of(^uint64(99)), in(paths), upTo(4096), upTo(4096), out}},
	{437, "openat2", 1, []kind{of(^uint64(99)), in(paths), out, of(24)}},
	{439, "faccessat2", 1, []kind{of(^uint64(99)), in(paths), upTo(8), upTo(512)}},
	{Nowhere, "none", 2, []kind{out, size, out}},
}

// Nowhere stands for the numbers without a call: private ones of the kernel, those of
// another interface, and any.
const Nowhere = 1<<64 - 1

// deadly reports whether a call would end the fuzzed process, or take its output away.
func deadly(c *Call) bool {
	a := &c.Args
	small := func(v uint64) bool { return uint32(v) < 3 }
	switch uint32(c.Number) { // the kernel reads an int
	case 1, 18, 20: // to the console
		return small(a[0])
	case 3, 32, 72:
		return small(a[0])
	case 33, 292:
		return small(a[0]) || small(a[1])
	case 436:
		return small(a[0])
	case 9:
		return a[3]&(mapFixed|0x100000) != 0 && outsideArena(a[0], a[1])
	case 10, 11, 28:
		return outsideArena(a[0], a[1])
	case 25:
		return outsideArena(a[0], a[1]) || a[3]&2 != 0 && outsideArena(a[4], a[2])
	case 13: // only the signals of changing may change, and the harmless defaults; zeros elsewhere are the default action
		return foreign(a[1]) || a[1] != 0 && a[0] != 33 && a[0] != 40 && a[0] != 64 && a[0] != 50 && a[0] != 51 &&
			a[0] != 17 && a[0] != 18 && a[0] != 23 && a[0] != 28
	case 7: // the kernel writes to the list, too
		return inBlocks(a[0]) && a[1] > polls.size/8
	case 19: // what follows the list is not one of pieces
		return a[2] > vectors.size/16 && a[2] <= 1024
	case 14: // masks come from the block
		return foreign(a[1])
	case 131: // a stack where there is no memory ends the process at the next signal
		return foreign(a[0])
	case 130:
		return foreign(a[0])
	case 271:
		return foreign(a[3]) || inBlocks(a[0]) && a[1] > polls.size/8
	case 281, 441:
		return foreign(a[4])
	case 15:
		return !inBlocks(a[0]) || a[0]%BlockSize < frames.at || a[0]%BlockSize >= frames.at+frames.size*frames.n
	case 56: // without a stack, a signal is the end
		return a[1] <= Stacks || a[1] > Stacks+StacksSize || a[1]%stackSize != 0
	case 62, 129:
		return uint32(a[1]) == 9 || uint32(a[1]) == 19
	case 200:
		return uint32(a[1]) == 9 || uint32(a[1]) == 19
	case 234:
		return uint32(a[2]) == 9 || uint32(a[2]) == 19
	case 231:
		return true
	}
	return false
}

// outsideArena reports whether a range that the kernel may accept leaves the arena.
func outsideArena(addr, n uint64) bool {
	bytes := (n + page - 1) &^ (page - 1)
	if addr%page != 0 || addr >= 1<<47 || bytes < n || addr+bytes <= addr {
		return false
	}
	return addr < Arena || addr+bytes > Arena+ArenaSize
}

// foreign reports whether an address that the process can read is outside the blocks.
func foreign(p uint64) bool { return p >= 1<<16 && p < 1<<47-4096 && !inBlocks(p) }

func inBlocks(p uint64) bool { return p >= Blocks && p < Blocks+64*BlockSize }

// Name returns the name of a call.
func Name(number uint64) string {
	for _, e := range Table {
		if e.Number == number {
			return e.Name
		}
	}
	return "none"
}
