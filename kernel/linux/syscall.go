package linux

import (
	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trace"
	"muster/kernel/trap"
	"muster/kernel/upcall"
)

// Handler answers a system call. The arguments are in f: DI, SI, DX, R10, R8, R9.
// The result is a value, or Fail(e).
type Handler func(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64)

// Linux's numbers of the calls that have a handler
// (arch/x86/entry/syscalls/syscall_64.tbl).
var calls = [...]Handler{
	0:   sysRead,
	1:   sysWrite,
	2:   sysNoFile, // open
	3:   sysClose,
	4:   sysNoFile, // stat
	5:   sysFstat,
	6:   sysNoFile, // lstat
	8:   sysLseek,
	9:   sysMmap,
	10:  sysMprotect,
	11:  sysMunmap,
	12:  sysBrk,
	13:  sysRtSigaction,
	14:  sysRtSigprocmask,
	16:  sysIoctl,
	19:  sysReadv,
	20:  sysWritev,
	21:  sysNoFile, // access
	22:  sysPipe,
	24:  sysSchedYield,
	27:  sysMincore,
	28:  sysMadvise,
	32:  sysDup,
	34:  sysPause,
	35:  sysNanosleep,
	39:  sysGetpid,
	41:  sysSocket,
	53:  sysSocket, // socketpair
	56:  sysClone,
	60:  sysExit,
	61:  sysWait4,
	62:  sysKill,
	63:  sysUname,
	72:  sysFcntl,
	79:  sysGetcwd,
	80:  sysNoFile,   // chdir
	83:  sysReadOnly, // mkdir
	84:  sysNoFile,   // rmdir
	86:  sysNoFile,   // link
	87:  sysNoFile,   // unlink
	88:  sysReadOnly, // symlink
	89:  sysNoFile,   // readlink
	96:  sysGettimeofday,
	97:  sysGetrlimit,
	98:  sysGetrusage,
	99:  sysSysinfo,
	100: sysTimes,
	102: sysZero, // getuid
	104: sysZero, // getgid
	107: sysZero, // geteuid
	108: sysZero, // getegid
	110: sysZero, // getppid
	131: sysSigaltstack,
	157: sysPrctl,
	158: sysArchPrctl,
	186: sysGettid,
	200: sysTkill,
	201: sysTime,
	202: sysFutex,
	204: sysSchedGetaffinity,
	213: sysEpollCreate,
	217: sysNotDir, // getdents64
	218: sysSetTidAddress,
	228: sysClockGettime,
	229: sysClockGetres,
	230: sysClockNanosleep,
	231: sysExitGroup,
	232: sysEpollWait,
	233: sysEpollCtl,
	234: sysTgkill,
	247: sysWait4,    // waitid
	257: sysNoFile,   // openat
	258: sysReadOnly, // mkdirat
	262: sysNoFile,   // newfstatat
	263: sysNoFile,   // unlinkat
	264: sysNoFile,   // renameat
	267: sysNoFile,   // readlinkat
	269: sysNoFile,   // faccessat
	281: sysEpollPwait,
	284: sysEventfd,
	290: sysEventfd2,
	291: sysEpollCreate1,
	292: sysDup3,
	293: sysPipe2,
	302: sysPrlimit64,
	309: sysGetcpu,
	318: sysGetrandom,
	332: sysNoFile, // statx
	437: sysNoFile, // openat2
	439: sysNoFile, // faccessat2
}

// rt_sigreturn has no Handler, because it replaces the frame.
const numRtSigreturn = 15

// private holds the calls of package abi; HandlePrivate fills it in.
var private [abi.Count]Handler

// HandlePrivate installs the handlers of the private calls from number first on.
//
// Context: boot CPU, before the runtime starts.
func HandlePrivate(first int, list []Handler) {
	for i, h := range list { // copy would call the runtime
		private[first-abi.First+i] = h
	}
}

// Syscall answers a SYSCALL. See upcall.Table.
//
//cpucheck:switches the entry stub goes on, and finds the block by GS
func Syscall(c *percpu.CPU, f *cpu.Frame) uintptr {
	t := current(c)
	n := f.AX
	if f.User() != t.proc.user {
		upcall.To.Panic(c, f, "linux: system call from the wrong ring; process", uint64(t.proc.ID), 0)
	}
	r := errno(ENOSYS)
	switch {
	case n < uint64(len(calls)):
		if h := calls[n]; h != nil {
			c, r = h(c, t, f)
		} else if n == numRtSigreturn {
			return sched.Leave(c, f, sigreturn(c, t, f))
		}
	case n-abi.First < abi.Count && !t.proc.user:
		if h := private[n-abi.First]; h != nil {
			c, r = h(c, t, f)
		}
	}
	f.AX = r
	if trace.On&(1<<trace.Syscall) != 0 {
		trace.Add(c, trace.Syscall, n, r)
	}
	if sched.Pending(c) {
		return sched.Leave(c, f, trap.LeaveFast)
	}
	return trap.LeaveFast
}

// ThreadWork ends the current task or delivers its signals, as its Work requests.
// See upcall.Table.
func ThreadWork(c *percpu.CPU, f *cpu.Frame, how uintptr) uintptr {
	t := current(c)
	if t.Work.Load()&workExit != 0 {
		exitTask(c, t)
	}
	t.Work.And(^uint32(workSignal)) // before pending is read, so that no signal is lost
	return deliverPending(c, t, f, how)
}
