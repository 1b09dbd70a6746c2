package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// Calls that name a file by a path. There is no file that has a name, and nothing can be
// made: what is left to say is what is wrong with the arguments, in Linux's order, and
// that the file does not exist. Left out are the limit of 255 bytes for a component, and
// the difference that a slash at the end makes to what would be made.

// Sizes of names.
const (
	pathBytes      = 4096 // the longest name, with its end
	pathStep       = 64   // bytes that readName reads at a time
	componentDepth = 2    // what matters of the number of components: none, one, or more
)

// atCurrentDir stands for the current directory, in place of a descriptor: AT_FDCWD.
const (
	atCurrentDir = -100
	currentDir   = 1<<64 + atCurrentDir // as an argument
)

// pathName is what readName finds out about a name.
type pathName struct {
	bytes    uint32 // so far
	absolute bool
	parts    uint32 // components, at most componentDepth: the root alone has none
	letters  uint32 // of the present component; "." and ".." count as less than beyondDots
}

// beyondDots is the number of letters of a component that is neither "." nor "..".
const beyondDots = 3

// scan takes the next bytes of a name, and reports whether its end is among them.
func (n *pathName) scan(piece []byte) (ended bool) {
	for _, b := range piece {
		if n.bytes == 0 {
			n.absolute = b == '/'
		}
		switch {
		case b != '/' && b != 0:
			if n.letters++; b != '.' {
				n.letters = beyondDots
			}
		case n.letters >= beyondDots || n.letters > 0 && n.parts > 0: // in the root, "." and ".." are the root
			n.parts = min(n.parts+1, componentDepth)
			n.letters = 0
		default:
			n.letters = 0
		}
		if b == 0 {
			return true
		}
		n.bytes++
	}
	return false
}

// readName reads the name at an address.
func (t *Task) readName(c *percpu.CPU, at uintptr) (n pathName, e Errno) {
	var piece [pathStep]byte
	for n.bytes < pathBytes {
		from := at + uintptr(n.bytes)
		size := min(pathStep, uintptr(pathBytes-n.bytes), layout.PageSize-from&pageMask)
		if !t.Space.CopyIn(c, unsafe.Pointer(&piece), from, size) {
			return n, EFAULT
		}
		if n.scan(piece[:size]) {
			if n.bytes == 0 {
				e = ENOENT
			}
			return n, e
		}
	}
	return n, ENAMETOOLONG
}

// lookup reads a name that counts from a directory's descriptor if it is relative. No
// descriptor is one of a directory.
func (t *Task) lookup(c *percpu.CPU, dir uint64, at uintptr) (n pathName, e Errno) {
	n, e = t.readName(c, at)
	if e == 0 && !n.absolute && int32(dir) != atCurrentDir {
		if e = ENOTDIR; !t.hasFile(dir) {
			e = EBADF
		}
	}
	return n, e
}

// absent returns why there is no file with a name.
func (t *Task) absent(c *percpu.CPU, dir uint64, at uintptr) uint64 {
	if _, e := t.lookup(c, dir, at); e != 0 {
		return errno(e)
	}
	return errno(ENOENT)
}

// notMade returns why no file can be made with a name.
func (t *Task) notMade(c *percpu.CPU, dir uint64, at uintptr) uint64 {
	n, e := t.lookup(c, dir, at)
	switch {
	case e != 0:
		return errno(e)
	case n.parts == 0:
		return errno(EEXIST)
	case n.parts == 1:
		return errno(EROFS)
	}
	return errno(ENOENT) // the directory does not exist either
}

// isDescriptor reports whether an empty name stands for the descriptor, and if so, whether that
// has a file.
func (t *Task) isDescriptor(c *percpu.CPU, dir uint64, at uintptr, flags uint32) (yes bool, e Errno) {
	if flags&atEmptyPath == 0 || int32(dir) == atCurrentDir {
		return false, 0
	}
	var first [1]byte
	if !t.Space.CopyIn(c, unsafe.Pointer(&first), at, 1) {
		return false, EFAULT
	}
	if first[0] != 0 {
		return false, 0
	}
	if !t.hasFile(dir) {
		return true, EBADF
	}
	return true, 0
}
