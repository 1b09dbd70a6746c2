package main

import (
	"fmt"
	"slices"

	"muster/kernel/abi"
	"muster/kernel/kcall"
	"muster/kernel/shell"
)

// The ways to break the core, as the shell's crash names and explains them.
var crashKinds = []shell.OptionHelp{
	abi.CrashPanic:          {Name: "panic", About: "a panic by call"},
	abi.CrashBounds:         {Name: "bounds", About: "an index out of range"},
	abi.CrashNil:            {Name: "nil", About: "a nil dereference"},
	abi.CrashDivide:         {Name: "divide", About: "a division by zero"},
	abi.CrashOverflow:       {Name: "overflow", About: "endless recursion"},
	abi.CrashSyscall:        {Name: "syscall", About: "SYSCALL on a core stack"},
	abi.CrashHeap:           {Name: "heap", About: "an allocation in the core"},
	abi.CrashLock:           {Name: "lock", About: "wrong lock order; debug build"},
	abi.CrashHang:           {Name: "hang", About: "a CPU that spins without end, which the watchdog notices"},
	abi.CrashGuard:          {Name: "guard", About: "a store below the kernel stack"},
	abi.CrashText:           {Name: "text", About: "a store to the kernel's text"},
	abi.CrashExec:           {Name: "exec", About: "a jump to data"},
	abi.CrashNested:         {Name: "nested", About: "a panic within the panic"},
	abi.CrashDecoder:        {Name: "decoder", About: "a panic, and a page fault of the decoder of its report"},
	abi.CrashBlock:          {Name: "block", About: "an overwritten per-CPU block; debug build"},
	abi.CrashDeadlock:       {Name: "deadlock", About: "a lock that is never released"},
	abi.CrashFrame:          {Name: "frame", About: "recursion with large frames"},
	abi.CrashIST:            {Name: "ist", About: "a store below the stack of NMIs"},
	abi.CrashDeaf:           {Name: "deaf", About: "a CPU that takes no interrupts, which the watchdog notices"},
	abi.CrashTimer:          {Name: "timer", About: "a CPU whose timer stops, which the watchdog notices"},
	abi.CrashStretch:        {Name: "stretch", About: "interrupts off for too long, in a system call; debug build, stretch=N"},
	abi.CrashStretchWindow:  {Name: "stretch-window", About: "the same between two windows for interrupts"},
	abi.CrashStretchSwitch:  {Name: "stretch-switch", About: "the same with a switch of threads in it"},
	abi.CrashStretchInside:  {Name: "stretch-inside", About: "the same in an interrupt of a window"},
	abi.CrashStretchOutside: {Name: "stretch-outside", About: "the same in an interrupt of code outside the core"},
	abi.CrashFreedPointer:   {Name: "freed-pointer", About: "a pointer in a freed object is followed; debug build"},
	abi.CrashFreedLock:      {Name: "freed-lock", About: "a lock in a freed object is taken; debug build"},
	abi.CrashFreedStore:     {Name: "freed-store", About: "something is stored to a freed object; debug build"},
	abi.CrashFreedTwice:     {Name: "freed-twice", About: "a freed object is freed again; debug build"},
	abi.CrashUndefined:      {Name: "undefined", About: "the instruction UD2"},
	abi.CrashProtection:     {Name: "protection", About: "a load from an address that is not canonical"},
	abi.CrashBreakpoint:     {Name: "breakpoint", About: "the instruction INT3"},
	abi.CrashDouble:         {Name: "double", About: "a double fault"},
	abi.CrashStep:           {Name: "step", About: "a single step, which does no harm"},
	abi.CrashSpurious:       {Name: "spurious", About: "a spurious interrupt, which does no harm"},
	abi.CrashAPIC:           {Name: "apic", About: "an error of the local APIC, which is logged"},
	abi.CrashUnclaimed:      {Name: "unclaimed", About: "an interrupt without an owner, which is ended"},
}

// crashGo is the kind that breaks the Go side: a panic without a recover.
const crashGo = "go"

func (s *system) CrashKinds() []shell.OptionHelp {
	return append(slices.Clone(crashKinds), shell.OptionHelp{Name: crashGo, About: "a panic of a goroutine, which ends the kernel"})
}

// Crash breaks the core. The shell has checked the kind.
func (s *system) Crash(kind string) error {
	if kind == crashGo {
		done := make(chan struct{})
		go func() { panic("crash on request") }()
		<-done
	}
	i := slices.IndexFunc(crashKinds, func(k shell.OptionHelp) bool { return k.Name == kind })
	if i < 0 {
		return fmt.Errorf("no kind of crash %q", kind)
	}
	if kcall.Crash(i) == nil {
		return nil // the effect shows when this CPU is idle
	}
	return fmt.Errorf("the kernel still runs after crash %q", kind)
}
