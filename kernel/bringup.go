package main

import (
	"cmp"
	"slices"

	"muster/kernel/kcall"
	"muster/kernel/shell"
	"muster/kernel/smp"
	"muster/trampoline"
)

// BringUp returns what each CPU did when it was started, and when, in microseconds
// from the first INIT.
func (s *system) BringUp() []shell.BringUp {
	if len(s.marks) == 0 {
		return nil
	}
	zero := s.marks[0].At.UnixNano()
	micros := func(ns int64) float64 { return float64(ns-zero) / 1000 }
	rows := map[int]*shell.BringUp{}
	for _, m := range s.marks {
		r := rows[m.CPU]
		if r == nil {
			r = &shell.BringUp{CPU: m.CPU}
			rows[m.CPU] = r
		}
		name := m.Event.String()
		if m.Event == smp.SawReady || m.Event == smp.SawOnline {
			name = "seen " + name
		}
		r.Steps = append(r.Steps, shell.Step{Name: name, Micros: micros(m.At.UnixNano())})
	}
	var list []shell.BringUp
	for n, r := range rows {
		if c, err := kcall.CPUInfo(n); err == nil {
			r.APICID = c.APICID
		}
		if at, err := kcall.StageTimes(n); err == nil {
			for stage, ns := range at {
				if ns != 0 {
					r.Steps = append(r.Steps, shell.Step{Name: trampoline.StageName(uint32(stage)), Micros: micros(ns)})
				}
			}
		}
		slices.SortStableFunc(r.Steps, func(a, b shell.Step) int { return cmp.Compare(a.Micros, b.Micros) })
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b shell.BringUp) int { return cmp.Compare(a.CPU, b.CPU) })
	return list
}
