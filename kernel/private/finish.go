package private

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/cpus"
	"muster/kernel/crash"
	"muster/kernel/linux"
	"muster/kernel/lock"
	"muster/kernel/mmio"
	"muster/kernel/percpu"
	"muster/kernel/trap"
)

// finish ends the machine: it stops the other CPUs, takes the steps that the caller
// prepared, and if these have no effect it tries the other ways. It does not
// return.
func finish(c *percpu.CPU, t *linux.Task, status int, list uintptr, n uint64) (*percpu.CPU, uint64) {
	var steps [abi.MaxSteps]abi.Step
	if n > abi.MaxSteps {
		return c, linux.Fail(linux.EINVAL)
	}
	if n > 0 && !t.Space.CopyIn(c, unsafe.Pointer(&steps), list, uintptr(n)*unsafe.Sizeof(steps[0])) {
		return c, linux.Fail(linux.EFAULT)
	}
	if lock.Checked {
		sayLongest(c)
	}
	console.Drain(c)
	stopOthers(c)
	if status != abi.Reset {
		crash.TellStatus(uint8(status))
	}
	for i := range n {
		access(&steps[i])
	}
	if status == abi.Reset {
		tripleFault()
	}
	crash.ExitEmulator()
	clock.Spin(clock.Second / 10) // an emulator needs time to end
	console.Emergency([]byte("muster: off\n"))
	cpu.Stop()
	return c, 0
}

// stopOthers stops the other CPUs and logs the result. They hold no lock then,
// unless one did not answer.
func stopOthers(c *percpu.CPU) {
	if percpu.Count() == 1 {
		return
	}
	stopped, missing := crash.StopOthers(c, &cpus.Online)
	var l console.Line
	l.Str("muster: ").Dec(uint64(stopped)).Str(" other CPUs stopped")
	if missing != crash.None {
		l.Str(", cpu").Dec(uint64(missing)).Str(" does not answer an IPI or an NMI")
	}
	console.Emergency(l.Byte('\n').Bytes())
}

// access makes one access and waits.
func access(s *abi.Step) {
	switch s.Op {
	case abi.StepWrite:
		store(s, s.Value)
	case abi.StepModify:
		store(s, load(s)&^s.Mask|s.Value)
	case abi.StepAwait:
		for end := clock.After(clock.Time(s.WaitNS)); load(s)&s.Mask != s.Value && !end.Passed(); {
			cpu.Pause()
		}
		return
	}
	clock.Spin(clock.Time(s.WaitNS))
}

func load(s *abi.Step) uint32 {
	if s.Memory != 0 {
		switch s.Bytes {
		case 1:
			return uint32(mmio.Load8(s.Addr))
		case 2:
			return uint32(mmio.Load16(s.Addr))
		}
		return mmio.Load32(s.Addr)
	}
	switch port := uint16(s.Addr); s.Bytes {
	case 1:
		return uint32(cpu.In8(port))
	case 2:
		return uint32(cpu.In16(port))
	default:
		return cpu.In32(port)
	}
}

func store(s *abi.Step, v uint32) {
	if s.Memory != 0 {
		switch s.Bytes {
		case 1:
			mmio.Store8(s.Addr, uint8(v))
		case 2:
			mmio.Store16(s.Addr, uint16(v))
		default:
			mmio.Store32(s.Addr, v)
		}
		return
	}
	switch port := uint16(s.Addr); s.Bytes {
	case 1:
		cpu.Out8(port, uint8(v))
	case 2:
		cpu.Out16(port, uint16(v))
	default:
		cpu.Out32(port, v)
	}
}

// tripleFault resets every machine: it raises an exception without a table of
// handlers.
func tripleFault() {
	cpu.LoadIDT(0, 0)
	cpu.Breakpoint()
}

// sayLongest logs the longest stretch with interrupts off, and the entry at which
// it began.
func sayLongest(c *percpu.CPU) {
	worst := c
	for i := range percpu.Count() {
		if o := percpu.Get(i); o.Longest > worst.Longest {
			worst = o
		}
	}
	var l console.Line
	l.Str("core: longest stretch with interrupts off ").Dec(uint64(clock.Span(worst.Longest))).Str(" ns, from ")
	from, to := trap.Longest(worst)
	crash.AppendStretch(&l, worst.LongestAt, from, to)
	console.Log(c, console.Notice, l.Bytes())
}
