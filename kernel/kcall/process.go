package kcall

// Processes.

import (
	"syscall"
	"unsafe"

	"muster/kernel/abi"
)

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
