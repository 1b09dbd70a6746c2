package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/cpu"
	"muster/kernel/inject"
	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/options"
	"muster/kernel/percpu"
	"muster/kernel/smp"
	"muster/trampoline"
)

// startCPUs starts the CPUs that the firmware lists, as far as the options allow.
func (m *hardware) startCPUs(opts options.Options) {
	switch {
	case !m.features.Has(cpu.APIC):
		klog.Warnf("smp: no local APIC, running on one CPU")
		return
	case m.madt == nil:
		klog.Warnf("smp: no MADT and no MP tables (%v), running on one CPU", m.err)
		return
	}
	var targets []abi.Processor
	for _, c := range m.top.CPUs {
		targets = append(targets, c.Processor)
		mark := ""
		if c.CPU == 0 {
			mark = ", boot CPU"
		}
		klog.Infof("smp: CPU with APIC ID %d, ACPI id %d%s", c.APICID, c.UID, mark)
	}
	if opts.NoSMP {
		klog.Infof("smp: nosmp, running on one CPU; the command smp start N starts another")
		opts.MaxCPUs = 1
	}
	regions := kcall.Slice[abi.Region](m.boot.Regions, m.boot.RegionCount)
	m.startCfg = smp.Config{
		Boot:     m.self,
		Max:      opts.MaxCPUs,
		Page:     smp.ChoosePage(regions, ebda()),
		INITWait: initWait(m.features),
		Scale:    opts.Scale,
		Serial:   opts.Serial,
		Faults:   opts.Faults.AP,
		Spoil:    opts.Faults.Page.Spoil,
	}
	m.starting.Lock()
	defer m.starting.Unlock()
	m.catching = map[int]*catcher{}
	if m.startCfg.Page != 0 && len(targets) > 1 && opts.MaxCPUs != 1 {
		klog.Infof("smp: starting through the page at %#x", m.startCfg.Page)
	}
	r := smp.StartAll(coreCalls{m.boot.DirectMap}, targets, m.startCfg)
	m.marks = r.Marks
	for _, err := range r.Problems {
		klog.Errorf("%v", err)
	}
	m.catch(r.Late)
	if opts.NoSMP {
		return
	}
	if r.Took > 0 {
		klog.Infof("smp: %d of %d CPUs online, %.1f ms after the first INIT", r.Online, r.Wanted, r.Took.Seconds()*1e3)
	} else {
		klog.Infof("smp: %d of %d CPUs online", r.Online, r.Wanted)
	}
	runtime.SetDefaultGOMAXPROCS() // at once; the runtime itself looks every second
}

// catchLimit is how long the kernel waits for a late CPU, times the scale.
const catchLimit = 30 * time.Second

// catcher waits for a CPU that was still starting when the others came online.
type catcher struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// catch begins to wait for late CPUs, and brings each online when it is ready.
//
// Locks: m.starting held; not asserted: a sync.Mutex does not record its holder.
func (m *hardware) catch(late []smp.Late) {
	limit := catchLimit * time.Duration(m.startCfg.Scale)
	for _, l := range late {
		ctx, cancel := context.WithCancel(context.Background())
		c := &catcher{cancel, make(chan struct{})}
		m.catching[l.CPU] = c
		go func() {
			defer close(c.done)
			defer cancel()
			after, err := smp.Catch(ctx, coreCalls{m.boot.DirectMap}, l, m.startCfg, limit)
			switch {
			case errors.Is(err, context.Canceled):
			case err != nil:
				klog.Errorf("%v", err)
			default:
				klog.Infof("smp: cpu %d (APIC ID %d) online late, %.1f ms after the others", l.CPU, l.APICID, after.Seconds()*1e3)
				m.tscs.joined(l.CPU)
				runtime.SetDefaultGOMAXPROCS()
			}
		}()
	}
}

// endCatch ends the wait for a late CPU, because another start of it begins.
//
// Locks: m.starting held; not asserted: a sync.Mutex does not record its holder.
func (m *hardware) endCatch(n int) {
	if c := m.catching[n]; c != nil {
		c.cancel()
		<-c.done
		delete(m.catching, n)
	}
}

// StartCPU starts one CPU that is not online: it was silent, halted during its start, or
// maxcpus or nosmp left it out. The command line's injected faults apply to the first
// start only.
func (m *hardware) StartCPU(n int) error {
	m.starting.Lock()
	defer m.starting.Unlock()
	m.endCatch(n)
	if err := m.prepareCPUs(n); err != nil {
		return err
	}
	c, err := kcall.CPUInfo(n)
	switch {
	case err != nil:
		return fmt.Errorf("there is no CPU %d; cpus lists them", n)
	case c.State == percpu.Online:
		return fmt.Errorf("cpu %d is online already", n)
	}
	cfg := m.startCfg
	cfg.Faults, cfg.Spoil = nil, 0
	r := smp.StartAgain(coreCalls{m.boot.DirectMap}, n, c.APICID, cfg)
	m.catch(r.Late)
	m.marks = append(m.marks, r.Marks...)
	if r.Online == 0 {
		return errors.Join(r.Problems...)
	}
	for _, err := range r.Problems { // errors that the start has overcome
		klog.Warnf("%v", err)
	}
	klog.Infof("smp: cpu %d (APIC ID %d) online, %.1f ms after its INIT", n, c.APICID, r.Took.Seconds()*1e3)
	m.tscs.joined(n)
	if err := irq.Admit(n); err != nil {
		klog.Warnf("smp: cpu %d gets no interrupts of devices: %v", n, err)
	}
	runtime.SetDefaultGOMAXPROCS()
	return nil
}

// prepareCPUs gives memory to the CPUs up to number n that maxcpus or nosmp left out.
// The CPUs below n stay offline, so that each CPU has its number in the topology.
//
// Locks: m.starting held; not asserted: a sync.Mutex does not record its holder.
func (m *hardware) prepareCPUs(n int) error {
	if !slices.ContainsFunc(m.top.CPUs, func(c acpi.Processor) bool { return c.CPU == n }) {
		return nil // there is no such CPU
	}
	for _, c := range m.top.CPUs {
		if _, err := kcall.CPUInfo(c.CPU); err == nil || c.CPU > n {
			continue
		}
		if m.startCfg.Page == 0 {
			return errors.New("no page below 1 MiB for the trampoline, no other CPU can start")
		}
		got, err := coreCalls{m.boot.DirectMap}.PrepareCPU(c.Processor)
		if err != nil {
			return fmt.Errorf("no memory for cpu %d: %w", c.CPU, err)
		}
		if got != c.CPU { // an earlier CPU got no memory
			return fmt.Errorf("cpu %d of the topology got number %d; cpus shows its APIC ID", c.CPU, got)
		}
	}
	return nil
}

// initWait returns the wait between INIT and the SIPI: 10 ms by the manual, none on
// CPUs that need no wait, by Linux's list.
//
// Source: Intel SDM vol. 3A, "Typical BSP Initialization Sequence".
func initWait(f cpu.Features) time.Duration {
	if f.Vendor == cpu.VendorIntel && f.Family >= 6 || f.Vendor == cpu.VendorAMD && f.Family >= 0xf {
		return 0
	}
	return 10 * time.Millisecond
}

// ebda returns the address of the extended BIOS data area, 0 if there is none.
func ebda() uint64 {
	b, err := kcall.MapPhys(0x40e, 2)
	if err != nil {
		return 0
	}
	return (uint64(b[0]) | uint64(b[1])<<8) << 4
}

// coreCalls is the core as package smp sees it.
type coreCalls struct{ directMap uintptr }

func (coreCalls) SetCPULimit(n int) error { return kcall.SetCPULimit(uint32(n)) }

func (coreCalls) PrepareCPU(p abi.Processor) (int, error) {
	return kcall.PrepareCPU(&p)
}

func (coreCalls) UseTrampoline(page uint64, f inject.AP, spoil bool) error {
	kcall.SkewTSC(int64(f.TSC))
	return kcall.UseTrampoline(page, f.Stage, int64(f.Late), spoil)
}

func (coreCalls) SendINIT(apicID uint32) error { return kcall.SendINIT(apicID) }

func (coreCalls) SendStartup(apicID uint32, page uint64) error {
	err := kcall.SendStartup(apicID, page)
	if errors.Is(err, syscall.EIO) {
		return smp.ErrSpoilt
	}
	return err
}

func (coreCalls) State(n int) smp.State {
	c, err := kcall.CPUInfo(n)
	if err != nil {
		return smp.State{}
	}
	return smp.State{State: c.State, Stage: c.Stage, Code: c.Code, Step: c.Step}
}

func (m coreCalls) Slot(page uint64, i int) trampoline.Report {
	b := kcall.Slice[[trampoline.Size]byte](m.directMap+uintptr(page), 1)
	return trampoline.Slot(&b[0], i)
}

func (coreCalls) Proceed(cpus []int, again bool) error {
	list := make([]uint32, len(cpus))
	for i, n := range cpus {
		list[i] = uint32(n)
	}
	missing, err := kcall.Proceed(list, again)
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d of %d CPUs are neither ready nor online", missing, len(cpus))
	}
	return err
}

// Now counts from boot, as the times of the core do.
func (coreCalls) Now() time.Time { return time.Unix(0, kcall.UpTime()) }

// Sleep blocks the thread: the runtime's own timers are too coarse below a
// millisecond.
func (coreCalls) Sleep(d time.Duration) {
	left := syscall.NsecToTimespec(int64(d))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}
