//go:build !explore && !race

package atom

// Publish sets the value by a plain MOV, where Store is an XCHG. On amd64 a CPU's stores become
// visible in their order, and after its earlier loads, so other CPUs see the value after all that
// this CPU did before. But this CPU may make a load that follows before others see the value: where
// two CPUs each store one word and then look at the other's, only Store will do. The Go compiler
// keeps stores in their order, and no load moves past a store that follows it.
func (x *Uint32) Publish(v uint32) { x.v = v }

// Publish is as Uint32's.
func (x *Uint64) Publish(v uint64) { x.v = v }

// Count adds d to a word that this CPU alone changes, without a lock: other CPUs only load it.
func (x *Uint64) Count(d uint64) { x.v += d }
