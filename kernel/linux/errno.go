package linux

// Errno is an error of a system call, with Linux's numbers.
type Errno uint8

// Errors.
const (
	EPERM        Errno = 1
	ENOENT       Errno = 2
	ESRCH        Errno = 3
	EINTR        Errno = 4
	EIO          Errno = 5
	E2BIG        Errno = 7
	EBADF        Errno = 9
	ECHILD       Errno = 10
	EAGAIN       Errno = 11
	ENOMEM       Errno = 12
	EACCES       Errno = 13
	EFAULT       Errno = 14
	EBUSY        Errno = 16
	EEXIST       Errno = 17
	ENODEV       Errno = 19
	ENOTDIR      Errno = 20
	EINVAL       Errno = 22
	EMFILE       Errno = 24
	ENOTTY       Errno = 25
	ENOSPC       Errno = 28
	ESPIPE       Errno = 29
	EROFS        Errno = 30
	EPIPE        Errno = 32
	ERANGE       Errno = 34
	ENAMETOOLONG Errno = 36
	ENOSYS       Errno = 38
	ELOOP        Errno = 40
	EOVERFLOW    Errno = 75
	EOPNOTSUPP   Errno = 95
	EAFNOSUPPORT Errno = 97
	ETIMEDOUT    Errno = 110
)

// Results of an interrupted system call, which the program never sees: before the
// task leaves the core, resume turns them into EINTR or makes the task call again.
// Linux's numbers for them, from 512 on, do not fit into an Errno.
const (
	eRestart       Errno = 240 + iota // again, unless a handler runs that was set without SA_RESTART
	eRestartNoHand                    // again, unless a handler runs
	eRestartBlock                     // as eRestartNoHand, but to the deadline in Task.again
)

// uintArg returns an argument that is an int or an unsigned int in C. As on Linux, the bits
// above do not count.
func uintArg(v uint64) uint64 { return uint64(uint32(v)) }

// errno returns a system call's result for an error.
func errno(e Errno) uint64 { return -uint64(e) }

// Fail returns the result of a private system call that failed.
func Fail(e Errno) uint64 { return errno(e) }
