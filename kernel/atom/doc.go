// Package atom has the atomic words that CPUs share in core code.
//
// In the kernel each operation is the instruction that sync/atomic's function
// compiles to. Release, Publish and Count have no such function, and are cheaper. Built with -tags explore, every operation first lets a scheduler
// choose the CPU that goes on: package explore drives the kernel's own code through the
// interleavings of a few CPUs on the host. Core packages therefore use this package in
// place of sync/atomic. Two exceptions import sync/atomic: cpu, which lies below, and
// mem, for page-table entries, which hardware writes too. (Aliases of sync/atomic's
// types would cost too much: the compiler does not inline methods of a type that a
// package reaches by an alias alone.)
//
// Layer: core.
// Context: any.
// Locks: none.
// Manual: Intel SDM vol. 3A, "Memory Ordering"; on amd64 loads are MOV, stores XCHG; Release and Publish are MOV.
// Chapter: docs/02-black-box.md.
package atom
