package main

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/vdso"
)

// makeVDSO makes the image of the functions by which programs read the clock, before the first
// program starts. Without it they make system calls.
func (m *hardware) makeVDSO() {
	code := kcall.Slice[byte](clock.VDSOCode(m.features.Has(cpu.RDTSCP)), clock.VDSOBytes)
	image, err := vdso.Image(code, clock.VDSOText, []vdso.Func{
		{Name: "__vdso_clock_gettime", Offset: clock.VDSOGettime},
		{Name: "__vdso_gettimeofday", Offset: clock.VDSOTimeOfDay},
		{Name: "__vdso_time", Offset: clock.VDSOTime},
		{Name: "__vdso_getcpu", Offset: clock.VDSOGetCPU},
	})
	if err == nil {
		err = kcall.SetVDSO(image)
	}
	if err != nil {
		klog.Errorf("clock: no vDSO, programs read the clock by system calls: %v", err)
	}
}
