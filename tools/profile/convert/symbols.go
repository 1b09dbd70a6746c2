package convert

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"io"
	"slices"
)

// Frame is one function at an address.
type Frame struct {
	Function string
	File     string
	Line     int
}

// Symbols finds functions, files and lines in the debug information of an ELF file.
type Symbols struct {
	File  string
	data  *dwarf.Data
	units []unit
	found map[uint64][]Frame
}

// unit is a compilation unit. Its functions and lines are read when they are needed first.
type unit struct {
	entry  *dwarf.Entry
	ranges [][2]uint64
	read   bool
	funcs  []function
	lines  []dwarf.LineEntry // by address
	files  []*dwarf.LineFile
}

// function is a function, or the copy of one that was inlined into another.
type function struct {
	name     string
	ranges   [][2]uint64
	file     int // where the copy is called
	line     int
	children []function
}

// Open reads the debug information of a file.
func Open(file string) (*Symbols, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := f.DWARF()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s := &Symbols{File: file, data: data, found: map[uint64][]Frame{}}
	for r := data.Reader(); ; r.SkipChildren() {
		e, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if e == nil {
			return s, nil
		}
		if e.Tag == dwarf.TagCompileUnit {
			ranges, err := data.Ranges(e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			s.units = append(s.units, unit{entry: e, ranges: ranges})
		}
	}
}

// Frames returns the functions at an address, the innermost first: those after the first
// have been given the code of those before them by the compiler. It returns nil for an
// address without debug information.
func (s *Symbols) Frames(pc uint64) ([]Frame, error) {
	if frames, ok := s.found[pc]; ok {
		return frames, nil
	}
	var frames []Frame
	for i := range s.units {
		u := &s.units[i]
		if !within(u.ranges, pc) {
			continue
		}
		if err := s.fill(u); err != nil {
			return nil, err
		}
		frames = u.frames(pc)
		break
	}
	s.found[pc] = frames
	return frames, nil
}

func within(ranges [][2]uint64, pc uint64) bool {
	return slices.ContainsFunc(ranges, func(r [2]uint64) bool { return r[0] <= pc && pc < r[1] })
}

// frames returns the functions at an address of the unit.
func (u *unit) frames(pc uint64) (frames []Frame) {
	at := Frame{}
	if i, ok := slices.BinarySearchFunc(u.lines, pc, func(l dwarf.LineEntry, pc uint64) int {
		if l.Address <= pc {
			return -1
		}
		return 1
	}); !ok && i > 0 && !u.lines[i-1].EndSequence {
		at.File, at.Line = u.lines[i-1].File.Name, u.lines[i-1].Line
	}
	list := u.funcs
	for {
		i := slices.IndexFunc(list, func(f function) bool { return within(f.ranges, pc) })
		if i < 0 {
			break
		}
		f := list[i]
		if len(frames) > 0 { // the line of the function around it is that of the call
			frames[0].File, frames[0].Line = u.fileName(f.file), f.line
		}
		frames = append([]Frame{{f.name, at.File, at.Line}}, frames...)
		list = f.children
	}
	return frames
}

func (u *unit) fileName(n int) string {
	if n < 0 || n >= len(u.files) || u.files[n] == nil {
		return ""
	}
	return u.files[n].Name
}

// fill reads the functions and the lines of a unit.
func (s *Symbols) fill(u *unit) error {
	if u.read {
		return nil
	}
	u.read = true
	lines, err := s.data.LineReader(u.entry)
	if err != nil {
		return err
	}
	for lines != nil {
		var l dwarf.LineEntry
		if err := lines.Next(&l); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		u.lines = append(u.lines, l)
	}
	slices.SortStableFunc(u.lines, byAddress)
	if lines != nil {
		u.files = lines.Files()
	}
	r := s.data.Reader()
	r.Seek(u.entry.Offset)
	if _, err := r.Next(); err != nil {
		return err
	}
	if !u.entry.Children {
		return nil
	}
	u.funcs, err = s.functions(r)
	return err
}

// byAddress puts the end of a function before the line of another one that begins there.
func byAddress(a, b dwarf.LineEntry) int {
	switch {
	case a.Address != b.Address:
		return cmp.Compare(a.Address, b.Address)
	case a.EndSequence == b.EndSequence:
		return 0
	case a.EndSequence:
		return -1
	}
	return 1
}

// functions reads the functions up to the end of a list of children.
func (s *Symbols) functions(r *dwarf.Reader) (list []function, err error) {
	for {
		e, err := r.Next()
		if err != nil || e == nil || e.Tag == 0 {
			return list, err
		}
		var inner []function
		switch e.Tag {
		case dwarf.TagSubprogram, dwarf.TagInlinedSubroutine, dwarf.TagLexDwarfBlock:
			if e.Children {
				if inner, err = s.functions(r); err != nil {
					return nil, err
				}
			}
		default:
			r.SkipChildren()
			continue
		}
		if e.Tag == dwarf.TagLexDwarfBlock {
			list = append(list, inner...)
			continue
		}
		f := function{children: inner}
		if f.ranges, err = s.data.Ranges(e); err != nil {
			return nil, err
		}
		if len(f.ranges) == 0 {
			continue // the description of a function that is inlined
		}
		if f.name, err = s.name(e); err != nil {
			return nil, err
		}
		file, _ := e.Val(dwarf.AttrCallFile).(int64)
		line, _ := e.Val(dwarf.AttrCallLine).(int64)
		f.file, f.line = int(file), int(line)
		list = append(list, f)
	}
}

// name returns the name of a function, which its description has if it can be inlined.
func (s *Symbols) name(e *dwarf.Entry) (string, error) {
	if name, ok := e.Val(dwarf.AttrName).(string); ok {
		return name, nil
	}
	origin, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
	if !ok {
		return "", nil
	}
	r := s.data.Reader()
	r.Seek(origin)
	from, err := r.Next()
	if err != nil || from == nil {
		return "", err
	}
	name, _ := from.Val(dwarf.AttrName).(string)
	return name, nil
}
