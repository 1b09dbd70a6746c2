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
	"muster/kernel/crash"
	"muster/kernel/cross"
	"muster/kernel/ipi"
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

// SetCPULimit makes room for n CPUs. It works once.
func SetCPULimit(n int) error {
	_, err := quick(abi.SetCPULimit, uintptr(n), 0, 0, 0)
	return err
}

// PrepareCPU makes what a CPU needs before it starts and returns its number. Its
// local interrupt pins will be programmed as for SetNMI.
func PrepareCPU(apicID, acpiID, pins uint32) (cpu int, err error) {
	n, err := quick(abi.PrepareCPU, uintptr(apicID), uintptr(acpiID), uintptr(pins), 0)
	return int(n), err
}

// UseTrampoline builds the trampoline in a page below 1 MiB; 0 ends its use, and
// the page holds again what it held. CPUs that come halt at stage stopAt, if that
// is not 0, and take late longer than they need: for tests.
func UseTrampoline(page uint64, stopAt uint32, late time.Duration) error {
	_, err := quick(abi.Trampoline, uintptr(page), uintptr(stopAt), uintptr(late), 0)
	return err
}

// StageTimes returns when a CPU reached each stage of its start, in ns since boot,
// 0 where nobody knows.
func StageTimes(cpu int) (*[16]int64, error) {
	at := new([16]int64)
	_, err := quick(abi.StageTimes, uintptr(cpu), uintptr(unsafe.Pointer(at)), 0, 0)
	return at, err
}

// AllCPUs stands for all CPUs in Call.
const AllCPUs = -1

// Functions for Call.
const (
	CallNop      = uint64(cross.Nop)
	CallCount    = uint64(cross.Count)
	CallSequence = uint64(cross.Sequence)
	callControls = uint64(cross.Controls)
	callGuards   = uint64(cross.Guards)
)

// Call runs a core function on a CPU that runs, or on all, and returns which CPU
// made the call. The error is ETIMEDOUT if one did not answer; the log names it.
func Call(n int, function, word uint64) (from int, err error) {
	caller, err := quick(abi.CrossCall, uintptr(n), uintptr(function), uintptr(word), 0)
	return int(caller), err
}

// CallCounted returns the sum of the words of all CallCounts that a CPU has run.
func CallCounted(cpu int) uint64 {
	n, _ := quick(abi.CrossCount, uintptr(cpu), 0, 0, 0)
	return uint64(n)
}

// IPIFaults makes each so-many-th message between CPUs be lost or doubled, and
// each late: for tests.
func IPIFaults(drop, dup uint64, delay time.Duration) {
	quick(abi.IPIFaults, uintptr(drop), uintptr(dup), uintptr(delay), 0)
}

// IPIRules chooses physical destinations for messages to many CPUs, and how much of a
// CPU's time, in percent, others' calls may take.
func IPIRules(physical bool, share int) error {
	p := uintptr(0)
	if physical {
		p = 1
	}
	_, err := quick(abi.IPIRules, p, uintptr(share), 0, 0)
	return err
}

// AuditCount returns how often a class of privileged operations was executed. ok is
// false when that is not counted: it is in debug builds.
func AuditCount(class cpu.Class) (n uint64, ok bool) {
	v, err := quick(abi.AuditRead, uintptr(class), 0, 0, 0)
	return uint64(v), err == nil
}

// IPICount returns how often something has happened to messages of a kind on a CPU.
func IPICount(cpu int, k ipi.Kind, n ipi.Counter) uint64 {
	v, err := quick(abi.IPICount, uintptr(cpu), uintptr(k), uintptr(n), 0)
	if err != nil {
		return 0
	}
	return uint64(v)
}

// Anywhere, for Pin, ends it.
const Anywhere = -1

// Pin makes the calling thread run on one CPU alone. The caller has locked its
// goroutine to the thread.
func Pin(cpu int) error {
	_, err := blocking(abi.Pin, uintptr(cpu), 0, 0, 0)
	return err
}

// Backtrace asks another CPU by NMI where it is.
func Backtrace(cpu int) (*crash.Trace, error) {
	t := new(crash.Trace)
	_, err := quick(abi.Backtrace, uintptr(cpu), uintptr(unsafe.Pointer(t)), 0, 0)
	return t, err
}

// Protections is what a CPU said of its protections: error codes of page faults, with
// bit 63 set, or 0 where there was none; and control registers.
type Protections struct {
	FetchOff, FetchOn uint64 // a fetch from a user page, without SMEP and with
	LoadOff, LoadOn   uint64 // a load from a user page, without SMAP and with
	FetchData         uint64 // a fetch from data
	StoreText         uint64 // a store to text
	CR0, CR4, XCR0    uint64
	EFER, PAT, Star   uint64
	LStar, FMask      uint64
	Spec, APICBase    uint64 // IA32_SPEC_CTRL; IA32_APIC_BASE without the boot CPU's bit
}

var _ [16 * 8]byte = [unsafe.Sizeof(Protections{})]byte{}

// TryProtections has a CPU try its protections and read its control registers.
func TryProtections(cpu int) (*Protections, error) {
	for _, f := range [2]uint64{callGuards, callControls} {
		if _, err := Call(cpu, f, 0); err != nil {
			return nil, err
		}
	}
	p := new(Protections)
	_, err := quick(abi.Protections, uintptr(cpu), uintptr(unsafe.Pointer(p)), 0, 0)
	return p, err
}

// BeginSequences makes room for the numbers of CallSequence.
func BeginSequences() error {
	_, err := blocking(abi.Sequences, abi.SequenceBegin, 0, 0, 0)
	return err
}

// LastSequence returns the last number that a CPU had from a caller.
func LastSequence(cpu, caller int) uint32 {
	n, _ := quick(abi.Sequences, abi.SequenceLast, uintptr(cpu), uintptr(caller), 0)
	return uint32(n)
}

// EndSequences frees the room and returns how many calls came out of order.
func EndSequences() uint64 {
	n, _ := blocking(abi.Sequences, abi.SequenceEnd, 0, 0, 0)
	return uint64(n)
}

// SendINIT resets the CPU with an APIC id.
func SendINIT(apicID uint32) error {
	_, err := quick(abi.SendINIT, uintptr(apicID), 0, 0, 0)
	return err
}

// SendStartup starts a CPU that was reset, at a page below 1 MiB.
func SendStartup(apicID uint32, page uint64) error {
	_, err := quick(abi.SendStartup, uintptr(apicID), uintptr(page), 0, 0)
	return err
}

// Proceed lets a CPU that is online take part.
func Proceed(cpu int) error {
	_, err := quick(abi.Proceed, uintptr(cpu), 0, 0, 0)
	return err
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

// Process is a program that is being made or runs.
type Process struct {
	handle uintptr
	ID     int
}

// NewProcess makes an empty process.
func NewProcess(name string) (*Process, error) {
	b := []byte(name)
	h, err := quick(abi.NewProcess, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, 0)
	if err != nil {
		return nil, err
	}
	return &Process{handle: h}, nil
}

// Drop frees a process that was not started.
func (p *Process) Drop() { blocking(abi.DropProcess, p.handle, 0, 0, 0) }

// Map makes an area of n bytes at addr with rights prot, bits of syscall.PROT_*.
func (p *Process) Map(addr, n uint64, prot int) error {
	_, err := quick(abi.MapProcess, p.handle, uintptr(addr), uintptr(n), uintptr(prot))
	return err
}

// Write copies b to addr, whatever rights the area there has. b may lie anywhere,
// in the direct map too: it goes through the heap, where system calls may look.
func (p *Process) Write(addr uint64, b []byte) error {
	page := make([]byte, 4096)
	for len(b) > 0 {
		k := copy(page, b)
		n, err := quick(abi.WriteProcess, p.handle, uintptr(addr), uintptr(unsafe.Pointer(unsafe.SliceData(page))), uintptr(k))
		if err != nil {
			return err
		}
		addr += uint64(n)
		b = b[n:]
	}
	return nil
}

// Start starts the first thread.
func (p *Process) Start(ip, sp uint64) error {
	id, err := quick(abi.StartProcess, p.handle, uintptr(ip), uintptr(sp), 0)
	p.ID = int(id)
	return err
}

// Wait waits for the end and returns the status. The process is gone then.
func (p *Process) Wait() int {
	for {
		status, err := blocking(abi.WaitProcess, p.handle, 0, 0, 0)
		if err == nil {
			return int(status)
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(sig syscall.Signal) error {
	_, err := quick(abi.KillProcess, p.handle, uintptr(sig), 0, 0)
	return err
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
