// Package private is the core's side of the private system calls that belong to no
// other package: the log, information about CPUs, memory and interrupts, and the
// end of the machine.
//
// Layer: core.
// Context: on the calling thread's kernel stack, interrupts off, no lock held. A function
// that may switch threads returns the CPU on which the thread goes on.
// Locks: none of its own.
// Chapter: docs/10-system-calls.md.
package private

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cross"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// boot is the boot information, for bootInfo.
var boot *abi.Boot

// Install makes package linux dispatch the private calls. info is the boot
// information; the caller may fill it in later.
//
// Context: boot CPU, before the runtime starts.
func Install(info *abi.Boot) {
	boot = info
	linux.HandlePrivate(abi.First, calls[:])
	cross.Handle(abi.CallKeep, func(*percpu.CPU, uint64) { clock.Keep() })
	cross.Handle(abi.CallWarp, onWarp)
}

// copyOut copies a structure of the core to the caller, and returns the call's result: r,
// or EFAULT.
func copyOut[T any](c *percpu.CPU, t *linux.Task, out uintptr, v *T, r uint64) uint64 {
	if !t.Space.CopyOut(c, out, unsafe.Pointer(v), unsafe.Sizeof(*v)) {
		return linux.Fail(linux.EFAULT)
	}
	return r
}

// maxLogLine is the longest line that a call logs.
const maxLogLine = 400

func writeLog(c *percpu.CPU, t *linux.Task, level int, text uintptr, n uint64) (*percpu.CPU, uint64) {
	var line [maxLogLine]byte
	n = min(n, maxLogLine)
	if !t.Space.CopyIn(c, unsafe.Pointer(&line), text, uintptr(n)) {
		return c, linux.Fail(linux.EFAULT)
	}
	console.Log(c, console.Level(level), line[:n])
	return c, n
}

func readLog(c *percpu.CPU, t *linux.Task, position uint64, text uintptr, room uint64, head uintptr) (*percpu.CPU, uint64) {
	var line [1024]byte
	var e console.Entry
	next, n, ok := console.ReadLog(c, position, &e, line[:min(room, uint64(len(line)))])
	if !ok {
		return c, linux.Fail(linux.EAGAIN)
	}
	if !t.Space.CopyOut(c, text, unsafe.Pointer(&line), uintptr(n)) {
		return c, linux.Fail(linux.EFAULT)
	}
	out := abi.LogEntry{TimeNS: int64(e.Time), Length: uint32(n), CPU: e.CPU, Level: uint32(e.Level)}
	return c, copyOut(c, t, head, &out, next)
}

func consoleRead(c *percpu.CPU, t *linux.Task, p uintptr, room uint64) (*percpu.CPU, uint64) {
	var buf [256]byte
	n := console.Read(c, buf[:min(room, uint64(len(buf)))])
	if !t.Space.CopyOut(c, p, unsafe.Pointer(&buf), uintptr(n)) {
		return c, linux.Fail(linux.EFAULT)
	}
	return c, uint64(n)
}

func pollConsole(c *percpu.CPU, _ *linux.Task) (*percpu.CPU, uint64) {
	console.Poll(c)
	return c, 0
}

func addConsolePort(c *percpu.CPU, _ *linux.Task, addr uintptr, stride int, set bool) (*percpu.CPU, uint64) {
	if stride != 0 && stride != 1 && stride != 4 || stride == 0 && (addr == 0 || addr > 0xfff8) || stride != 0 && addr == 0 {
		return c, linux.Fail(linux.EINVAL)
	}
	switch console.AddPort(c, console.Place{Addr: addr, Stride: uintptr(stride)}, set) {
	case console.Known:
		return c, linux.Fail(linux.EEXIST)
	case console.Silent:
		return c, linux.Fail(linux.ENODEV)
	case console.TooMany:
		return c, linux.Fail(linux.EBUSY)
	case console.AddedOne:
		return c, 1
	}
	return c, 0
}

func consolePorts(c *percpu.CPU, t *linux.Task, info uintptr) (*percpu.CPU, uint64) {
	at, ok, n := console.Ports(c)
	if !ok {
		return c, linux.Fail(linux.ENODEV)
	}
	out := abi.Ports{Addr: at.Addr, Mirrors: uint32(n)}
	if at.Stride != 0 {
		out.Memory = 1
	}
	return c, copyOut(c, t, info, &out, 0)
}

func serialPort(c *percpu.CPU, t *linux.Task, port int, info uintptr) (*percpu.CPU, uint64) {
	out, n, ok := abi.SerialPort{}, console.Counts{}, false
	switch port {
	case abi.PortStdio:
		out.Addr, n, ok = console.Stdio.Counts(c)
	case abi.PortControl:
		out.Addr, n, ok = console.Control.Counts(c)
	case abi.PortConsole:
		var at console.Place
		if at, ok, _ = console.Ports(c); ok {
			out.Addr, n = at.Addr, console.ConsoleCounts(c)
		}
		if at.Stride != 0 {
			out.Memory = 1
		}
	default:
		return c, linux.Fail(linux.EINVAL)
	}
	if !ok {
		return c, linux.Fail(linux.ENODEV)
	}
	out.Received, out.Overruns, out.Dropped = n.Received, n.Overruns, n.Dropped
	return c, copyOut(c, t, info, &out, 0)
}

// openPort opens a serial port for programs.
func openPort(c *percpu.CPU, _ *linux.Task, port int, base uint64) (*percpu.CPU, uint64) {
	p := &console.Stdio
	switch {
	case base == 0 || base > 0xfff8:
		return c, linux.Fail(linux.EINVAL)
	case port == abi.PortControl:
		p = &console.Control
	case port != abi.PortStdio:
		return c, linux.Fail(linux.EINVAL)
	}
	if !p.Open(uint16(base)) {
		return c, linux.Fail(linux.ENODEV)
	}
	return c, 0
}

// controlRead returns words of the control port. One goroutine of the kernel reads them.
func controlRead(c *percpu.CPU, t *linux.Task, p uintptr, room uint64) (*percpu.CPU, uint64) {
	var buf [256]byte
	n := console.Control.Peek(c, buf[:min(room, uint64(len(buf)))])
	if !t.Space.CopyOut(c, p, unsafe.Pointer(&buf), uintptr(n)) {
		return c, linux.Fail(linux.EFAULT)
	}
	console.Control.Drop(c, n)
	return c, uint64(n)
}

func bootInfo(c *percpu.CPU, t *linux.Task, out uintptr) (*percpu.CPU, uint64) {
	return c, copyOut(c, t, out, boot, 0)
}

// allocPage allocates a page for a device.
func allocPage(c *percpu.CPU, _ *linux.Task) (*percpu.CPU, uint64) {
	p, ok := mem.AllocUser(c) // the reserve is not for devices
	if !ok {
		return c, linux.Fail(linux.ENOMEM)
	}
	return c, uint64(p)
}

// mapPhys maps in chunks, and lets other threads run between them.
func mapPhys(c *percpu.CPU, _ *linux.Task, addr, bytes uint64, device bool) (*percpu.CPU, uint64) {
	const limit = 64 << 20
	if bytes == 0 || bytes > limit || addr >= 1<<46 {
		return c, linux.Fail(linux.EINVAL)
	}
	kind := mem.ReadOnly
	if device {
		kind = mem.Device
	}
	p, n := mem.PhysAddr(addr), uintptr(bytes)
	va := mem.ReserveMap(c, p, n)
	for off := uintptr(0); off < n; {
		k := min(n-off, mem.MapChunk-(va+off)%layout.PageSize) // whole pages except at the ends
		mem.FillMap(c, va+off, p+mem.PhysAddr(off), k, kind)
		off += k
		c = sched.Breathe(c)
	}
	return c, uint64(va)
}
