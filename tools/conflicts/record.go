package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// window is what the plugin recorded between two marks.
type window struct {
	name       string
	control    bool
	operations uint64 // of each worker, as the program says
	workers    map[int]*tally
	lines      map[uint64]*line
	locks      map[uint64]uint64 // how often each locked instruction was executed
	code       map[uint64]uint64 // how often each instruction was executed, if the plugin counts them
}

// tally counts a worker's operations.
type tally struct{ operations, moved, instructions, locked uint64 }

// line is a cache line.
type line struct {
	address       uint64 // physical
	uses          []use
	stores, loads []uint64 // places in the code
}

// use says in how many operations a worker wrote and touched a line on one CPU.
type use struct {
	worker, cpu    int
	wrote, touched uint64
}

func newWindow() *window {
	return &window{workers: map[int]*tally{}, lines: map[uint64]*line{}, locks: map[uint64]uint64{}, code: map[uint64]uint64{}}
}

// worker returns the tally of a worker.
func (w *window) worker(n int) *tally {
	if w.workers[n] == nil {
		w.workers[n] = &tally{}
	}
	return w.workers[n]
}

// parse reads the plugin's file, whose form conflicts.c describes.
func parse(r io.Reader) (all []*window, err error) {
	w := newWindow()
	s := bufio.NewScanner(r)
	for n := 1; s.Scan(); n++ {
		f := fields{words: strings.Fields(s.Text())}
		switch f.next() {
		case "worker":
			t := w.worker(f.number())
			t.operations, t.moved, t.instructions = f.after("operations"), f.after("moved"), f.after("instructions")
		case "lock":
			worker, pc, times := f.number(), f.address(), f.uint()
			w.worker(worker).locked += times
			w.locks[pc] += times
		case "code":
			_, pc, times := f.number(), f.address(), f.uint()
			w.code[pc] += times
		case "line":
			w.add(&f)
		case "window":
			number := f.number()
			lost := f.after("lost")
			if number != len(all) || lost != 0 {
				return nil, fmt.Errorf("line %d: window %d, %d accesses lost: want window %d, and none lost", n, number, lost, len(all))
			}
			all = append(all, w)
			w = newWindow()
		default:
			f.bad = true
		}
		if f.bad || len(f.words) != 0 {
			return nil, fmt.Errorf("line %d: %q is nothing that the plugin writes", n, s.Text())
		}
	}
	return all, s.Err()
}

// add adds what one CPU did to a line for a worker.
func (w *window) add(f *fields) {
	address := f.address()
	l := w.lines[address]
	if l == nil {
		l = &line{address: address}
		w.lines[address] = l
	}
	u := use{worker: f.number(), cpu: f.number()}
	u.wrote, u.touched = f.after("wrote"), f.after("touched")
	l.uses = append(l.uses, u)
	l.stores = union(l.stores, f.list("stores"))
	l.loads = union(l.loads, f.list("loads"))
}

func union(a, b []uint64) []uint64 {
	a = append(a, b...)
	slices.Sort(a)
	return slices.Compact(a)
}

// fields are the words of a line that are not read yet.
type fields struct {
	words []string
	bad   bool
}

func (f *fields) next() string {
	if len(f.words) == 0 {
		f.bad = true
		return ""
	}
	word := f.words[0]
	f.words = f.words[1:]
	return word
}

func (f *fields) parsed(base int, text string) uint64 {
	n, err := strconv.ParseUint(text, base, 64)
	f.bad = f.bad || err != nil
	return n
}

func (f *fields) uint() uint64    { return f.parsed(10, f.next()) }
func (f *fields) number() int     { return int(f.uint()) }
func (f *fields) address() uint64 { return f.parsed(16, f.next()) }

// after reads a name and a number.
func (f *fields) after(name string) uint64 {
	f.bad = f.bad || f.next() != name
	return f.uint()
}

// list reads a name and addresses with commas between.
func (f *fields) list(name string) (all []uint64) {
	f.bad = f.bad || f.next() != name
	word := f.next()
	if word == "-" {
		return nil
	}
	for _, text := range strings.Split(word, ",") {
		all = append(all, f.parsed(16, text))
	}
	return all
}

// shared returns the lines that one worker writes in at least a quarter of its operations while
// another one, on another CPU, touches them in at least a quarter of its own, by address.
func (w *window) shared() (all []*line) {
	for _, l := range w.lines {
		if w.isShared(l) {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b *line) int { return cmp.Compare(a.address, b.address) })
	return all
}

func (w *window) isShared(l *line) bool {
	for a := range w.workers {
		for b := range w.workers {
			if a != b && often(l.writesBeside(a, b, w.worker(b).operations), w.worker(a).operations) {
				return true
			}
		}
	}
	return false
}

// writesBeside returns how often worker a wrote the line on CPUs beside which worker b often
// touched it. The block of a CPU does not count, if both ran there one after the other.
func (l *line) writesBeside(a, b int, operationsOfB uint64) (n uint64) {
	for _, by := range l.uses {
		if by.worker != a {
			continue
		}
		var elsewhere uint64
		for _, u := range l.uses {
			if u.worker == b && u.cpu != by.cpu {
				elsewhere += u.touched
			}
		}
		if often(elsewhere, operationsOfB) {
			n += by.wrote
		}
	}
	return n
}

// often leaves out what happens to a few operations only, such as an interrupt.
func often(n, operations uint64) bool { return n > 0 && 4*n >= operations }
