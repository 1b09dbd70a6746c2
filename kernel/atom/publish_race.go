//go:build !explore && race

package atom

// The race detector does not know that a MOV orders what is before it.

// Publish sets the value.
func (x *Uint32) Publish(v uint32) { x.Store(v) }

// Publish sets the value.
func (x *Uint64) Publish(v uint64) { x.Store(v) }

// Count adds d to a word that the caller alone changes.
func (x *Uint64) Count(d uint64) { x.Store(x.Load() + d) }
