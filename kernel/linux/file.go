package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/refs"
	"muster/kernel/sched"
	"muster/kernel/tree"
)

// fileKind is the kind of an open file.
type fileKind uint8

const (
	kindConsole fileKind = iota // descriptors 0, 1 and 2 that have no port
	kindEvent                   // eventfd
	kindEpoll
	kindPipeRead
	kindPipeWrite
	kindInput  // descriptor 0 of programs, if they have a port
	kindOutput // descriptors 1 and 2 of programs, if they have a port
)

// File is an open file. Descriptors and system calls in progress have references to
// it; the watches of epolls point to it without one.
type File struct {
	mu      *lock.Spin // own, or the pipe's, which both ends share
	own     lock.Spin
	kind    fileKind
	refs    refs.Count
	flags   atom.Uint32 // oNonblock
	waiters waitList    // guarded by mu
	watches tree.Tree   // of epolls that watch this file, in the order of arrival; guarded by mu
	arrived uint64      // watches that ever came; guarded by mu
	ending  list.Link   // in a list of files without references

	event eventCount // of an eventfd
	epoll *epoll
	pipe  *pipe   // of its ends
	out   *output // of kindConsole and kindOutput
}

// Flags of open files and descriptors.
const (
	oRdonly   = 0x0
	oWronly   = 0x1
	oRdwr     = 0x2
	oAppend   = 0x400 // has no effect: streams have no file position
	oNonblock = 0x800
	oAsync    = 0x2000 // signals for input: not supported
	oDirect   = 0x4000 // pipes of packets: not supported
	oCloexec  = 0x80000
)

var (
	fileCache  = mem.Cache{Name: "file"}
	watchCache = mem.Cache{Name: "watch"}
	epollCache = mem.Cache{Name: "epoll"}
	pipeCache  = mem.Cache{Name: "pipe"}
)

func initFiles() {
	fileCache.Init(unsafe.Sizeof(File{}))
	watchCache.Init(unsafe.Sizeof(watch{}))
	epollCache.Init(unsafe.Sizeof(epoll{}))
	pipeCache.Init(unsafe.Sizeof(pipe{}))
	nesting.Init()
	initConsole()
}

// newFile makes a file with one reference, nil when memory is exhausted.
func (t *Task) newFile(c *percpu.CPU, kind fileKind) *File {
	if !t.proc.mayGrow(c) {
		return nil
	}
	f := allocFile(c)
	if f != nil {
		f.init(kind)
	}
	return f
}

func (f *File) init(kind fileKind) {
	f.own.Rank = lock.RankFile
	f.mu = &f.own
	f.kind = kind
	f.refs.Init()
}

// put gives up a reference; the last one ends the file.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (f *File) put(c *percpu.CPU) *percpu.CPU {
	if f.refs.Put(c) {
		c = f.finish(c)
	}
	return c
}

// finish ends a file without references. It is not a part of put, which the compiler can
// inline so.
//
//go:noinline
func (f *File) finish(c *percpu.CPU) *percpu.CPU {
	var dying endings
	dying.files.Push(&f.ending)
	return dying.finish(c)
}

// endings is files whose last reference is gone. The end of one file may take the
// last reference of another, so ends are collected and worked off in a loop.
type endings struct{ files list.Stack }

// put gives up a reference to a file, and collects the file if it was the last.
func (e *endings) put(c *percpu.CPU, f *File) {
	if f.refs.Put(c) {
		e.files.Push(&f.ending)
	}
}

// join takes over what another list has collected.
func (e *endings) join(from *endings) {
	for k := from.files.Pop(); k != nil; k = from.files.Pop() {
		e.files.Push(k)
	}
}

// finish ends the collected files. A file is withdrawn first: from the epolls that
// watch it, from the other end of its pipe. Then its memory is freed.
func (e *endings) finish(c *percpu.CPU) *percpu.CPU {
	for k := e.files.Pop(); k != nil; k = e.files.Pop() {
		f := (*File)(unsafe.Add(unsafe.Pointer(k), -int(unsafe.Offsetof(File{}.ending))))
		c = f.dropWatches(c)
		switch f.kind {
		case kindPipeRead, kindPipeWrite:
			c = f.pipe.closeEnd(c, f, e)
		case kindEpoll:
			c = f.epoll.close(c, e)
		}
		awaitReaders(c, uintptr(unsafe.Pointer(f)))
		freeFile(c, f)
	}
	return c
}

// ready returns the epoll events that hold now. For an epoll see File.settle, too.
//
// Locks: f.mu held.
func (f *File) ready(c *percpu.CPU) (events uint32) {
	f.mu.AssertHeld(c)
	switch f.kind {
	case kindEvent:
		events = f.event.ready()
	case kindConsole:
		events = pollIn | pollOut // a read returns the end of the file at once
	case kindInput:
		events = inputReady(c)
	case kindOutput:
		events = f.out.ready(c)
	case kindPipeRead, kindPipeWrite:
		events = f.pipe.ready(c, f)
	case kindEpoll:
		events = f.epoll.isReady(c)
	}
	return events
}

// poll returns the events that hold now.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (f *File) poll(c *percpu.CPU) (_ *percpu.CPU, events uint32) {
	c = f.settle(c)
	f.mu.Lock(c)
	events = f.ready(c)
	f.mu.Unlock(c)
	return c, events
}

// wait waits once for a change of f. An error says that the system call must end
// instead: f is non-blocking, or a signal has come.
//
// Locks: f.mu held, dropped meanwhile.
func (f *File) wait(c *percpu.CPU, t *Task) (*percpu.CPU, Errno) {
	f.mu.AssertHeld(c)
	if f.flags.Load()&oNonblock != 0 {
		return c, EAGAIN
	}
	if t.interrupted() {
		return c, eRestart
	}
	c, _ = f.waiters.wait(c, t, f.mu, clock.Never)
	return c, 0
}

// breatheEvery lets interrupts in after some turns of a loop; turn counts them.
func breatheEvery(c *percpu.CPU, turn *int, every int) *percpu.CPU {
	if *turn++; *turn%every == 0 {
		c = sched.Breathe(c)
	}
	return c
}
