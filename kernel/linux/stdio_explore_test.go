//go:build explore

package linux

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"muster/kernel/console"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// inputs searches two reads of one byte each, and a third whose place is not the
// program's, where there are three bytes.
func inputs(preemptions int, read func(*File, *percpu.CPU, *Task, *sink) uint64) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := newWorld(3)
		f := w.file(kindInput)
		stdinTurn = turn{}
		stdinTurn.init()
		console.Stdio.ModelInput([]byte{1, 2, 3})
		got := make([]byte, 2)
		var nowhere uint64
		var results [3]uint64
		var programs []func()
		for id := range 3 {
			w.tasks[id].Space = spaceOf(got)
			programs = append(programs, func() {
				to := *wordsAt(&nowhere, 1)
				if id < len(got) {
					to = bytesAt(uintptr(unsafe.Pointer(&got[id])), 1)
				}
				results[id] = read(f, w.cpus[id], w.tasks[id], &sink{to})
			})
		}
		return programs, func() error {
			left := make([]byte, 3)
			left = left[:console.Stdio.Peek(w.cpus[0], left)]
			all := slices.Sorted(slices.Values(slices.Concat(got, left)))
			if results != [3]uint64{1, 1, errno(EFAULT)} || !slices.Equal(all, []byte{1, 2, 3}) {
				return fmt.Errorf("reads got %v, %v is left; results %v", got, left, results)
			}
			return nil
		}
	})
}

// Reads at once get different bytes, and one that fails takes none.
func TestInputReads(t *testing.T) {
	passes(t, inputs(2, func(f *File, c *percpu.CPU, t *Task, to *sink) uint64 {
		_, n := f.readInput(c, t, to)
		return n
	}))
}

// Controls: a read that takes a byte before the copy, as it once was, and one without the
// turn.
func TestInputReadsNotice(t *testing.T) {
	fails(t, inputs(1, func(f *File, c *percpu.CPU, t *Task, to *sink) uint64 {
		stdinTurn.take(c, t, false)
		var b [1]byte
		console.Stdio.Drop(c, console.Stdio.Peek(c, b[:]))
		_, ok := to.put(c, t, unsafe.Pointer(&b), 1)
		stdinTurn.give(c)
		if !ok {
			return errno(EFAULT)
		}
		return 1
	}), `\[\] is left`)
	fails(t, inputs(1, func(f *File, c *percpu.CPU, t *Task, to *sink) uint64 {
		_, n, e := copyInput(c, t, to)
		if e != 0 {
			return errno(e)
		}
		return uint64(n)
	}), "reads got")
}
