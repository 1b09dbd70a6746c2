package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// A signal ends a wait early, and the system call returns one of the restart codes
// of errno.go. What the program sees is decided when the signal is delivered. Either
// the task makes the same call again after the handler, or at once if no handler
// runs: its registers are as they were, and the instruction pointer goes back to the
// SYSCALL instruction. Or the call returns EINTR. As in Linux,
//
//   - reads, writes and a futex wait without a deadline go on after a handler that
//     was set with SA_RESTART, and return EINTR after another;
//   - pause, rt_sigsuspend, and every wait with a deadline return EINTR after any
//     handler; without a handler they go on to the same deadline;
//   - epoll_wait and rt_sigtimedwait return EINTR in any case.
//
// No handler runs if another task took the signal, or if its action is to do nothing.

// restart is the system call that a signal interrupted.
type restart struct {
	call  uint64 // its number
	code  Errno  // 0 for none
	block block
}

// block is what a wait with a deadline needs to go on: the deadline counts from the
// first call.
type block struct {
	kind       blockKind
	until      clock.Time
	addr       uintptr // of a futex, of the descriptors; of a sleep, where the rest goes
	want, bits uint32  // of a futex; the number of descriptors
	clock      clockID // of a sleep on CPU time
}

type blockKind uint8

const (
	blockNone blockKind = iota
	blockFutex
	blockSleep
	blockSleepCPU
	blockPoll
)

// numRestart is the call by which a task goes on with a block.
const numRestart = 219

// syscallBytes is the length of the SYSCALL instruction.
const syscallBytes = 2

// note remembers a call that returned a restart code. The task has work then, so
// deliverPending comes next.
func (r *restart) note(call, result uint64) {
	if code := Errno(-result); -result <= uint64(eRestartBlock) && code >= eRestart {
		r.call, r.code = call, code
	}
}

// resume decides how an interrupted call goes on after a handler, which was set with
// SA_RESTART or without.
func (t *Task) resume(f *cpu.Frame, again bool) {
	code := t.again.code
	if code == 0 {
		return
	}
	t.again.code = 0
	if code == eRestart && again {
		f.AX = t.again.call
		f.IP -= syscallBytes
		return
	}
	f.AX = errno(EINTR)
}

// resumeUnhandled makes an interrupted call go on when no handler has run.
func (t *Task) resumeUnhandled(c *percpu.CPU, f *cpu.Frame) {
	if code := t.again.code; code != 0 {
		t.again.code = 0
		f.AX = t.again.call
		if code == eRestartBlock {
			f.AX = numRestart
		}
		f.IP -= syscallBytes
	}
	if t.suspends {
		t.suspends = false
		t.setMask(c, t.saved)
	}
}

// sysRestart goes on with the wait that was interrupted last.
func sysRestart(c *percpu.CPU, t *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	b := t.again.block
	t.again.block.kind = blockNone
	switch b.kind {
	case blockFutex:
		return waitFutex(c, t, b.addr, b.want, b.bits, b.until)
	case blockSleep:
		return sleepUntil(c, t, b.until, b.addr)
	case blockSleepCPU:
		return t.sleepCPU(c, b.clock, b.until, b.addr)
	case blockPoll:
		return pollMS(c, t, b.addr, uint64(b.want), b.until, b.until == 0)
	}
	return c, errno(EINTR)
}
