//go:build explore

package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// transferProgram is the memory of a program that transfers much at once.
var transferProgram struct {
	pieces [maxIovecs]iovec
	bytes  [2<<20 + 4096]byte
}

// One call transfers no more than Linux does: of one piece, and of many that have more.
func TestTransferBound(t *testing.T) {
	const linux = 0x7ffff000
	require.EqualValues(t, linux, maxTransfer)
	require.EqualValues(t, 7, bytesAt(0, 7).left)
	require.EqualValues(t, linux, bytesAt(0, 1<<62).left)

	program := &transferProgram // not on the test's stack, which moves when it grows
	for i := range program.pieces {
		program.pieces[i] = iovec{uint64(uintptr(unsafe.Pointer(&program.bytes))), uint64(len(program.bytes))}
	}
	low := uintptr(unsafe.Pointer(program))
	task := &Task{proc: &Process{}}
	task.Space = mem.ModelSpace(low, low+unsafe.Sizeof(*program))
	c := &percpu.CPU{Current: uintptr(unsafe.Pointer(task))}
	all := func() source {
		_, s, e := piecesAt(c, task, low, maxIovecs)
		require.Zero(t, e)
		return s
	}
	var buf [4096]byte
	from, n := all(), 0
	for !from.done() {
		n += from.fill(c, task, buf[:])
	}
	require.Zero(t, from.err)
	require.EqualValues(t, linux, n, "a write without a count of its own, as to the console")

	to, n := sink{all()}, 0
	for ok := true; ; n += len(buf) {
		if _, ok = to.put(c, task, unsafe.Pointer(&buf), uint64(len(buf))); !ok {
			break
		}
	}
	require.Zero(t, to.err)
	require.EqualValues(t, linux, n, "a read")

	program.pieces[0].length = 1 << 63
	_, _, e := piecesAt(c, task, low, maxIovecs)
	require.Equal(t, EINVAL, e)
}

// A vector that cannot be read is the last error to be found, as on Linux.
func TestErrorsBeforeTheVector(t *testing.T) {
	w := newWorld(1)
	c, task := w.cpus[0], w.tasks[0]
	ft := &task.proc.files
	ft.mu.Rank, ft.pages = newTestTable().mu.Rank, newTestTable().pages
	for _, kind := range []fileKind{kindPipeRead, kindPipeWrite, kindEpoll, kindEvent} {
		_, e := ft.install(c, w.file(kind), 0, false)
		require.Zero(t, e)
	}
	for fd, want := range [][2]Errno{{EFAULT, EBADF}, {EBADF, EFAULT}, {EINVAL, EINVAL}, {EFAULT, EFAULT}, {EBADF, EBADF}} {
		for i, call := range []Handler{sysReadv, sysWritev} {
			_, r := call(c, task, &cpu.Frame{DI: uint64(fd), SI: 1, DX: 1})
			require.Equal(t, errno(want[i]), r, "descriptor %d, call %d", fd, i)
		}
	}
}
