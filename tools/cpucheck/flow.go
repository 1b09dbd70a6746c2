package main

import (
	"fmt"
	"go/token"
	"maps"

	"golang.org/x/tools/go/ssa"
)

// state is what is known at one place of a function: which tracked values are
// stale on some path that leads there, and the call that made them so; and which
// deferred calls are to run.
type state struct {
	stale    map[ssa.Value]ssa.CallInstruction
	deferred map[*ssa.Defer]bool
}

func newState() *state { return &state{map[ssa.Value]ssa.CallInstruction{}, map[*ssa.Defer]bool{}} }

func (s *state) clone() *state { return &state{maps.Clone(s.stale), maps.Clone(s.deferred)} }

// join adds to s what holds on another path, and reports whether that was new.
func (s *state) join(o *state) (grown bool) {
	for v, call := range o.stale {
		if s.stale[v] == nil {
			s.stale[v], grown = call, true
		}
	}
	for d := range o.deferred {
		if !s.deferred[d] {
			s.deferred[d], grown = true, true
		}
	}
	return grown
}

// flow follows the tracked values of one function along its paths.
type flow struct {
	*tracked
	report   func(pos token.Pos, format string, args ...any) // nil while states still grow
	reported map[token.Pos]bool
	in       map[*ssa.BasicBlock]*state
}

// findStale reports each use of a stale value in fn.
func findStale(t *tracked, fn *ssa.Function, report func(token.Pos, string, ...any)) {
	f := &flow{tracked: t, reported: map[token.Pos]bool{}, in: map[*ssa.BasicBlock]*state{fn.Blocks[0]: newState()}}
	for work := []*ssa.BasicBlock{fn.Blocks[0]}; len(work) > 0; {
		b := work[0]
		work = work[1:]
		out := f.run(b)
		if out == nil {
			continue
		}
		for _, next := range b.Succs {
			if f.enter(b, next, out) {
				work = append(work, next)
			}
		}
	}
	f.report = report
	for _, b := range fn.Blocks {
		if f.in[b] != nil {
			f.run(b)
		}
	}
}

// enter carries the state at the end of block b into next, and reports whether
// that was new. A phi takes the staleness of the value that it has on this edge.
func (f *flow) enter(b, next *ssa.BasicBlock, out *state) bool {
	s := out.clone()
	for _, in := range next.Instrs {
		phi, ok := in.(*ssa.Phi)
		if !ok {
			break
		}
		delete(s.stale, phi)
		for i, p := range next.Preds {
			if call := out.stale[phi.Edges[i]]; p == b && call != nil && f.set[phi] {
				s.stale[phi] = call
			}
		}
	}
	if f.in[next] == nil {
		f.in[next] = s
		return true
	}
	return f.in[next].join(s)
}

// run applies a block to the state at its beginning. The result is nil when the
// block calls a function that does not return.
func (f *flow) run(b *ssa.BasicBlock) *state {
	s := f.in[b].clone()
	for _, in := range b.Instrs {
		switch in := in.(type) {
		case *ssa.Phi, *ssa.DebugRef:
			continue
		case *ssa.Store:
			f.store(s, in)
			continue
		case *ssa.Defer:
			f.use(s, in, in)
			s.deferred[in] = true
			continue
		case *ssa.RunDefers:
			f.runDefers(s, in)
			continue
		}
		f.use(s, in, in)
		if call, ok := in.(*ssa.Call); ok {
			if f.calls.noReturn(call) {
				return nil
			}
			if f.calls.moves(call) {
				f.spoil(s, call)
			}
		}
		if v, ok := in.(ssa.Value); ok {
			delete(s.stale, v) // just made
		}
	}
	return s
}

// spoil makes all tracked values stale.
func (f *flow) spoil(s *state, call ssa.CallInstruction) {
	for v := range f.set {
		s.stale[v] = call
	}
}

// store copies the staleness of a value to the variable that it is stored to.
func (f *flow) store(s *state, in *ssa.Store) {
	if !isCell(in.Addr) {
		f.use(s, in, in)
		return
	}
	delete(s.stale, in.Addr)
	if call := s.stale[in.Val]; call != nil {
		s.stale[in.Addr] = call
	}
}

// runDefers uses the arguments of the deferred calls, at the return.
func (f *flow) runDefers(s *state, at ssa.Instruction) {
	for d := range s.deferred {
		f.use(s, d, at)
	}
	for d := range s.deferred {
		if f.calls.moves(d) {
			f.spoil(s, d)
		}
	}
}

// use reports the operands of an instruction that are stale when at is reached.
func (f *flow) use(s *state, in, at ssa.Instruction) {
	if f.report == nil {
		return
	}
	for _, op := range in.Operands(nil) {
		v := *op
		if closure, ok := v.(*ssa.MakeClosure); ok {
			for _, captured := range closure.Bindings {
				f.reportStale(s, captured, in, "a function literal's ")
			}
		}
		if _, makes := in.(*ssa.MakeClosure); makes {
			continue // captures the variable, not its value
		}
		f.reportStale(s, v, in, "")
	}
}

// reportStale reports v, used by an instruction, if it is stale.
func (f *flow) reportStale(s *state, v ssa.Value, in ssa.Instruction, whose string) {
	call := s.stale[v]
	if call == nil {
		return
	}
	pos := in.Pos()
	if !pos.IsValid() {
		pos = call.Pos()
	}
	if f.reported[pos] {
		return // q.n++ reads and writes
	}
	f.reported[pos] = true
	fset := in.Parent().Prog.Fset
	f.report(pos, "%s%s is stale: %s, line %d, may have switched threads; go on with the CPU that it returned",
		whose, valueName(v), calleeName(call.Common()), fset.Position(call.Pos()).Line)
}

// valueName returns the name of a value in a finding.
func valueName(v ssa.Value) string {
	switch v := v.(type) {
	case *ssa.Parameter, *ssa.FreeVar:
		return v.Name()
	case *ssa.Phi:
		if v.Comment != "" {
			return v.Comment
		}
	case *ssa.Alloc:
		if v.Comment != "" {
			return v.Comment
		}
		return "the result"
	}
	if isCPU(v.Type()) {
		return "this *percpu.CPU"
	}
	return "this address in a CPU's block"
}

// calleeName is the name of what a call goes to.
func calleeName(c *ssa.CallCommon) string {
	if obj := target(c); obj != nil {
		if obj.Pkg() != nil {
			return fmt.Sprintf("%s.%s", obj.Pkg().Name(), obj.Name())
		}
		return obj.Name()
	}
	if p, ok := c.Value.(*ssa.Parameter); ok {
		return p.Name()
	}
	return "a function value"
}
