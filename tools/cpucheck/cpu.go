package main

import (
	"go/token"
	"go/types"
	"reflect"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/buildssa"
	"golang.org/x/tools/go/ssa"
)

// cpuAnalyzer checks that callers go on with the CPU that a call returned. Its
// result is the number of calls that may switch threads.
var cpuAnalyzer = &analysis.Analyzer{
	Name:       "cpucheck",
	Doc:        "find uses of a stale *percpu.CPU, dropped results, and switches that a signature hides",
	Requires:   []*analysis.Analyzer{buildssa.Analyzer},
	Run:        runCPU,
	ResultType: reflect.TypeFor[int](),
	FactTypes:  []analysis.Fact{(*switching)(nil), (*another)(nil), (*noReturn)(nil), (*inBlock)(nil)},
}

// cpuPass is the check of one package.
type cpuPass struct {
	*calls
	funcs   []*ssa.Function
	tracked map[*ssa.Function]*tracked
	n       int // calls that may switch
}

func runCPU(pass *analysis.Pass) (any, error) {
	if !isCore(pass.Files) {
		return 0, nil
	}
	in := pass.ResultOf[buildssa.Analyzer].(*buildssa.SSA)
	m := readMarks(pass)
	p := &cpuPass{newCalls(pass, m, in.SrcFuncs), in.SrcFuncs, map[*ssa.Function]*tracked{}, 0}
	p.checkFields()
	p.trackAll()
	for _, fn := range p.funcs {
		if len(fn.Blocks) > 0 {
			p.checkResults(fn)
			p.checkSignature(fn)
			findStale(p.tracked[fn], fn, p.pass.Reportf)
		}
	}
	p.checkStores(in.Pkg.Func("init"))
	p.checkMarks()
	m.reportUnused(pass)
	return p.n, nil
}

// trackAll finds the values to track in all functions, until no further function
// turns out to return an address in a CPU's block.
func (p *cpuPass) trackAll() {
	for changed := true; changed; {
		changed = false
		for _, fn := range p.funcs {
			t := track(p.calls, fn, p.tracked[fn.Parent()])
			p.tracked[fn] = t
			obj := fn.Object()
			if obj != nil && !p.has(obj, &inBlock{}) && t.returnsInBlock(fn) {
				p.pass.ExportObjectFact(obj, &inBlock{})
				changed = true
			}
		}
	}
}

// checkFields reports names in threadFields that are not fields of a CPU's block.
func (p *cpuPass) checkFields() {
	if p.pass.Pkg.Path() != percpuPath {
		return
	}
	block := p.pass.Pkg.Scope().Lookup("CPU")
	for _, name := range threadFields {
		if f, _, _ := types.LookupFieldOrMethod(block.Type(), true, p.pass.Pkg, name); f == nil {
			p.pass.Reportf(block.Pos(), "no field %s, which tools/cpucheck takes for one of the current thread", name)
		}
	}
}

// moving calls f for each call of fn that may go on with another CPU.
func (p *cpuPass) moving(fn *ssa.Function, f func(ssa.CallInstruction)) {
	p.reachable(fn, func(in ssa.Instruction) {
		if call, ok := in.(ssa.CallInstruction); ok && p.moves(call) {
			f(call)
		}
	})
}

// checkResults reports calls of fn whose CPU is dropped.
func (p *cpuPass) checkResults(fn *ssa.Function) {
	p.moving(fn, func(call ssa.CallInstruction) {
		p.n++
		results := call.Common().Signature().Results()
		for i := range results.Len() {
			if isCPU(results.At(i).Type()) && !usesResult(call, i) {
				p.pass.Reportf(call.Pos(), "the CPU that %s returns is dropped", calleeName(call.Common()))
			}
		}
	})
}

// usesResult reports whether anything uses the i-th result of a call.
func usesResult(call ssa.CallInstruction, i int) bool {
	v := call.Value()
	if v == nil {
		return false // defer, go
	}
	if v.Call.Signature().Results().Len() == 1 {
		return len(*v.Referrers()) > 0
	}
	for _, r := range *v.Referrers() {
		if x, ok := r.(*ssa.Extract); ok && x.Index == i && len(*x.Referrers()) > 0 {
			return true
		}
	}
	return false
}

// hides returns a call of fn that may switch threads without fn's signature saying
// so, nil if there is none.
func (p *cpuPass) hides(fn *ssa.Function) (found ssa.CallInstruction) {
	if p.ends[fn] || switchingSignature(fn.Signature) {
		return nil
	}
	p.moving(fn, func(call ssa.CallInstruction) {
		if found == nil {
			found = call
		}
	})
	return found
}

// checkSignature reports a function that may switch threads and does not return the CPU.
func (p *cpuPass) checkSignature(fn *ssa.Function) {
	call := p.hides(fn)
	if call == nil {
		return
	}
	if obj := fn.Object(); obj != nil && p.has(obj, &switching{}) {
		p.marks.objects[obj].used = true
		return
	}
	name := "this function literal"
	if fn.Object() != nil {
		name = fn.Name()
	}
	p.pass.Reportf(fn.Pos(), "%s may switch threads in %s, line %d, which its caller cannot see: it does not take and return a CPU",
		name, calleeName(call.Common()), p.pass.Fset.Position(call.Pos()).Line)
}

// checkStores reports functions that are marked as switching and are stored to a
// variable or field that is not. init holds the package's initial values.
func (p *cpuPass) checkStores(init *ssa.Function) {
	for _, fn := range append([]*ssa.Function{init}, p.funcs...) {
		for _, b := range fn.Blocks {
			for _, in := range b.Instrs {
				st, ok := in.(*ssa.Store)
				if !ok {
					continue
				}
				f, ok := st.Val.(*ssa.Function)
				if !ok || !p.has(f.Object(), &switching{}) {
					continue
				}
				if to := variable(st.Addr); !p.has(to, &switching{}) {
					p.pass.Reportf(storePos(st, to), "%s may switch threads, and is stored in a place whose calls do not show it", f.Name())
				}
			}
		}
	}
}

func storePos(st *ssa.Store, to types.Object) token.Pos {
	if st.Pos().IsValid() || to == nil {
		return st.Pos()
	}
	return to.Pos()
}

// checkMarks notes which marks of declarations mean something.
func (p *cpuPass) checkMarks() {
	bodies := map[types.Object]*ssa.Function{}
	for _, fn := range p.funcs {
		if fn.Object() != nil && len(fn.Blocks) > 0 {
			bodies[fn.Object()] = fn
		}
	}
	for obj, k := range p.marks.objects {
		s, ok := obj.Type().Underlying().(*types.Signature)
		body := bodies[obj]
		switch {
		case !ok: // no function
		case k.verb == "switches":
			k.used = k.used || body == nil && !switchingSignature(s)
		case k.verb == "noreturn":
			k.used = body == nil
		case k.verb == "other":
			k.used = switchingSignature(s) && body != nil
			if body != nil {
				p.moving(body, func(ssa.CallInstruction) { k.used = false })
			}
		}
	}
}
