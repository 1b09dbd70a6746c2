package linux

import (
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// sysSchedGetaffinity returns the CPUs that are online, in whole words: any task may
// run on all of them.
func sysSchedGetaffinity(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	n := percpu.Count()
	bytes := (uint64(n) + 63) / 64 * 8
	size := uintArg(f.SI)
	if size*8 < uint64(n) || size&7 != 0 {
		return c, errno(EINVAL)
	}
	if !isTask(c, t, int32(f.DI)) {
		return c, errno(ESRCH)
	}
	bytes = min(bytes, size)
	for first := uint64(0); first < bytes*8; first += 64 {
		if !t.Space.Store64(c, uintptr(f.DX)+uintptr(first/8), onlineWord(uint32(first))) {
			return c, errno(EFAULT)
		}
	}
	return c, bytes
}

// sysSchedSetaffinity accepts a set that has all CPUs that are online, which changes
// nothing. A task cannot be kept from some of them: that is not there yet, and ENOSYS
// says so.
func sysSchedSetaffinity(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	n, size := uint64(percpu.Count()), uintArg(f.SI)
	all, some := true, false
	for first := uint64(0); first < n; first += 64 {
		want := uint64(0)
		if k := min(size-min(size, first/8), 8); k > 0 && !t.Space.CopyIn(c, ptrTo(&want), uintptr(f.DX+first/8), uintptr(k)) {
			return c, errno(EFAULT)
		}
		online := onlineWord(uint32(first))
		all = all && want&online == online
		some = some || want&online != 0
	}
	switch {
	case !isTask(c, t, int32(f.DI)):
		return c, errno(ESRCH)
	case !some:
		return c, errno(EINVAL)
	case !all:
		return c, errno(ENOSYS)
	}
	return c, 0
}

// onlineWord returns which of 64 CPUs are online.
func onlineWord(first uint32) (word uint64) {
	for id := first; id < min(first+64, percpu.Count()); id++ {
		if percpu.Get(id).IsOnline() {
			word |= 1 << (id - first)
		}
	}
	return word
}

// isTask reports whether there is a task with an id; 0 is the caller.
func isTask(c *percpu.CPU, t *Task, id int32) bool {
	if id == 0 || uint32(id) == t.ID {
		return true
	}
	tasks.mu.Lock(c)
	found := id > 0 && findTask(c, uint32(id)) != nil
	tasks.mu.Unlock(c)
	return found
}
