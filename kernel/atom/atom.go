//go:build !explore

// Package atom has the atomic words that core code shares between CPUs.
//
// In the kernel they are the types of sync/atomic, nothing more. Built with
// -tags explore, every operation first asks a scheduler which CPU may go on:
// package explore drives the very code that ships through all interleavings of
// a few CPUs on the host. Core packages therefore never import sync/atomic.
//
// Layer: core.
// Context: any.
// Locks: none.
// Manual: Intel SDM vol. 3A, "Memory Ordering"; on amd64 loads are MOV, stores XCHG.
// Chapter: docs/02-black-box.md.
package atom

import (
	"sync/atomic"

	"muster/kernel/cpu"
)

// Uint32 is an atomic 32-bit word.
type Uint32 = atomic.Uint32

// Uint64 is an atomic 64-bit word.
type Uint64 = atomic.Uint64

// Uintptr is an atomic address. Addresses of objects outside the Go heap travel
// in it: storing an atomic.Pointer would call the runtime's write barrier.
type Uintptr = atomic.Uintptr

// Pause is the body of a spin-wait loop: nothing that this CPU does itself can
// end the wait.
func Pause() { cpu.Pause() }
