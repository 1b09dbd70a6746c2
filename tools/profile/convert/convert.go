// Package convert turns the profile that the kernel's shell prints into one of the format
// of pprof, with names from debug information.
//
// Layer: host.
// Chapter: docs/15-debugging.md.
package convert

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"

	"muster/kernel/shell"
)

// Read finds the profile in the output of profile stop -json.
func Read(text string) (p shell.Profile, err error) {
	i := strings.Index(text, `{"rate":`)
	if i < 0 {
		return p, fmt.Errorf("no profile in %q", text)
	}
	if err := json.NewDecoder(strings.NewReader(text[i:])).Decode(&p); err != nil {
		return p, err
	}
	if len(p.Stacks) == 0 {
		return p, fmt.Errorf("the profile is empty")
	}
	return p, nil
}

// builder makes a profile out of stacks.
type builder struct {
	kernel, program *Symbols // program is nil if its file is not known
	out             *profile.Profile
	functions       map[string]*profile.Function
	mappings        [2]*profile.Mapping // of the kernel, and of the program
	locations       map[key]*profile.Location
}

// key is an address: those of a program are told apart by its name.
type key struct {
	program string
	pc      uint64
}

// To converts a profile. A sample has two values: its number, and the time that it stands
// for, which is zero for a CPU that was idle. Its labels are the CPU and the thread.
func To(p shell.Profile, kernel, program *Symbols) (*profile.Profile, error) {
	period := int64(1e9) / int64(max(p.Rate, 1))
	b := builder{kernel: kernel, program: program, functions: map[string]*profile.Function{}, locations: map[key]*profile.Location{}, out: &profile.Profile{
		SampleType:        []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		DefaultSampleType: "cpu",
		PeriodType:        &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
		Period:            period,
		DurationNanos:     p.SpanNS,
		Comments:          []string{fmt.Sprintf("Muster, %d CPUs: %d samples lost, %d missed, %d dropped", p.CPUs, p.Lost, p.Missed, p.Dropped)},
	}}
	b.mappings = [2]*profile.Mapping{mapping(1, kernel, 1<<63, 1<<64-1), mapping(2, program, 0, 1<<63)}
	b.out.Mapping = b.mappings[:]
	for _, st := range p.Stacks {
		if err := b.add(st, period); err != nil {
			return nil, err
		}
	}
	return b.out, b.out.CheckValid()
}

// mapping says which file has the addresses in a range, and that their names are known: go
// tool pprof looks for no others.
func mapping(id uint64, s *Symbols, start, limit uint64) *profile.Mapping {
	m := &profile.Mapping{ID: id, Start: start, Limit: limit, File: "unknown program", HasFunctions: true, HasFilenames: true, HasLineNumbers: true, HasInlineFrames: true}
	if s != nil {
		m.File = s.File
	}
	return m
}

// add adds one stack.
func (b *builder) add(st shell.Stack, period int64) error {
	s := &profile.Sample{
		Value:    []int64{int64(st.Count), int64(st.Count) * period},
		Label:    map[string][]string{"cpu": {strconv.Itoa(st.CPU)}, "thread": {st.Name}},
		NumLabel: map[string][]int64{"thread_id": {int64(st.Thread)}},
	}
	inProgram := false
	for i, pc := range st.PC {
		at := pc
		if i > 0 {
			at-- // within the call
		}
		l, err := b.location(st.Name, pc, at)
		if err != nil {
			return err
		}
		s.Location = append(s.Location, l)
		inProgram = inProgram || shell.InProgram(pc)
	}
	if len(s.Location) > 0 && len(s.Location[0].Line) > 0 && s.Location[0].Line[0].Function.Name == shell.IdleFunction {
		s.Value[1] = 0
	}
	if inProgram {
		s.Location = append(s.Location, b.root(st.Name))
	}
	b.out.Sample = append(b.out.Sample, s)
	return nil
}

// root is the outermost frame of all that a program does.
func (b *builder) root(name string) *profile.Location {
	k := key{"root of " + name, 0}
	if b.locations[k] == nil {
		b.put(k, []profile.Line{b.line(Frame{Function: "program " + name})})
	}
	return b.locations[k]
}

// location returns the location of an address. at lies within the instruction that is
// meant.
func (b *builder) location(thread string, pc, at uint64) (*profile.Location, error) {
	k, symbols, unknown := key{pc: at}, b.kernel, fmt.Sprintf("%#x", pc)
	if shell.InProgram(pc) {
		k.program, symbols, unknown = thread, b.program, thread+" in ring 3"
	}
	if l := b.locations[k]; l != nil {
		return l, nil
	}
	var frames []Frame
	if symbols != nil {
		var err error
		if frames, err = symbols.Frames(at); err != nil {
			return nil, err
		}
	}
	if len(frames) == 0 {
		frames = []Frame{{Function: unknown}}
	}
	var lines []profile.Line
	for _, f := range frames {
		lines = append(lines, b.line(f))
	}
	return b.put(k, lines), nil
}

func (b *builder) put(k key, lines []profile.Line) *profile.Location {
	l := &profile.Location{ID: uint64(len(b.out.Location) + 1), Address: k.pc, Line: lines, Mapping: b.mappings[0]}
	if shell.InProgram(k.pc) {
		l.Mapping = b.mappings[1]
	}
	b.out.Location = append(b.out.Location, l)
	b.locations[k] = l
	return l
}

func (b *builder) line(f Frame) profile.Line {
	id := f.Function + "\x00" + f.File
	fn := b.functions[id]
	if fn == nil {
		fn = &profile.Function{ID: uint64(len(b.out.Function) + 1), Name: f.Function, SystemName: f.Function, Filename: f.File}
		b.out.Function = append(b.out.Function, fn)
		b.functions[id] = fn
	}
	return profile.Line{Function: fn, Line: int64(f.Line)}
}
