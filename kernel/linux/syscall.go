package linux

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/lock"
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
	2:   sysOpen,
	3:   sysClose,
	4:   sysNoFile, // stat
	5:   sysFstat,
	6:   sysNoFile, // lstat
	7:   sysPoll,
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
	21:  sysAccess,
	22:  sysPipe,
	23:  sysSelect,
	24:  sysSchedYield,
	25:  sysMremap,
	26:  sysMsync,
	27:  sysMincore,
	28:  sysMadvise,
	32:  sysDup,
	33:  sysDup2,
	34:  sysPause,
	35:  sysNanosleep,
	36:  sysGetitimer,
	37:  sysAlarm,
	38:  sysSetitimer,
	39:  sysGetpid,
	41:  sysSocket,
	53:  sysSocketpair,
	56:  sysClone,
	60:  sysExit,
	61:  sysWait4,
	62:  sysKill,
	63:  sysUname,
	72:  sysFcntl,
	79:  sysGetcwd,
	80:  sysNoFile, // chdir
	83:  sysMkdir,
	84:  sysNoFile, // rmdir
	86:  sysNoFile, // link
	87:  sysNoFile, // unlink
	88:  sysSymlink,
	89:  sysReadlink,
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
	127: sysRtSigpending,
	128: sysRtSigtimedwait,
	130: sysRtSigsuspend,
	131: sysSigaltstack,
	140: sysGetpriority,
	141: sysSetpriority,
	142: sysSchedSetparam,
	143: sysSchedGetparam,
	144: sysSchedSetscheduler,
	145: sysSchedGetscheduler,
	146: sysSchedGetPriorityMax,
	147: sysSchedGetPriorityMin,
	148: sysSchedRRGetInterval,
	149: sysMlock,
	150: sysMunlock,
	157: sysPrctl,
	158: sysArchPrctl,
	186: sysGettid,
	200: sysTkill,
	201: sysTime,
	202: sysFutex,
	203: sysSchedSetaffinity,
	204: sysSchedGetaffinity,
	213: sysEpollCreate,
	217: sysNotDir, // getdents64
	218: sysSetTidAddress,
	219: sysRestart,
	222: sysTimerCreate,
	223: sysTimerSettime,
	224: sysTimerGettime,
	225: sysTimerGetoverrun,
	226: sysTimerDelete,
	228: sysClockGettime,
	229: sysClockGetres,
	230: sysClockNanosleep,
	231: sysExitGroup,
	232: sysEpollWait,
	233: sysEpollCtl,
	234: sysTgkill,
	247: sysWaitid,
	257: sysOpenat,
	258: sysMkdirat,
	262: sysNewfstatat,
	263: sysUnlinkat,
	264: sysRenameat,
	267: sysReadlinkat,
	269: sysFaccessat,
	270: sysPselect6,
	271: sysPpoll,
	281: sysEpollPwait,
	284: sysEventfd,
	290: sysEventfd2,
	291: sysEpollCreate1,
	292: sysDup3,
	293: sysPipe2,
	302: sysPrlimit64,
	309: sysGetcpu,
	318: sysGetrandom,
	325: sysMlock2,
	332: sysStatx,
	435: sysClone3,
	437: sysOpenat2,
	439: sysFaccessat2,
	441: sysEpollPwait2,
}

// rt_sigreturn has no Handler, because it replaces the frame.
const numRtSigreturn = 15

// Calls that have another answer than ENOMEM.
const (
	numBrk         = 12
	numClone       = 56
	numTimerCreate = 222
	numClone3      = 435
)

// private holds the calls of package abi; HandlePrivate fills it in.
var private [abi.Count]Handler

// HandlePrivate installs the handlers of the private calls from number first on.
//
// Context: boot CPU, before the runtime starts.
func HandlePrivate(first int, list []Handler) {
	for i, h := range list { // copy would call the runtime
		private[first-abi.First+i] = h
		trap.SetPrivate(first-abi.First+i, *(*uintptr)(unsafe.Pointer(&h)))
	}
}

// HandlerAt returns the func value of the handler of a call, 0 if it has none that the entry may call.
func HandlerAt(n int) uintptr {
	if n >= len(calls) {
		return 0
	}
	return *(*uintptr)(unsafe.Pointer(&calls[n])) // a func value is one word
}

var _ [0]byte = [ENOMEM - trap.NoMemory]byte{}

// handlerOf returns the handler of a call.
func handlerOf(t *Task, n uint64) (h Handler) {
	if n < uint64(len(calls)) {
		h = calls[cpu.Index(n, uint64(len(calls)))]
	}
	if h == nil {
		h = privateOrNone(t, n)
	}
	return h
}

// Syscall answers a SYSCALL that the entry has no handler for, or any while they are recorded. See upcall.Table.
//
//cpucheck:switches the entry stub goes on, and finds the block by GS
func Syscall(c *percpu.CPU, f *cpu.Frame) uintptr {
	t := current(c)
	n := uintArg(f.AX)
	if lock.Checked && f.User() != t.proc.user {
		upcall.To.Panic(c, f, "linux: system call from the wrong ring; process", uint64(t.proc.ID), 0)
	}
	if n == numRtSigreturn {
		return sched.Leave(c, f, sigreturn(c, t, f))
	}
	c, r := handlerOf(t, n)(c, t, f)
	return Answer(c, f, r)
}

// Answer ends a call, whose result is r. The entry has called the handler, and has found that the result is ENOMEM, or that the CPU or the
// task has work; or Syscall has.
//
//cpucheck:switches as Syscall
func Answer(c *percpu.CPU, f *cpu.Frame, r uint64) uintptr {
	if r == errno(ENOMEM) {
		c, r = noMemory(c, f, handlerOf(current(c), uintArg(f.AX)))
	}
	trace.Add(c, trace.Syscall, f.AX, r) // the frame still holds the number: nothing keeps it meanwhile
	if sched.Pending(c) {
		return answerPending(c, f, r)
	}
	f.AX = r
	return trap.LeaveFast
}

// privateOrNone returns the handler of a call that is not one of Linux's.
func privateOrNone(t *Task, n uint64) Handler {
	if n-abi.First < abi.Count && !t.proc.user {
		if h := private[cpu.Index(n-abi.First, abi.Count)]; h != nil {
			return h
		}
	}
	return sysNone
}

// sysNone answers a call that does not exist.
func sysNone(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, errno(ENOSYS)
}

// answerPending ends a call, whose result is r, of a task that has work or is to leave
// the CPU.
//
//cpucheck:switches as Syscall
func answerPending(c *percpu.CPU, f *cpu.Frame, r uint64) uintptr {
	current(c).again.note(f.AX, r)
	f.AX = r
	f.SetByCall()
	return sched.Leave(c, f, trap.LeaveFast)
}

// ThreadWork ends the current task, sets off timers on CPU time, or delivers signals,
// as the task's Work requests. See upcall.Table.
func ThreadWork(c *percpu.CPU, f *cpu.Frame, how uintptr) (*percpu.CPU, uintptr) {
	t := current(c)
	work := t.Work.Load()
	if work&workExit != 0 {
		exitTask(c, t)
	}
	t.Work.And(^uint32(workSignal | workTimer | workSettle)) // before pending is read, so that no signal is lost
	if work&workSettle != 0 {
		c = sched.Settle(c)
	}
	if work&workTimer != 0 {
		c = t.expireCPU(c)
	}
	return deliverPending(c, t, f, how)
}
