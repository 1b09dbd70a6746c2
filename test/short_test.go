//go:build qemu && !soak

package test

// long tells whether the tests have their whole length: make test has 20 minutes.
const long = false
