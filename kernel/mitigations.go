package main

import (
	"strings"

	"muster/kernel/cpu"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/percpu"
	"muster/kernel/shell"
)

// logMitigations logs which mitigations are on, on every CPU, and why the others
// are not; and which CPUs differ from the boot CPU.
//
// full is the option mitigations=full.
func logMitigations(full bool) {
	first, err := kcall.CPUInfo(0)
	if err != nil {
		klog.Errorf("cpu: %v", err)
		return
	}
	klog.Infof("cpu: mitigations: %s", mitigations(cpu.FromWords(first.Features)))
	for m := range cpu.Mitigations {
		f := cpu.FromWords(first.Features)
		on, why := f.Mitigation(m)
		switch {
		case m == cpu.MitigateBuffers && full && !on:
			klog.Infof("cpu: %s enabled by mitigations=full, although %s", m.String(), why)
		case !on:
			klog.Infof("cpu: %s not enabled: %s", m.String(), why)
		}
	}
	for n := 1; ; n++ {
		c, err := kcall.CPUInfo(n)
		if err != nil {
			return
		}
		if c.State == percpu.Online && c.Features != first.Features {
			klog.Warnf("cpu: cpu %d differs from cpu 0 in CPUID: mitigations: %s", n, mitigations(cpu.FromWords(c.Features)))
		}
	}
}

// mitigations lists the mitigations that are on.
func mitigations(f cpu.Features) string {
	var list []string
	for m := range cpu.Mitigations {
		if on, _ := f.Mitigation(m); on {
			list = append(list, m.String())
		}
	}
	return strings.Join(list, ", ")
}

// vendors are the names of cpu.Vendor.
var vendors = [...]string{cpu.VendorOther: "other", cpu.VendorIntel: "Intel", cpu.VendorAMD: "AMD"}

// Features returns the mitigations of every CPU that is online.
func (s *system) Features() (list []shell.Features) {
	for n := 0; ; n++ {
		c, err := kcall.CPUInfo(n)
		if err != nil {
			return list
		}
		if c.State != percpu.Online {
			continue
		}
		f := cpu.FromWords(c.Features)
		row := shell.Features{CPU: n, Vendor: vendors[f.Vendor], Family: f.Family, Model: f.Model, Words: c.Features[:]}
		for m := range cpu.Mitigations {
			on, why := f.Mitigation(m)
			row.Mitigations = append(row.Mitigations, shell.Mitigation{Name: m.String(), On: on, Reason: why})
		}
		for i := range cpu.Lacks {
			if l, lacks := f.Lack(i); lacks {
				row.Slower = append(row.Slower, shell.Lack{Without: l.Name, Cost: l.Cost})
			}
		}
		list = append(list, row)
	}
}
