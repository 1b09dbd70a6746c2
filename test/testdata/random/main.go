// Command random prints random numbers that the kernel gave to this program.
package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

func main() {
	const sysGetrandom = 318
	var b [32]byte
	n, _, errno := syscall.Syscall(sysGetrandom, uintptr(unsafe.Pointer(&b)), uintptr(len(b)), 0)
	if errno != 0 || n != uintptr(len(b)) {
		fmt.Println("getrandom:", n, errno)
		os.Exit(1)
	}
	fmt.Printf("random %x\n", b)
}
