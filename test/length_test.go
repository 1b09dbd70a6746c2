//go:build qemu

package test

// expires is for machines in which a wait of the kernel runs out on purpose. Limits that grew
// with the host would make each of these tests minutes long on a crowded one; CPUs that work
// keep a limit of 2 s there, too.
const expires = "deadline-scale=2"

// length returns a number for make test, or the larger one for make soak.
func length(short, whole int) int {
	if long {
		return whole
	}
	return short
}
