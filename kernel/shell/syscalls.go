package shell

import "muster/kernel/abi"

// systemCalls has Linux's names of the system calls that the kernel answers.
//
// Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl.
var systemCalls = map[uint64]string{
	0: "read", 1: "write", 2: "open", 3: "close", 4: "stat",
	5: "fstat", 6: "lstat", 7: "poll", 8: "lseek", 9: "mmap", 10: "mprotect",
	11: "munmap", 12: "brk", 13: "rt_sigaction", 14: "rt_sigprocmask", 15: "rt_sigreturn",
	16: "ioctl", 19: "readv", 20: "writev", 21: "access", 22: "pipe", 23: "select",
	24: "sched_yield", 25: "mremap", 26: "msync", 27: "mincore", 28: "madvise", 32: "dup", 33: "dup2", 34: "pause",
	35: "nanosleep", 36: "getitimer", 37: "alarm", 38: "setitimer", 39: "getpid", 41: "socket", 53: "socketpair", 56: "clone",
	60: "exit", 61: "wait4", 62: "kill", 63: "uname", 72: "fcntl",
	79: "getcwd", 80: "chdir", 83: "mkdir", 84: "rmdir", 86: "link",
	87: "unlink", 88: "symlink", 89: "readlink", 96: "gettimeofday", 97: "getrlimit",
	98: "getrusage", 99: "sysinfo", 100: "times", 102: "getuid", 104: "getgid",
	107: "geteuid", 108: "getegid", 110: "getppid", 127: "rt_sigpending", 128: "rt_sigtimedwait", 130: "rt_sigsuspend", 131: "sigaltstack",
	140: "getpriority", 141: "setpriority", 142: "sched_setparam", 143: "sched_getparam", 144: "sched_setscheduler", 145: "sched_getscheduler",
	146: "sched_get_priority_max", 147: "sched_get_priority_min", 148: "sched_rr_get_interval", 149: "mlock", 150: "munlock", 157: "prctl",
	158: "arch_prctl", 186: "gettid", 200: "tkill", 201: "time", 202: "futex",
	203: "sched_setaffinity", 204: "sched_getaffinity", 213: "epoll_create", 217: "getdents64", 218: "set_tid_address", 219: "restart_syscall",
	222: "timer_create", 223: "timer_settime", 224: "timer_gettime", 225: "timer_getoverrun", 226: "timer_delete", 228: "clock_gettime",
	229: "clock_getres", 230: "clock_nanosleep", 231: "exit_group", 232: "epoll_wait", 233: "epoll_ctl",
	234: "tgkill", 247: "waitid", 257: "openat", 258: "mkdirat", 262: "newfstatat",
	263: "unlinkat", 264: "renameat", 267: "readlinkat", 269: "faccessat", 270: "pselect6", 271: "ppoll", 281: "epoll_pwait",
	284: "eventfd", 290: "eventfd2", 291: "epoll_create1", 292: "dup3", 293: "pipe2",
	302: "prlimit64", 309: "getcpu", 318: "getrandom", 325: "mlock2", 332: "statx", 437: "openat2",
	435: "clone3", 439: "faccessat2", 441: "epoll_pwait2",
}

// systemCall names a system call, Linux's or the kernel's own; "" if it is neither.
func systemCall(n uint64) string {
	if name := systemCalls[n]; name != "" {
		return name
	}
	return abi.Name(n)
}
