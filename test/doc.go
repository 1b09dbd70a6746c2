// Package test boots the kernel in QEMU and looks at what it does. Its tests have
// the build tag qemu, and need make build debug iso before them.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package test
