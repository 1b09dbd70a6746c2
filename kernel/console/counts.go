package console

import "muster/kernel/percpu"

// Counts is what a serial port has received, and what was lost.
type Counts struct {
	Received uint64 // bytes
	Overruns uint64 // times at which the UART said that bytes were lost, because its FIFO was full
	Dropped  uint64 // bytes that the kernel's ring had no room for
}

// ConsoleCounts returns the counts of the console's port.
func ConsoleCounts(c *percpu.CPU) Counts {
	mu.Lock(c)
	n := counts
	mu.Unlock(c)
	return n
}

// Counts returns the address and the counts of a port of programs, and whether it is open.
func (p *Port) Counts(c *percpu.CPU) (at uintptr, n Counts, open bool) {
	if !p.IsOpen() {
		return 0, Counts{}, false
	}
	p.mu.Lock(c)
	n = p.counts
	p.mu.Unlock(c)
	return uintptr(p.base), n, true
}
