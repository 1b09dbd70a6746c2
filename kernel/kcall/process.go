package kcall

import "muster/kernel/abi"

// Processes.

// Process is a program that is prepared or runs.
type Process struct {
	handle uintptr
	ID     int
}

// NewProcess makes an empty process, whose standard files are a terminal of package abi, or with 0
// the whole console.
func NewProcess(name string, terminal int) (*Process, error) {
	h, err := newProcess(name, terminal)
	if err != nil {
		return nil, err
	}
	return &Process{handle: h}, nil
}

// Drop frees a process that was not started.
func (p *Process) Drop() error { return dropProcess(p.handle) }

// Map makes an area of n bytes at addr with rights prot, bits of syscall.PROT_*.
func (p *Process) Map(addr, n uint64, prot int) error { return mapProcess(p.handle, addr, n, prot) }

// Write copies b to addr, with or without the right to write there. b may lie
// anywhere, in the direct map too: the copy goes through the heap, which system
// calls may read.
func (p *Process) Write(addr uint64, b []byte) error {
	page := make([]byte, 4096)
	for len(b) > 0 {
		n, err := writeProcess(p.handle, addr, page[:copy(page, b)])
		if err != nil {
			return err
		}
		addr += uint64(n)
		b = b[n:]
	}
	return nil
}

// Start starts the first thread, with a standing.
func (p *Process) Start(ip, sp uint64, standing abi.Standing) (err error) {
	p.ID, err = startProcess(p.handle, ip, sp, &standing)
	return err
}

// Signal sends a signal. ESRCH: Wait has returned.
func (p *Process) Signal(signal int) error { return SignalProgram(p.ID, signal) }

// Wait waits for the end and returns the status. The process is freed then.
func (p *Process) Wait() int {
	for {
		if status, err := waitProcess(p.handle); err == nil {
			return status
		}
	}
}

// MapVDSO lends the process the page of time data at addr, and the vDSO's image in the page after it.
func (p *Process) MapVDSO(addr uint64) error { return mapVDSO(p.handle, addr) }
