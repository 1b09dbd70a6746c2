package main

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// threadFields are the fields of a CPU's block that belong to its current thread.
// What they point to moves with the thread, so it does not become stale.
var threadFields = []string{"StackTop", "StackLow", "KernelG", "KernelFS", "UserFS", "Current", "ThreadID"}

// tracked is the values of a function that a switch makes stale: those that may be
// the block of the CPU that runs, variables that hold it, and addresses in it or
// read from it. flow.go decides whether one is stale at some place.
type tracked struct {
	calls  *calls
	set    map[ssa.Value]bool
	parent *tracked // of a function literal
}

// track finds the values of fn to track. parent is for a function literal.
//
// The roots are the first parameter of type *percpu.CPU, the result of percpu.This,
// the results of calls that may switch, and what such calls are given. The rest
// follows from them: copies, joins, conversions, variables, addresses.
func track(k *calls, fn *ssa.Function, parent *tracked) *tracked {
	t := &tracked{k, map[ssa.Value]bool{}, parent}
	for _, p := range fn.Params {
		if isCPU(p.Type()) {
			t.set[p] = true
			break
		}
	}
	for i, v := range fn.FreeVars {
		if parent != nil && parent.set[binding(fn, i)] {
			t.set[v] = true
		}
	}
	for n := -1; n != len(t.set); {
		n = len(t.set)
		for _, b := range fn.Blocks {
			for _, in := range b.Instrs {
				t.visit(in)
			}
		}
	}
	return t
}

// binding returns what the i-th captured variable of a function literal is in its parent.
func binding(fn *ssa.Function, i int) ssa.Value {
	for _, b := range fn.Parent().Blocks {
		for _, in := range b.Instrs {
			if m, ok := in.(*ssa.MakeClosure); ok && m.Fn == fn {
				return m.Bindings[i]
			}
		}
	}
	return nil
}

// visit adds what an instruction makes of tracked values.
func (t *tracked) visit(in ssa.Instruction) {
	if call, ok := in.(ssa.CallInstruction); ok && t.calls.switches(call.Common()) {
		if arg := cpuArg(call.Common()); arg != nil {
			if _, ok := arg.(*ssa.Const); !ok {
				t.set[arg] = true
			}
		}
	}
	switch in := in.(type) {
	case *ssa.Store:
		if isCell(in.Addr) && t.set[in.Val] {
			t.set[in.Addr] = true
		}
	case ssa.Value:
		if t.follows(in) {
			t.set[in] = true
		}
	}
}

// follows reports whether a value is to be tracked by what it is made of.
func (t *tracked) follows(v ssa.Value) bool {
	switch v := v.(type) {
	case *ssa.Call:
		return t.followsCall(v)
	case *ssa.Extract:
		call, ok := v.Tuple.(*ssa.Call)
		return ok && isCPU(v.Type()) && t.calls.switches(call.Common())
	case *ssa.Phi:
		for _, e := range v.Edges {
			if t.set[e] {
				return true
			}
		}
	case *ssa.ChangeType:
		return t.set[v.X]
	case *ssa.Convert:
		return t.set[v.X] && isAddress(v.Type())
	case *ssa.FieldAddr:
		return t.set[v.X] && !isCell(v.X)
	case *ssa.IndexAddr:
		return t.set[v.X]
	case *ssa.BinOp:
		return (v.Op == token.ADD || v.Op == token.SUB) && isAddress(v.Type()) && (t.set[v.X] || t.set[v.Y])
	case *ssa.UnOp:
		return v.Op == token.MUL && t.followsLoad(v)
	}
	return false
}

// followsCall reports whether the result of a call is to be tracked.
func (t *tracked) followsCall(v *ssa.Call) bool {
	c := v.Common()
	switch callee := c.Value.(type) {
	case *ssa.Builtin:
		return callee.Name() == "Add" && t.set[c.Args[0]] // unsafe.Add
	case *ssa.Function:
		if o := callee.Object(); o != nil && o.Name() == "This" && o.Pkg() != nil && o.Pkg().Path() == percpuPath {
			return true
		}
	}
	if isCPU(v.Type()) {
		return t.calls.switches(c)
	}
	if !t.calls.has(target(c), &inBlock{}) {
		return false
	}
	for _, a := range c.Args {
		if isCPU(a.Type()) {
			return t.set[a]
		}
	}
	return false
}

// followsLoad reports whether what is loaded from an address is to be tracked: the
// value of a tracked variable, or an address in a field of the CPU's block.
func (t *tracked) followsLoad(v *ssa.UnOp) bool {
	if !t.set[v.X] {
		return false
	}
	if isCell(v.X) {
		return true
	}
	f, ok := v.X.(*ssa.FieldAddr)
	if !ok || !isCPU(f.X.Type()) || !isAddress(v.Type()) {
		return false
	}
	name := variable(f).Name()
	for _, own := range threadFields {
		if name == own {
			return false
		}
	}
	return true
}

// isCell reports whether an address is a local variable that holds a *percpu.CPU and
// lives in memory: one that a function literal captures, or whose address is taken.
func isCell(addr ssa.Value) bool {
	switch addr.(type) {
	case *ssa.Alloc, *ssa.FreeVar:
		return isCPU(addr.Type().Underlying().(*types.Pointer).Elem())
	}
	return false
}

// isAddress reports whether a value of type t can hold an address.
func isAddress(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return true
	case *types.Basic:
		return u.Kind() == types.Uintptr || u.Kind() == types.UnsafePointer
	}
	return false
}

// returnsInBlock reports whether a function returns one value, and that value is an
// address in the block of the CPU that it is given, or one read from there.
func (t *tracked) returnsInBlock(fn *ssa.Function) bool {
	r := fn.Signature.Results()
	if r.Len() != 1 || isCPU(r.At(0).Type()) || !isAddress(r.At(0).Type()) {
		return false
	}
	for _, b := range fn.Blocks {
		if ret, ok := b.Instrs[len(b.Instrs)-1].(*ssa.Return); ok && t.set[ret.Results[0]] {
			return true
		}
	}
	return false
}
