package main

import (
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"
)

// percpuPath is the package of the CPU's block.
const percpuPath = "muster/kernel/percpu"

// Facts about functions, and about variables and fields of function type.
type (
	// switching: may switch threads and does not return the CPU. It comes from a mark.
	switching struct{}
	// another: returns another CPU than the one that runs. It comes from a mark.
	another struct{}
	// noReturn: does not return. It comes from a mark, or from the function's body.
	noReturn struct{}
	// inBlock: returns an address that it read from, or that lies in, the block of the
	// CPU that it is given. It comes from the function's body.
	inBlock struct{}
)

func (*switching) AFact() {}
func (*another) AFact()   {}
func (*noReturn) AFact()  {}
func (*inBlock) AFact()   {}

func (*switching) String() string { return "switching" }
func (*another) String() string   { return "another" }
func (*noReturn) String() string  { return "noReturn" }
func (*inBlock) String() string   { return "inBlock" }

// calls answers questions about calls, within one package.
type calls struct {
	pass  *analysis.Pass
	marks *marks
	ends  map[*ssa.Function]bool // functions that do not return
}

func newCalls(pass *analysis.Pass, m *marks, funcs []*ssa.Function) *calls {
	k := &calls{pass, m, map[*ssa.Function]bool{}}
	for obj, mark := range m.objects {
		switch mark.verb {
		case "switches":
			pass.ExportObjectFact(obj, &switching{})
		case "other":
			pass.ExportObjectFact(obj, &another{})
		case "recurses":
			mark.used = true // checkRecursion looks at these
		case "noreturn":
			pass.ExportObjectFact(obj, &noReturn{})
		}
	}
	for changed := true; changed; {
		changed = false
		for _, fn := range funcs {
			if len(fn.Blocks) == 0 || k.ends[fn] {
				continue
			}
			returns := false
			k.reachable(fn, func(in ssa.Instruction) {
				_, ok := in.(*ssa.Return)
				returns = returns || ok
			})
			if returns {
				continue
			}
			k.ends[fn], changed = true, true
			if obj := fn.Object(); obj != nil && !k.has(obj, &noReturn{}) {
				pass.ExportObjectFact(obj, &noReturn{})
			}
		}
	}
	return k
}

// has reports whether an object has a fact.
func (k *calls) has(obj types.Object, f analysis.Fact) bool {
	return obj != nil && obj.Pkg() != nil && k.pass.ImportObjectFact(obj, f)
}

// reachable calls f for each instruction of fn that some path reaches: none after a
// call that does not return.
func (k *calls) reachable(fn *ssa.Function, f func(ssa.Instruction)) {
	seen := map[*ssa.BasicBlock]bool{}
	var walk func(b *ssa.BasicBlock)
	walk = func(b *ssa.BasicBlock) {
		if seen[b] {
			return
		}
		seen[b] = true
		for _, in := range b.Instrs {
			f(in)
			if call, ok := in.(*ssa.Call); ok && k.noReturn(call) {
				return
			}
		}
		for _, s := range b.Succs {
			walk(s)
		}
	}
	if len(fn.Blocks) > 0 {
		walk(fn.Blocks[0])
	}
}

// noReturn reports whether a call does not return.
func (k *calls) noReturn(call *ssa.Call) bool {
	if fn := call.Common().StaticCallee(); fn != nil && k.ends[fn] {
		return true
	}
	return k.has(target(call.Common()), &noReturn{})
}

// switches reports whether a call may switch threads: by the signature of what is
// called, whether it is a function, a field or a parameter, or by its mark.
func (k *calls) switches(c *ssa.CallCommon) bool {
	if _, ok := c.Value.(*ssa.Builtin); ok {
		return false
	}
	obj := target(c)
	if k.has(obj, &another{}) {
		return false
	}
	return k.has(obj, &switching{}) || switchingSignature(c.Signature())
}

// moves reports whether the thread may go on with another CPU after a call.
func (k *calls) moves(call ssa.CallInstruction) bool {
	return k.switches(call.Common()) && !k.marks.stays(call.Pos())
}

// target returns the function, variable or field that a call goes through, nil if it
// has no name: a function literal, a parameter, a table's element.
func target(c *ssa.CallCommon) types.Object {
	if c.IsInvoke() {
		return c.Method
	}
	switch v := c.Value.(type) {
	case *ssa.Function:
		if v.Origin() != nil {
			v = v.Origin()
		}
		return v.Object()
	case *ssa.UnOp:
		return variable(v.X)
	case *ssa.Field:
		return v.X.Type().Underlying().(*types.Struct).Field(v.Field)
	}
	return nil
}

// variable returns the package's variable, or the field, at an address; nil for others.
func variable(addr ssa.Value) types.Object {
	switch a := addr.(type) {
	case *ssa.Global:
		return a.Object()
	case *ssa.FieldAddr:
		return a.X.Type().Underlying().(*types.Pointer).Elem().Underlying().(*types.Struct).Field(a.Field)
	}
	return nil
}

// switchingSignature reports whether a function takes a CPU and returns one: that
// says that it may switch threads.
func switchingSignature(s *types.Signature) bool {
	return cpuIn(s.Params()) >= 0 && cpuIn(s.Results()) >= 0
}

// cpuIn returns the index of the first *percpu.CPU in a list, -1 if there is none. Of
// several parameters the first is the CPU that runs.
func cpuIn(t *types.Tuple) int {
	for i := range t.Len() {
		if isCPU(t.At(i).Type()) {
			return i
		}
	}
	return -1
}

// cpuArg returns the CPU that a call is given, nil if it is given none.
func cpuArg(c *ssa.CallCommon) ssa.Value {
	args := c.Args
	if !c.IsInvoke() && c.Signature().Recv() != nil {
		args = args[1:]
	}
	if i := cpuIn(c.Signature().Params()); i >= 0 {
		return args[i]
	}
	return nil
}

// isCPU reports whether t is *percpu.CPU.
func isCPU(t types.Type) bool {
	p, ok := types.Unalias(t).(*types.Pointer)
	if !ok {
		return false
	}
	n, ok := types.Unalias(p.Elem()).(*types.Named)
	return ok && n.Obj().Name() == "CPU" && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == percpuPath
}
