//go:build qemu && soak

package test

// long tells whether the tests have their whole length: make soak has hours.
const long = true
