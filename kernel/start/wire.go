package start

import (
	"muster/kernel/apic"
	"muster/kernel/crash"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/sched"
	"muster/kernel/trap"
	"muster/kernel/upcall"
)

// wire fills in every call that goes up the layers, and the vectors that lower
// packages send.
func wire() {
	upcall.To = upcall.Table{
		Panic:        crash.Panic,
		SpinPoll:     mem.Answer,
		SendVector:   apic.SendVector,
		SendLogical:  apic.SendLogical,
		SendNMI:      apic.SendNMI,
		NMI:          crash.NMI,
		Exception:    linux.Exception,
		CoreFault:    coreFault,
		Interrupt:    interrupt,
		Leave:        linux.Leave,
		ThreadStart:  linux.ThreadStart,
		ThreadName:   sched.NameOf,
		Reap:         linux.Reap,
		ConsoleSpace: linux.ConsoleSpace,
		ConsoleInput: consoleInput,
	}
	trap.SetSyscall(linux.Syscall)
	wireMessages()
}
