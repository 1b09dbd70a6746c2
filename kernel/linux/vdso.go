package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// vdsoImage is the kernel's address of the page with the vDSO's ELF image, 0 for none.
var vdsoImage uintptr

// SetVDSO makes the n bytes at image the ELF image that programs get after the page of time
// data. See abi.Calls.
//
// Context: once, before the first program.
func SetVDSO(c *percpu.CPU, t *Task, image uintptr, n uint64) (*percpu.CPU, uint64) {
	if n == 0 || n > layout.PageSize {
		return c, errno(EINVAL)
	}
	if vdsoImage != 0 {
		return c, errno(EEXIST)
	}
	va := mem.AllocMapped(c, layout.PageSize, layout.PageSize)
	if !t.Space.CopyIn(c, unsafe.Pointer(va), image, uintptr(n)) {
		return c, errno(EFAULT)
	}
	vdsoImage = va
	return c, 0
}

// MapVDSO lends a process the page of time data, to read, and the image after it, to read
// and to execute. See abi.Calls.
//
// Context: before the process starts.
func MapVDSO(c *percpu.CPU, _ *Task, process uintptr, addr uint64) (*percpu.CPU, uint64) {
	s := processOf(process).Space
	start, end, ok := pageRange(addr, 2*layout.PageSize)
	switch {
	case vdsoImage == 0:
		return c, errno(ENOENT)
	case !ok || addr&pageMask != 0 || !s.Available(c, start, end):
		return c, errno(EINVAL)
	case !s.Lend(c, start, mem.ProtRead, layout.ClockPage) ||
		!s.Lend(c, start+layout.PageSize, mem.ProtRead|mem.ProtExec, vdsoImage):
		return c, errno(ENOMEM)
	}
	return c, 0
}
