// Command flood writes a gigabyte to its standard output in one call. With an argument it does nothing.
// Its lines have 64 bytes, so that the kernel, which writes 4,096 bytes at a time, ends it after a whole
// line: what the shell prints next begins one.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

func main() {
	if len(os.Args) > 1 {
		return
	}
	block := bytes.Repeat([]byte(strings.Repeat("flood ", 10)+"no.\n"), 1<<20/64)
	pieces := make([]syscall.Iovec, 1024) // all are the same megabyte
	for i := range pieces {
		pieces[i] = syscall.Iovec{Base: &block[0], Len: uint64(len(block))}
	}
	n, _, err := syscall.Syscall(syscall.SYS_WRITEV, 1, uintptr(unsafe.Pointer(&pieces[0])), uintptr(len(pieces)))
	fmt.Println("flood ends:", int(n), err)
}
