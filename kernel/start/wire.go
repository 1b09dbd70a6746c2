package start

import (
	"muster/kernel/apic"
	"muster/kernel/crash"
	"muster/kernel/cross"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/sched"
	"muster/kernel/trap"
	"muster/kernel/up"
)

// wire fills in every call that goes up the layers, and the vectors that lower
// packages send.
func wire() {
	up.To = up.Table{
		Panic:        crash.Panic,
		SpinPoll:     mem.Answer,
		SendIPI:      apic.SendIPI,
		SendNMI:      apic.SendNMI,
		NMI:          crash.NMI,
		Exception:    linux.Exception,
		CoreFault:    linux.CoreFault,
		Interrupt:    interrupt,
		Leave:        linux.Leave,
		ThreadStart:  linux.ThreadStart,
		ThreadName:   sched.NameOf,
		Reap:         linux.Reap,
		ConsoleSpace: linux.ConsoleSpace,
		ConsoleInput: consoleInput,
	}
	trap.SetSyscall(linux.Syscall)
	mem.VecFlush = trap.VecFlush
	cross.Vector = trap.VecCall
	sched.VecReschedule = trap.VecReschedule
	apic.VecTimer = trap.VecTimer
	apic.VecError = trap.VecError
	apic.VecSpurious = trap.VecSpurious
}
