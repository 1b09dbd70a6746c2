// Package kcall has a Go function for each private system call: the way from the
// kernel's own Go code into the core.
//
// Layer: service.
// Context: any goroutine. Calls that may block go through syscall.Syscall, so
// that the runtime can stop the world meanwhile; RawSyscall would hold it up.
// Locks: none.
// Chapter: docs/10-system-calls.md.
package kcall

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cpu"
)

// quick makes a call that does not block. Pointers among the arguments are
// converted in the argument list: with the directive they stay where they are.
//
//go:uintptrescapes
func quick(n int, a, b, c, d uintptr) (uintptr, error) {
	r, _, e := syscall.RawSyscall6(uintptr(n), a, b, c, d, 0, 0)
	return r, asError(e)
}

// blocking makes a call that may block or take long.
//
//go:uintptrescapes
func blocking(n int, a, b, c, d uintptr) (uintptr, error) {
	r, _, e := syscall.Syscall6(uintptr(n), a, b, c, d, 0, 0)
	return r, asError(e)
}

func asError(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// Log writes one line to the kernel log.
func Log(level int, text string) {
	b := []byte(text)
	quick(abi.Log, uintptr(level), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0)
}

// LogEntry is one line of the kernel log.
type LogEntry struct {
	Time  time.Duration
	CPU   uint32
	Level uint32
	Text  string
}

// ReadLog returns the log, oldest line first.
func ReadLog() (entries []LogEntry) {
	text := make([]byte, 1024)
	for pos := uintptr(0); ; {
		e := new(abi.LogEntry)
		next, err := quick(abi.ReadLog, pos, uintptr(unsafe.Pointer(e)), uintptr(unsafe.Pointer(unsafe.SliceData(text))), uintptr(len(text)))
		if err != nil {
			return entries
		}
		entries = append(entries, LogEntry{time.Duration(e.TimeNS), e.CPU, e.Level, string(text[:e.Length])})
		pos = next
	}
}

// SetLogLevel sets the level below which lines are printed.
func SetLogLevel(level int) { quick(abi.SetLogLevel, uintptr(level), 0, 0, 0) }

// Finish ends the machine: with status abi.Reset it starts again, else it goes off,
// and an emulator's caller gets the low 8 bits. The core stops the other CPUs and
// takes the steps; if they do nothing it has ways of its own. It does not return
// but with an error of the arguments.
func Finish(status int, steps []abi.Step) error {
	_, err := quick(abi.Finish, uintptr(status), uintptr(unsafe.Pointer(unsafe.SliceData(steps))), uintptr(len(steps)), 0)
	return err
}

// BootInfo returns what the loader said.
func BootInfo() *abi.Boot {
	b := new(abi.Boot)
	quick(abi.BootInfo, uintptr(unsafe.Pointer(b)), 0, 0, 0)
	return b
}

// Slice returns n values at an address that the core gave.
func Slice[T any](addr, n uintptr) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(addr)), n)
}

// MapPhys maps n bytes of physical memory from addr on, read-only, for good.
func MapPhys(addr uint64, n int) ([]byte, error) {
	va, err := quick(abi.MapPhys, uintptr(addr), uintptr(n), 0, 0)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes at %#x: %w", n, addr, err)
	}
	return Slice[byte](va, uintptr(n)), nil
}

// MapDevice maps n bytes of device registers from addr on, for good, and returns
// their address.
func MapDevice(addr uint64, n int) (uintptr, error) {
	va, err := quick(abi.MapPhys, uintptr(addr), uintptr(n), 1, 0)
	if err != nil {
		return 0, fmt.Errorf("map %d bytes of registers at %#x: %w", n, addr, err)
	}
	return va, nil
}

// AddIOAPIC takes an I/O APIC into use, all inputs masked, and returns how many
// it has.
func AddIOAPIC(id uint8, addr uint64, gsiBase uint32) (inputs int, err error) {
	n, err := quick(abi.AddIOAPIC, uintptr(id), uintptr(addr), uintptr(gsiBase), 0)
	return int(n), err
}

// BindIRQ routes a global system interrupt to the core's action and an eventfd.
func BindIRQ(gsi uint32, flags, action, eventfd int) (vector int, err error) {
	v, err := quick(abi.BindIRQ, uintptr(gsi), uintptr(flags), uintptr(action), uintptr(eventfd))
	return int(v), err
}

// SetNMI programs the calling CPU's local interrupt pins, as abi.NMIPin has it.
func SetNMI(pins uint32) error {
	_, err := quick(abi.SetNMI, uintptr(pins), 0, 0, 0)
	return err
}

// UnmaskIRQ admits a level-triggered line again, whose device was served.
func UnmaskIRQ(gsi uint32) error {
	_, err := quick(abi.UnmaskIRQ, uintptr(gsi), 0, 0, 0)
	return err
}

// ConsoleRead takes what was received on the serial port.
func ConsoleRead(p []byte) int {
	n, _ := quick(abi.ConsoleRead, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0)
	return int(n)
}

// AuditCount returns how often a class of privileged operations was executed. ok is
// false when that is not counted: it is in debug builds.
func AuditCount(class cpu.Class) (n uint64, ok bool) {
	v, err := quick(abi.AuditRead, uintptr(class), 0, 0, 0)
	return uint64(v), err == nil
}

// CPUInfo tells of one CPU. The error is EINVAL behind the last.
func CPUInfo(cpu int) (*abi.CPU, error) {
	c := new(abi.CPU)
	_, err := quick(abi.CPUInfo, uintptr(cpu), uintptr(unsafe.Pointer(c)), 0, 0)
	return c, err
}

// Threads returns all threads by id.
func Threads() (all []abi.Thread) {
	for id := uintptr(0); ; {
		t := new(abi.Thread)
		next, err := quick(abi.ThreadInfo, id, uintptr(unsafe.Pointer(t)), 0, 0)
		if err != nil {
			return all
		}
		all = append(all, *t)
		id = next + 1
	}
}

// IRQCount returns how often a vector has interrupted a CPU.
func IRQCount(cpu, vector int) uint64 {
	n, err := quick(abi.IRQInfo, uintptr(cpu), uintptr(vector), 0, 0)
	if err != nil {
		return 0
	}
	return uint64(n)
}

// MemInfo returns the state of memory.
func MemInfo() *abi.Mem {
	m := new(abi.Mem)
	quick(abi.MemInfo, uintptr(unsafe.Pointer(m)), 0, 0, 0)
	return m
}

// Crash breaks the core on purpose. It returns nil for a kind that shows later.
func Crash(kind int) error {
	_, err := quick(abi.Crash, uintptr(kind), 0, 0, 0)
	return err
}

// Kinds of SelfTest.
const (
	TestYield = abi.TestYield
	TestIPI   = abi.TestIPI
)

// SelfTest runs a test inside the core and reports whether it went well.
func SelfTest(kind int) bool {
	_, err := quick(abi.SelfTest, uintptr(kind), 0, 0, 0)
	return err == nil
}

// Measure does an operation of the core n times, up to 100, and returns how long it
// took in all, without its surroundings.
func Measure(kind, n int) (time.Duration, error) {
	ns, err := quick(abi.Measure, uintptr(kind), uintptr(n), 0, 0)
	return time.Duration(ns), err
}

// Trace returns up to n of the last events of a CPU, newest first.
func Trace(cpu, n int) (records []abi.TraceRecord) {
	for i := range n {
		r := new(abi.TraceRecord)
		if _, err := quick(abi.TraceRead, uintptr(cpu), uintptr(i), uintptr(unsafe.Pointer(r)), 0); err != nil {
			break
		}
		records = append(records, *r)
	}
	return records
}

// UpTime returns the nanoseconds since the kernel's first instruction.
func UpTime() int64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}
