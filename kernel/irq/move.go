package irq

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/kernel/percpu"
)

// Bounds of a move: how often it is tried, and how long it pauses in between. A level
// interrupt is in service, and an interrupt pends at the old CPU, only until that CPU has
// its interrupts on.
const (
	moveTries = 200
	movePause = time.Millisecond
)

// msiBase is the address of the MSI that reaches the APIC with id 0. The id is in
// bits 19:12.
const msiBase = 0xfee00000

// SetAffinity restricts a line to CPUs, nil for all, and leads it to one of them. label is
// the GSI, or the name of an MSI, as the command irq lists it.
func SetAffinity(label string, cpus []int) error { return lines.setAffinity(label, cpus) }

func (t *table) setAffinity(label string, cpus []int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, err := t.find(label)
	if err != nil {
		return err
	}
	if cpus == nil {
		l.allowed = nil
		return nil
	}
	set := slices.Compact(slices.Sorted(slices.Values(cpus)))
	for _, cpu := range set {
		if err := t.usable(cpu); err != nil {
			return err
		}
	}
	if err := t.lead(l, set); err != nil {
		return err
	}
	l.allowed = set
	return nil
}

// Drain leads all lines away from a CPU that is online, and keeps others away from it until
// Admit. When it returns without an error, no device interrupt comes to that CPU any more
// and none pends there. A line whose CPUs are all gone goes to another one.
func Drain(cpu int) error { return lines.drain(cpu) }

// Admit lets a CPU that is online again have device interrupts. Lines that were to go to it
// alone go back.
func Admit(cpu int) error { return lines.admit(cpu) }

// Drained returns the CPUs to which no line goes until Admit.
func Drained() map[int]bool {
	lines.mu.Lock()
	defer lines.mu.Unlock()
	return maps.Clone(lines.leaving)
}

func (t *table) drain(cpu int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.core.CPU(cpu); err != nil {
		return fmt.Errorf("there is no cpu%d", cpu)
	}
	t.leaving[cpu] = true
	var left problems
	for _, l := range t.list {
		i, err := t.core.Info(l.id)
		if err == nil && int(i.CPU) == cpu {
			err = t.evict(l, cpu)
		}
		if err == nil {
			err = t.settle(l)
		}
		if err != nil {
			left.add(l, err)
		}
	}
	if left != nil {
		delete(t.leaving, cpu)
		return fmt.Errorf("cpu%d keeps lines: %s", cpu, left)
	}
	return nil
}

// problems is why lines stay at a CPU: each reason with its lines.
type problems []struct{ lines, reason string }

func (p *problems) add(l *line, err error) {
	text := fmt.Sprintf("line %s (%s)", l.label, l.name)
	for i := range *p {
		if x := &(*p)[i]; x.reason == err.Error() {
			x.lines += ", " + text
			return
		}
	}
	*p = append(*p, struct{ lines, reason string }{text, err.Error()})
}

func (p problems) String() string {
	var list []string
	for _, x := range p {
		list = append(list, x.lines+": "+x.reason)
	}
	return strings.Join(list, "; ")
}

// others is the error of a line for which no CPU is left but from. It names one that was drained.
func (t *table) others(from int) error {
	for _, cpu := range slices.Sorted(maps.Keys(t.leaving)) {
		if c, err := t.core.CPU(cpu); err == nil && cpu != from && c.State == percpu.Online {
			return fmt.Errorf("no other CPU takes device interrupts, cpu%d was drained; irq admit %d ends that", cpu, cpu)
		}
	}
	return errors.New("no other CPU takes device interrupts")
}

// evict leads a line away from a CPU that is leaving.
func (t *table) evict(l *line, from int) error {
	list := t.candidates(l.allowed)
	if len(list) == 0 {
		if list = t.candidates(nil); len(list) == 0 {
			return t.others(from)
		}
		t.log("irq: line %s (%s): none of its CPUs %v is left, it goes to any", l.label, l.name, l.allowed)
	}
	to := t.quietest(list)
	if err := t.move(l, to); err != nil {
		return err
	}
	t.log("irq: line %s (%s) goes to cpu%d", l.label, l.name, to)
	return nil
}

func (t *table) admit(cpu int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.leaving, cpu)
	if err := t.usable(cpu); err != nil {
		return err
	}
	for _, l := range t.list {
		if !slices.Contains(l.allowed, cpu) {
			continue
		}
		if err := t.lead(l, t.candidates(l.allowed)); err != nil {
			t.log("irq: line %s (%s) does not go back to cpu%d: %v", l.label, l.name, cpu, err)
		}
	}
	return nil
}

// lead leads a line to the quietest of some CPUs, unless it goes to one of them.
func (t *table) lead(l *line, set []int) error {
	i, err := t.core.Info(l.id)
	if err != nil || slices.Contains(set, int(i.CPU)) {
		return err
	}
	return t.move(l, t.quietest(set))
}

// move leads a line to a CPU. When it returns without an error, the old CPU has taken the
// last interrupt of the old vector.
func (t *table) move(l *line, cpu int) error {
	err := t.repeat(func(last bool) error {
		if err := t.core.Settle(l.id); err != nil { // of an earlier move
			return err
		}
		return t.core.Move(l.id, cpu, last)
	})
	if err != nil {
		return fmt.Errorf("not moved to cpu%d: %w", cpu, explain(err))
	}
	if err := t.send(l); err != nil {
		return err
	}
	return t.settle(l)
}

// settle waits until the old CPU has taken the last interrupt of the old vector.
func (t *table) settle(l *line) error {
	if err := t.repeat(func(bool) error { return t.core.Settle(l.id) }); err != nil {
		return fmt.Errorf("an interrupt of its old vector pends: %w", err)
	}
	return nil
}

// repeat calls f until it has something else to say than EAGAIN. last is for the last time.
func (t *table) repeat(f func(last bool) error) error {
	for i := range moveTries {
		err := f(i == moveTries-1)
		if !errors.Is(err, syscall.EAGAIN) {
			return err
		}
		time.Sleep(movePause)
	}
	return syscall.EAGAIN
}

// explain says in words why the core has refused a move.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return errors.New("none of its vectors is free")
	case errors.Is(err, syscall.ENODEV):
		return errors.New("it takes no device interrupts")
	}
	return err
}

// send makes the device of an MSI write to the CPU to which the line goes.
func (t *table) send(l *line) error {
	if l.program == nil {
		return nil
	}
	i, err := t.core.Info(l.id)
	if err != nil {
		return err
	}
	return l.program(msiBase|uint64(i.APICID)<<12, i.Vector)
}
