//go:build debug

package cpu

// Audited says whether this build counts privileged operations.
const Audited = true
