package sys

import (
	"sync/atomic"
	"syscall"
)

// A program that unmaps a part of a range leaves a hole, in which the next mmap without an
// address may lie. The Go runtime makes such calls at any time, from any thread, and a program
// that maps its part again replaces the runtime's memory. So a range with holes lies where
// neither the kernel nor the runtime places anything by itself:
//
//   - Linux and Muster map from 0x7e0000000000 on, or down to it; without a limit for the
//     stack Linux maps from 0x2aaaaaaaa000 upwards, and reaches the room after 20 TiB.
//   - The runtime takes a heap at random below 1<<46.
//   - A position-independent program and its brk area are above 0x555555554000.
const (
	roomStart = 1 << 46
	roomEnd   = 0x550000000000
)

// roomGap stays free after each range: two ranges do not become one area, and a range can
// grow in place.
const roomGap = 1 << 30

var roomUsed atomic.Uintptr

// Room returns the start of n bytes of addresses that only the caller uses. Nothing is
// mapped there.
func Room(n uintptr) uintptr {
	all := (n+roomGap-1)&^(roomGap-1) + roomGap
	start := roomStart + roomUsed.Add(all) - all
	if start+all > roomEnd {
		panic("sys: no room left")
	}
	return start
}

// MapRoom maps n bytes of such addresses, private and without a file.
func MapRoom(n, prot uintptr) (uintptr, syscall.Errno) {
	const noReplace = 0x100000
	return Raw(syscall.SYS_MMAP, Room(n), n, prot, syscall.MAP_PRIVATE|syscall.MAP_ANON|noReplace, ^uintptr(0), 0)
}
