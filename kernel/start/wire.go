package start

import (
	"muster/kernel/apic"
	"muster/kernel/cpus"
	"muster/kernel/crash"
	"muster/kernel/cross"
	"muster/kernel/intr"
	"muster/kernel/ipi"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/profile"
	"muster/kernel/sched"
	"muster/kernel/trap"
	"muster/kernel/upcall"
)

// wire fills in every call that goes up the layers.
func wire() {
	upcall.To = upcall.Table{
		Panic:        crash.Panic,
		SpinPoll:     mem.Answer,
		Stalled:      crash.Stalled,
		Readable:     mem.Readable,
		StackBelow:   cpus.StackBelow,
		ThreadName:   sched.NameOf,
		Exception:    linux.Exception,
		CoreFault:    linux.CoreFault,
		Leave:        sched.Leave,
		ThreadStart:  sched.ThreadStart,
		ThreadWork:   linux.ThreadWork,
		TimerExpired: linux.TimerExpired,
		Sample:       profile.Sample,
		Redraw:       linux.Redraw,
		Relieve:      linux.RelieveCopy,
		Reap:         linux.Reap,
	}
	trap.SetSyscall(linux.Syscall, linux.Answer, linux.HandlerAt)
	profile.Install()
}

// installHandlers makes each owner of vectors and IPIs install its handlers. The
// other vectors go to the interrupt controller.
//
// Context: before the boot CPU enables interrupts.
func installHandlers() {
	ipi.Install()
	mem.Install()
	cross.Install(sched.Tick())
	sched.Install()
	if apic.Legacy() {
		intr.InstallLegacy()
	} else {
		intr.Install()
		apic.Install()
	}
}
