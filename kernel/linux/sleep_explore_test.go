//go:build explore

package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// A sleep on CPU time that a signal ends stores what is left, and goes on to the same time.
// No CPU time passes in this test.
func TestSleepCPUGoesOn(t *testing.T) {
	w := newWorld(2)
	c, task, other := w.cpus[0], w.tasks[0], w.tasks[1]
	percpu.Reset()
	percpu.Register(w.cpus[0]) // other is there, as its zero value says
	sched.ModelQueue(w.cpus[0])
	other.member.Key = 7
	task.proc.tasks.Insert(&other.member)
	id := clockID{kind: kindThreadCPU, dynamic: true, task: 7}
	rest := (*[2]uint64)(unsafe.Pointer(&w.out))
	task.pending.bits.Store(bit(SIGALRM))
	task.Work.Store(workSignal)
	interrupted := func(r uint64) {
		t.Helper()
		require.Equal(t, errno(eRestartBlock), r)
		require.Equal(t, [2]uint64{3, 1}, *rest)
		*rest = [2]uint64{}
	}
	_, r := task.sleepOn(c, id, 0, 3*clock.Second+1, uintptr(unsafe.Pointer(rest)))
	interrupted(r)
	for range 2 {
		_, r = sysRestart(c, task, nil)
		interrupted(r)
	}
	task.again.block.until = 0 // the time has come meanwhile
	_, r = sysRestart(c, task, nil)
	require.Zero(t, r)
	_, r = sysRestart(c, task, nil)
	require.Equal(t, errno(EINTR), r, "nothing to go on with")

	_, r = task.sleepOn(c, id, 0, clock.Second, 8)
	require.Equal(t, errno(EFAULT), r)
}
