package main

import (
	"bytes"
	"fmt"
	"syscall"
	"unsafe"
)

const (
	here = ^uintptr(99) // AT_FDCWD

	sysStatx, sysOpenat2, sysFaccessat2 = 332, 437, 439
)

// path is a name that leads nowhere, and names that the kernel cannot read.
func path(p uintptr) argument {
	a := in(p)
	return argument{p, append(a.wrong, option{"empty", text(30, "")}, option{"4095 bytes", long(31, 4095)}, option{"4096 bytes", long(32, 4096)}, option{"to the edge", ending()})}
}

// long stores a name of n bytes.
func long(purpose int, n int) uintptr {
	return text(purpose, nothing+string(bytes.Repeat([]byte{'/'}, n-len(nothing))))
}

// ending is a name without an end, before a page without rights. Nothing stores a 0 to it:
// the name would be one at which something can be made.
func ending() uintptr {
	p := none - 8
	copy(unsafe.Slice((*byte)(unsafe.Pointer(word(p, 0))), 8), nothing[:8])
	return p
}

// from is a directory's descriptor, which counts for a relative name alone.
func from(right uintptr) argument {
	return argument{right, []option{{"closed", closed}, {"-1", minus}, {"a pipe", reader}, {"high bits", right&(high-1) | high}}}
}

func paths() []test {
	call(syscall.SYS_CHDIR, text(33, "/"))
	name, local := text(34, nothing), text(35, "muster-none/x")
	how := words(36, 0, 0, 0, 0)
	tests := []test{
		{"getcwd", syscall.SYS_GETCWD, []argument{out(data[1]), wide(page, 0, 1, 2, 1<<62)}, nil, nil},
		{"open", syscall.SYS_OPEN, []argument{path(name), num(0, 1, 0x40, 1<<31), num(0)}, nil, opened},
		{"openat2", sysOpenat2, []argument{v(here), path(name), in(how), wide(24, 0, 23, 32, page+1, high|24)}, nil, opened},
		{"openat2 with an unknown flag", sysOpenat2, []argument{v(here), v(name), v(words(37, 1<<40, 0, 0)), v(24)}, nil, opened},
		{"openat2 with flag 2^23", sysOpenat2, []argument{v(here), v(name), v(words(42, 1<<23, 0, 0)), v(24)}, nil, opened},
		{"openat2 with flag 2^33", sysOpenat2, []argument{v(here), v(name), v(words(43, 1<<33, 0, 0)), v(24)}, nil, opened},
		{"openat2 with half of O_TMPFILE", sysOpenat2, []argument{v(here), v(name), v(words(44, 0x400000, 0, 0)), v(24)}, nil, opened},
		{"openat2 with a mode and nothing made", sysOpenat2, []argument{v(here), v(name), v(words(38, 0, 0o600, 0)), v(24)}, nil, opened},
		{"openat2 with an unknown resolve", sysOpenat2, []argument{v(here), v(name), v(words(39, 0, 0, 1<<40)), v(24)}, nil, opened},
		{"openat2 with a longer structure", sysOpenat2, []argument{v(here), v(name), v(words(40, 0, 0, 0, 7)), v(32)}, nil, opened},
		{"stat", syscall.SYS_STAT, []argument{path(name), out(data[1])}, nil, nil},
		{"lstat", syscall.SYS_LSTAT, []argument{path(name), out(data[1])}, nil, nil},
		{"access", syscall.SYS_ACCESS, []argument{path(name), num(0, 7, 8, minus)}, nil, nil},
		{"readlink", syscall.SYS_READLINK, []argument{path(name), out(data[1]), num(100, 0, minus)}, nil, nil},
		{"chdir", syscall.SYS_CHDIR, []argument{path(name)}, nil, nil},
		{"mkdir", syscall.SYS_MKDIR, []argument{path(name), num(0o755, minus)}, nil, nil},
		{"rmdir", syscall.SYS_RMDIR, []argument{path(name)}, nil, nil},
		{"unlink", syscall.SYS_UNLINK, []argument{path(name)}, nil, nil},
		{"link", syscall.SYS_LINK, []argument{path(name), path(name)}, nil, nil},
		{"symlink", syscall.SYS_SYMLINK, []argument{path(name), path(name)}, nil, nil},
	}
	for _, x := range []struct {
		what string
		dir  uintptr
		name uintptr
	}{{"", here, name}, {" of a relative name", here, local}} {
		tests = append(tests, []test{
			{"openat" + x.what, syscall.SYS_OPENAT, []argument{from(x.dir), path(x.name), num(0, 1, 0x40, 1<<31), num(0)}, nil, opened},
			{"newfstatat" + x.what, syscall.SYS_NEWFSTATAT, []argument{from(x.dir), path(x.name), out(data[1]), num(0, 0x100, 0x800, 1, 1<<31, minus)}, nil, nil},
			{"statx" + x.what, sysStatx, []argument{from(x.dir), path(x.name), num(0, 0x100, 0x6000, 1, 1<<31), num(0x7ff, 1<<31), out(data[1])}, nil, nil},
			{"faccessat" + x.what, syscall.SYS_FACCESSAT, []argument{from(x.dir), path(x.name), num(0, 7, 8, minus), num(0, minus)}, nil, nil},
			{"faccessat2" + x.what, sysFaccessat2, []argument{from(x.dir), path(x.name), num(0, 7, 8, minus), num(0, 0x100, 0x200, 1, minus)}, nil, nil},
			{"readlinkat" + x.what, syscall.SYS_READLINKAT, []argument{from(x.dir), path(x.name), out(data[1]), num(100, 0, minus)}, nil, nil},
			{"mkdirat" + x.what, syscall.SYS_MKDIRAT, []argument{from(x.dir), path(x.name), num(0o755)}, nil, nil},
			{"unlinkat" + x.what, syscall.SYS_UNLINKAT, []argument{from(x.dir), path(x.name), num(0, 0x200, 1, minus)}, nil, nil},
			{"renameat" + x.what, syscall.SYS_RENAMEAT, []argument{from(x.dir), path(x.name), from(x.dir), path(x.name)}, nil, nil},
		}...)
	}
	empty := text(41, "")
	return append(tests, []test{
		{"renameat of a name in the root", syscall.SYS_RENAMEAT, []argument{v(here), v(text(45, "/muster-none")), v(here), in(name)}, nil, nil},
		{"newfstatat of a descriptor", syscall.SYS_NEWFSTATAT, []argument{file(reader), some(in(empty)), out(data[1]), num(0x1000, 0, 0x1100)}, nil, mode},
		{"faccessat2 of a descriptor", sysFaccessat2, []argument{file(reader), v(empty), v(0), v(0x1000)}, nil, nil},
		{"statx of a descriptor", sysStatx, []argument{file(reader), v(empty), num(0x1000, 0), num(0x7ff, 1<<31), out(data[1])}, nil, nil},
	}...)
}

// mode prints the kind of a file that fstat has stored.
func mode(uintptr) string { return fmt.Sprintf("mode %o", uint32(*word(data[1], 3))) }
