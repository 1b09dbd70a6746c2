package smp

// The records of a start.

import (
	"fmt"
	"time"

	"muster/kernel/percpu"
	"muster/trampoline"
)

// Silent is a CPU that did not report that it is ready.
type Silent struct {
	CPU    int
	APICID uint32
	Stage  uint32
	Code   uint32
	After  time.Duration
}

func (s Silent) Error() string {
	text := fmt.Sprintf("smp: cpu %d (APIC ID %d): silent for %v, last stage %d (%s)",
		s.CPU, s.APICID, s.After, s.Stage, trampoline.StageName(s.Stage))
	if s.Code == percpu.CodeFeatures {
		text += ": it lacks features that the boot CPU has"
	}
	return text
}

// Event is a step in the start of a CPU.
type Event uint8

// Events.
const (
	SentINIT Event = iota
	SentStartup
	SawReady
	SawOnline
)

// String returns the event's name.
func (e Event) String() string { return [...]string{"INIT", "SIPI", "ready", "online"}[e] }

// Mark is an event with its CPU and time.
type Mark struct {
	CPU   int
	Event Event
	At    time.Time
}

func (b *bringUp) mark(s *starting, e Event) {
	b.Marks = append(b.Marks, Mark{s.cpu, e, b.Now()})
}
