package linux

import (
	"unsafe"

	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// foreground has the programs that get the signals of the keyboard: all, from their start
// until they have been waited for. The kernel's command line or a line of the shell
// chooses how many there are.
var foreground struct {
	mu   lock.Spin
	list list.List // of Process.foreground, guarded by mu
}

func initForeground() { foreground.mu.Rank = lock.RankPrograms }

// enterForeground makes p a foreground program.
func enterForeground(c *percpu.CPU, p *Process) {
	foreground.mu.Lock(c)
	foreground.list.Push(&p.foreground)
	foreground.mu.Unlock(c)
}

// leaveForeground makes sure that no signal reaches p any more.
//
// Context: before p is freed.
func leaveForeground(c *percpu.CPU, p *Process) {
	foreground.mu.Lock(c)
	if p.foreground.Linked() {
		foreground.list.Remove(&p.foreground)
	}
	foreground.mu.Unlock(c)
}

// SignalForeground sends each foreground program a signal. ESRCH: there is none; EINVAL:
// there is no such signal.
func SignalForeground(c *percpu.CPU, _ *Task, sig int) (*percpu.CPU, uint64) {
	return signalPrograms(c, 0, sig)
}

// SignalProgram sends the program with an id a signal. ESRCH: it has been waited for;
// EINVAL: there is no such signal.
func SignalProgram(c *percpu.CPU, _ *Task, id, sig int) (*percpu.CPU, uint64) {
	if id <= 0 {
		return c, errno(ESRCH)
	}
	return signalPrograms(c, uint32(id), sig)
}

// signalPrograms sends the program with an id a signal, all programs if id is 0. The lock
// keeps a program from being freed meanwhile.
func signalPrograms(c *percpu.CPU, id uint32, sig int) (*percpu.CPU, uint64) {
	if sig <= 0 || sig > lastSignal {
		return c, errno(EINVAL)
	}
	r := errno(ESRCH)
	foreground.mu.Lock(c)
	for n := foreground.list.First(); n != nil; n = foreground.list.Next(n) {
		p := (*Process)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Process{}.foreground))))
		if id != 0 && p.ID != id {
			continue
		}
		p.signal(c, nil, uint64(sig), fromKernel)
		r = 0
	}
	foreground.mu.Unlock(c)
	return c, r
}
