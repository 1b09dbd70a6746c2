package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/percpu"
	"muster/kernel/smp"
)

// StopCPU takes a CPU offline, after the interrupts of devices have gone to other CPUs. The kernel's runtime, and
// programs, then see fewer CPUs.
func (m *hardware) StopCPU(n int) error {
	m.starting.Lock()
	defer m.starting.Unlock()
	c, err := kcall.CPUInfo(n)
	switch {
	case err != nil:
		return fmt.Errorf("there is no CPU %d; cpus lists them", n)
	case n == 0:
		return errors.New("cpu 0 is the boot CPU: it has the interrupts of devices, and INIT would make it run the firmware")
	case c.State == percpu.Booting || c.State == percpu.Ready:
		return fmt.Errorf("cpu %d is not online yet, it is starting", n)
	case c.State == percpu.Offline:
		return fmt.Errorf("cpu %d is offline already", n)
	}
	if err := irq.Drain(n); err != nil {
		return fmt.Errorf("cpu %d stays online: %w", n, err)
	}
	if k := kcall.KeepTime(false); int(k.CPU) == n {
		if err := kcall.MoveTimekeeper(0); err != nil {
			return errors.Join(fmt.Errorf("cpu %d stays online, it is the timekeeper: %w", n, err), irq.Admit(n))
		}
		klog.Infof("clock: cpu 0 is the timekeeper")
	}
	took, err := smp.TakeOffline(coreCalls{m.boot.DirectMap}, n, smp.LeaveLimit*time.Duration(max(m.startCfg.Scale, 1)))
	if err != nil {
		if c, e := kcall.CPUInfo(n); e == nil && c.State == percpu.Online {
			err = errors.Join(err, irq.Admit(n))
		}
		return err
	}
	m.tscs.left(n)
	klog.Infof("smp: cpu %d (APIC ID %d) offline after %.1f ms", n, c.APICID, took.Seconds()*1e3)
	runtime.SetDefaultGOMAXPROCS()
	return nil
}

// plug is StartCPU or StopCPU, for the self-test.
func (m *hardware) plug(n int, online bool) error {
	if online {
		return m.StartCPU(n)
	}
	return m.StopCPU(n)
}

func (coreCalls) Leave(n int) error { return kcall.LeaveCPU(n) }
