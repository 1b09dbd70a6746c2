package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// fileKind is the kind of an open file.
type fileKind uint8

const (
	kindConsole fileKind = iota // descriptors 0, 1 and 2
	kindEvent                   // eventfd
	kindEpoll
	kindPipeRead
	kindPipeWrite
)

// File is an open file. Descriptors and system calls in progress refer to it.
type File struct {
	mu      lock.Spin
	kind    fileKind
	refs    atom.Uint32
	flags   atom.Uint32 // oNonblock
	waiters waitList    // guarded by mu
	watches list.List   // of epolls that watch this file, guarded by mu

	count     uint64 // eventfd: guarded by mu
	semaphore bool
	epoll     epoll
	pipe      *pipe // of its ends
}

// Flags of open files and descriptors.
const (
	oRdwr     = 0x2
	oNonblock = 0x800
	oCloexec  = 0x80000
	fdCloexec = 1
)

// maxFiles is RLIMIT_NOFILE: a descriptor table is one page of pointers.
const maxFiles = layout.PageSize / 8

// fileTable maps descriptors to files: nil for one that is free.
type fileTable struct {
	mu    lock.Spin
	slots *[maxFiles]*File
}

var (
	fileCache   mem.Cache
	watchCache  mem.Cache
	consoleFile File
	output      waitList // tasks that wait for room in the console's ring
	outputMu    = lock.Spin{Rank: lock.RankMutex}
)

func initFiles() {
	fileCache.Init(unsafe.Sizeof(File{}))
	watchCache.Init(unsafe.Sizeof(watch{}))
	pipeCache.Init(unsafe.Sizeof(pipe{}))
	consoleFile.init(kindConsole)
}

// init opens the console as descriptors 0, 1 and 2.
func (ft *fileTable) init(c *percpu.CPU) bool {
	ft.mu.Rank = lock.RankFile
	p, ok := mem.AllocZeroed(c)
	if !ok {
		return false
	}
	ft.slots = (*[maxFiles]*File)(unsafe.Pointer(mem.Direct(p)))
	for fd := range 3 {
		consoleFile.refs.Add(1)
		ft.slots[fd] = &consoleFile
	}
	return true
}

// get returns the file of a descriptor with one more reference, nil if the
// descriptor is free.
func (ft *fileTable) get(c *percpu.CPU, fd uint64) (f *File) {
	if uint32(fd) >= maxFiles {
		return nil
	}
	ft.mu.Lock(c)
	if f = ft.slots[uint32(fd)]; f != nil {
		f.refs.Add(1)
	}
	ft.mu.Unlock(c)
	return f
}

// install gives f the lowest free descriptor from on.
func (ft *fileTable) install(c *percpu.CPU, f *File, from uint64) (fd uint64, ok bool) {
	ft.mu.Lock(c)
	for fd = from; fd < maxFiles; fd++ {
		if ft.slots[fd] == nil {
			ft.slots[fd] = f
			ok = true
			break
		}
	}
	ft.mu.Unlock(c)
	return fd, ok
}

// remove frees a descriptor and returns the file that it had.
func (ft *fileTable) remove(c *percpu.CPU, fd uint64) (f *File) {
	if uint32(fd) >= maxFiles {
		return nil
	}
	ft.mu.Lock(c)
	f = ft.slots[uint32(fd)]
	ft.slots[uint32(fd)] = nil
	ft.mu.Unlock(c)
	return f
}

// closeAll closes every descriptor and frees the table.
func (ft *fileTable) closeAll(c *percpu.CPU) *percpu.CPU {
	for fd := range uint64(maxFiles) {
		if f := ft.remove(c, fd); f != nil {
			f.put(c)
		}
		if fd%64 == 63 {
			c = sched.Breathe(c)
		}
	}
	mem.FreeFrame(c, mem.DirectPhys(uintptr(unsafe.Pointer(ft.slots))))
	ft.slots = nil
	return c
}

// newFile makes a file with one reference, nil when memory is exhausted.
func (t *Task) newFile(c *percpu.CPU, kind fileKind) *File {
	if !t.proc.mayGrow(c) {
		return nil
	}
	f := (*File)(fileCache.Alloc(c))
	if f != nil {
		f.init(kind)
	}
	return f
}

func (f *File) init(kind fileKind) {
	f.mu.Rank = lock.RankFile
	f.kind = kind
	f.refs.Store(1)
	f.epoll.mu.Rank = lock.RankEpoll
}

// put drops a reference; the last one frees the file.
func (f *File) put(c *percpu.CPU) {
	if f.refs.Add(^uint32(0)) != 0 {
		return
	}
	f.dropWatches(c)
	switch f.kind {
	case kindPipeRead, kindPipeWrite:
		f.pipe.closeEnd(c, f)
		return
	case kindEpoll:
		f.epoll.clear(c)
	}
	fileCache.Free(c, unsafe.Pointer(f))
}

// open gives a new file a descriptor of t's process.
func (t *Task) open(c *percpu.CPU, f *File) uint64 {
	if f == nil {
		return errno(ENOMEM)
	}
	fd, ok := t.proc.files.install(c, f, 0)
	if !ok {
		f.put(c)
		return errno(EMFILE)
	}
	return fd
}

func sysClose(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.remove(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	f.put(c)
	return c, 0
}

func sysRead(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	r := errno(EINVAL)
	switch f.kind {
	case kindConsole:
		r = 0 // the keyboard belongs to the shell: end of file
	case kindEvent:
		c, r = f.readEvent(c, t, uintptr(fr.SI), fr.DX)
	case kindPipeRead:
		c, r = f.readPipe(c, t, uintptr(fr.SI), fr.DX)
	case kindPipeWrite:
		r = errno(EBADF)
	}
	f.put(c)
	return c, r
}

func sysWrite(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return write(c, t, fr.DI, uintptr(fr.SI), fr.DX)
}

func write(c *percpu.CPU, t *Task, fd uint64, p uintptr, n uint64) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fd)
	if f == nil {
		return c, errno(EBADF)
	}
	r := errno(EINVAL)
	switch f.kind {
	case kindConsole:
		c, r = writeConsole(c, t, p, n)
	case kindEvent:
		c, r = f.writeEvent(c, t, p, n)
	case kindPipeWrite:
		c, r = f.writePipe(c, t, p, n)
	case kindPipeRead:
		r = errno(EBADF)
	}
	f.put(c)
	return c, r
}

// writeConsole sends n bytes to the console and waits for room as needed.
func writeConsole(c *percpu.CPU, t *Task, p uintptr, n uint64) (*percpu.CPU, uint64) {
	var buf [256]byte
	done := uint64(0)
	for done < n {
		from := p + uintptr(done)
		k := min(n-done, uint64(len(buf)), uint64(layout.PageSize-from&pageMask)) // a missing page ends the write
		if !t.Space.CopyIn(c, unsafe.Pointer(&buf), from, uintptr(k)) {
			if done > 0 {
				return c, done
			}
			return c, errno(EFAULT)
		}
		for sent := 0; sent < int(k); {
			w := console.Write(c, buf[sent:k])
			sent += w
			done += uint64(w)
			if sent == int(k) {
				break
			}
			if t.interrupted() {
				if done > 0 {
					return c, done
				}
				return c, errno(EINTR)
			}
			c = waitForOutput(c, t)
		}
		if done < n {
			c = sched.Breathe(c)
		}
	}
	return c, done
}

// waitForOutput waits until the console's ring has room.
func waitForOutput(c *percpu.CPU, t *Task) *percpu.CPU {
	outputMu.Lock(c)
	if !console.HasRoom(c) { // under the lock, so a later wake-up finds t
		c, _ = output.wait(c, t, &outputMu, clock.Never)
	}
	outputMu.Unlock(c)
	return c
}

// ConsoleSpace wakes the tasks that wait for room in the console's ring.
func ConsoleSpace(c *percpu.CPU) {
	outputMu.Lock(c)
	output.wakeAll(c)
	outputMu.Unlock(c)
}

// iovec is one piece of a readv or writev.
type iovec struct{ base, length uint64 }

const maxIovecs = 1024

func sysWritev(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if fr.DX > maxIovecs {
		return c, errno(EINVAL)
	}
	total := uint64(0)
	for i := range fr.DX {
		var v iovec
		if !t.Space.CopyIn(c, unsafe.Pointer(&v), uintptr(fr.SI+i*16), 16) {
			return c, errno(EFAULT)
		}
		var r uint64
		if c, r = write(c, t, fr.DI, uintptr(v.base), v.length); int64(r) < 0 {
			if total > 0 {
				return c, total
			}
			return c, r
		}
		if total += r; r < v.length {
			break
		}
	}
	return c, total
}

func sysReadv(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	kind := f.kind
	f.put(c)
	if kind != kindConsole {
		return c, errno(EINVAL)
	}
	return c, 0
}
