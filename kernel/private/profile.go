package private

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/profile"
)

// Profiles: the core's side of the shell's command.

func startProfile(c *percpu.CPU, _ *linux.Task, cpu int, rate uint32) (*percpu.CPU, uint64) {
	to := percpu.Find(cpu)
	switch {
	case to == nil, rate < 1, rate > abi.SampleRate:
		return c, linux.Fail(linux.EINVAL)
	case !to.IsOnline():
		return c, linux.Fail(linux.ENODEV)
	}
	switch profile.Start(c, to, rate) {
	case profile.Busy:
		return c, linux.Fail(linux.EBUSY)
	case profile.NoMemory:
		return c, linux.Fail(linux.ENOMEM)
	}
	return c, 0
}

func stopProfile(c *percpu.CPU, _ *linux.Task) (*percpu.CPU, uint64) {
	if !profile.Stop() {
		return c, linux.Fail(linux.EAGAIN)
	}
	return c, 0
}

// maxSamplesRead bounds the samples of one call, which interrupts wait for.
const maxSamplesRead = 16

func readProfile(c *percpu.CPU, t *linux.Task, cpu int, samples uintptr, n uint64) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	if o.Profile.Load() == 0 {
		return c, 0
	}
	if !profile.Begin(o) {
		return c, linux.Fail(linux.EBUSY)
	}
	done, result := uint64(0), uint64(0)
	for ; done < min(n, maxSamplesRead); done++ {
		s := profile.Next(o)
		if s == nil {
			break
		}
		if !t.Space.CopyOut(c, samples+uintptr(done)*unsafe.Sizeof(*s), unsafe.Pointer(s), unsafe.Sizeof(*s)) {
			result = linux.Fail(linux.EFAULT)
			break
		}
		profile.Drop(o)
	}
	profile.End(o)
	if result == 0 {
		result = done
	}
	return c, result
}

func profileCounts(c *percpu.CPU, t *linux.Task, cpu int, counts uintptr) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	out := profile.Counts(o)
	return c, copyOut(c, t, counts, &out, 0)
}
