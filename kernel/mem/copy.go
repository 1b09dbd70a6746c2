package mem

// Copy copies n bytes within the kernel's memory, from lower addresses to higher ones.
// Core code uses it for lengths that it does not know: copy of Go would change vector
// registers, which a system call preserves (docs/04-traps.md).
func Copy(to, from, n uintptr)
