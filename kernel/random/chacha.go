// Package random is the kernel's generator of random numbers: for getrandom, for the
// AT_RANDOM of programs, and for the kernel's own runtime.
//
// The state is a key of 32 bytes. What comes in is mixed into the key by ChaCha20, so
// no source makes the state worse, and each output replaces the key, so a state that is
// read later does not give earlier numbers away. Each CPU has a state of its own, which
// takes its key from the common one, again after every 2 KiB.
//
// The primitive is ChaCha20, written here: crypto packages need the heap, and the core
// has none.
//
// Layer: core.
// Context: interrupts off.
// Locks: random.mu guards the common state; a CPU's own needs none.
// Manual: RFC 8439, "ChaCha20 and Poly1305 for IETF Protocols"; Intel SDM vol. 1,
// "Random Number Generator Instructions".
// Chapter: docs/10-system-calls.md.
// Left out: an estimate of the entropy; the seed file of a disk; EFI's RNG protocol, which
// ends with the boot services, before GRUB starts the kernel.
package random

import "math/bits"

// block computes one block of ChaCha20 (RFC 8439, "The ChaCha20 Block Function").
func block(key *[8]uint32, counter uint32, nonce *[3]uint32) (out [16]uint32) {
	in := [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, // "expand 32-byte k"
		key[0], key[1], key[2], key[3], key[4], key[5], key[6], key[7], counter, nonce[0], nonce[1], nonce[2]}
	out = in
	for range 10 {
		quarter(&out, 0, 4, 8, 12)
		quarter(&out, 1, 5, 9, 13)
		quarter(&out, 2, 6, 10, 14)
		quarter(&out, 3, 7, 11, 15)
		quarter(&out, 0, 5, 10, 15)
		quarter(&out, 1, 6, 11, 12)
		quarter(&out, 2, 7, 8, 13)
		quarter(&out, 3, 4, 9, 14)
	}
	for i := range out {
		out[i] += in[i]
	}
	return out
}

// quarter is the quarter round on four words of s.
func quarter(s *[16]uint32, a, b, c, d int) {
	s[a] += s[b]
	s[d] = bits.RotateLeft32(s[d]^s[a], 16)
	s[c] += s[d]
	s[b] = bits.RotateLeft32(s[b]^s[c], 12)
	s[a] += s[b]
	s[d] = bits.RotateLeft32(s[d]^s[a], 8)
	s[c] += s[d]
	s[b] = bits.RotateLeft32(s[b]^s[c], 7)
}
