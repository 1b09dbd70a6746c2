package main

import "syscall"

// operation is what each worker of a pair does, with what belongs to it alone.
type operation struct {
	name    string
	do      func(w *worker, i int)
	prepare func(w *worker) // before a window; without it do runs a few times
	control bool            // these conflict on purpose, and run only by name
}

// pairs lists all operations.
var pairs = slicesOf(queries, memory, files, waits, threads, controls)

func slicesOf(lists ...[]operation) (all []operation) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// queries change nothing, or what belongs to the calling thread.
var queries = []operation{
	{name: "getpid", do: func(w *worker, _ int) { w.call(syscall.SYS_GETPID) }},
	{name: "gettid", do: func(w *worker, _ int) { w.call(syscall.SYS_GETTID) }},
	{name: "getuid", do: func(w *worker, _ int) { w.call(syscall.SYS_GETUID) }},
	{name: "uname", do: func(w *worker, _ int) { w.call(syscall.SYS_UNAME, w.area) }},
	{name: "clock_gettime", do: func(w *worker, _ int) { w.call(syscall.SYS_CLOCK_GETTIME, 1, ptr(&w.times)) }},
	{name: "clock_gettime_thread", do: func(w *worker, _ int) { w.call(syscall.SYS_CLOCK_GETTIME, 3, ptr(&w.times)) }},
	{name: "getrandom", do: func(w *worker, _ int) { w.call(sysGetrandom, ptr(&w.buf), 32, 0) }},
	{name: "prctl_name", do: func(w *worker, _ int) {
		w.call(syscall.SYS_PRCTL, 15, ptr(&w.buf)) // PR_SET_NAME
		w.call(syscall.SYS_PRCTL, 16, ptr(&w.buf)) // PR_GET_NAME
	}},
	{name: "sigaltstack", do: func(w *worker, _ int) { w.call(syscall.SYS_SIGALTSTACK, 0, ptr(&w.buf)) }},
	{name: "sigprocmask", do: func(w *worker, _ int) {
		set := uint64(1) << (sigUser2 - 1)
		w.call(syscall.SYS_RT_SIGPROCMASK, 0, ptr(&set), 0, 8)
		w.call(syscall.SYS_RT_SIGPROCMASK, 1, ptr(&set), 0, 8)
	}},
	{name: "sigaction_query", do: func(w *worker, _ int) { w.call(syscall.SYS_RT_SIGACTION, uintptr(40+w.id), 0, ptr(&w.buf), 8) }},
	{name: "prlimit64", do: func(w *worker, _ int) { w.call(syscall.SYS_PRLIMIT64, 0, 7, 0, ptr(&w.times)) }},
	{name: "getrusage_thread", do: func(w *worker, _ int) { w.call(syscall.SYS_GETRUSAGE, 1, w.area) }},
	{name: "getcpu", do: func(w *worker, _ int) { w.call(sysGetcpu, ptr(&w.word), 0, 0) }},
	{name: "openat_missing", do: func(w *worker, _ int) {
		copy(w.buf[:], "/nothing\x00")
		w.expect(syscall.ENOENT, syscall.SYS_OPENAT, ^uintptr(99), ptr(&w.buf), 0)
	}},
}

// memory is about pages: each worker has its own.
var memory = []operation{
	{name: "page_fault", prepare: forget, do: func(w *worker, i int) { touch(w.area + uintptr(i+1)*page) }},
	{name: "page_fault_one_region", prepare: forgetCommon, do: func(w *worker, i int) { touch(w.ownPage(i)) }},
	{name: "page_fault_read", prepare: forget, do: func(w *worker, i int) { read(w.area + uintptr(i+1)*page) }},
	{name: "madvise_touch", do: func(w *worker, _ int) {
		w.call(syscall.SYS_MADVISE, w.area, page, syscall.MADV_DONTNEED)
		touch(w.area)
	}},
	{name: "madvise_touch_one_region", do: func(w *worker, _ int) {
		w.call(syscall.SYS_MADVISE, w.ownPage(0), page, syscall.MADV_DONTNEED)
		touch(w.ownPage(0))
	}},
	{name: "mprotect", do: func(w *worker, _ int) {
		w.call(syscall.SYS_MPROTECT, w.area, page, readOnly)
		w.call(syscall.SYS_MPROTECT, w.area, page, rw)
	}},
	{name: "mmap_munmap", do: func(w *worker, _ int) {
		w.call(syscall.SYS_MMAP, w.area+region/2, 4*page, rw, private|syscall.MAP_FIXED, nobody, 0)
		w.call(syscall.SYS_MUNMAP, w.area+region/2, 4*page)
	}},
	{name: "mmap_touch_munmap", do: func(w *worker, _ int) {
		w.call(syscall.SYS_MMAP, w.area+region/2, 4*page, rw, private|syscall.MAP_FIXED, nobody, 0)
		touch(w.area + region/2)
		w.call(syscall.SYS_MUNMAP, w.area+region/2, 4*page)
	}},
	{name: "mmap_anywhere", do: func(w *worker, _ int) {
		at := w.call(syscall.SYS_MMAP, 0, 4*page, rw, private, nobody, 0)
		w.call(syscall.SYS_MUNMAP, at, 4*page)
	}},
	{name: "mmap_anywhere_touch", do: func(w *worker, _ int) {
		at := w.call(syscall.SYS_MMAP, 0, 4*page, rw, private, nobody, 0)
		touch(at)
		w.call(syscall.SYS_MUNMAP, at, 4*page)
	}},
	{name: "mremap", do: func(w *worker, _ int) {
		at := w.area + region/2
		w.call(syscall.SYS_MMAP, at, 2*page, rw, private|syscall.MAP_FIXED, nobody, 0)
		w.call(syscall.SYS_MREMAP, at, 2*page, page, 0)
		w.call(syscall.SYS_MUNMAP, at, 2*page)
	}},
	{name: "mincore", do: func(w *worker, _ int) { w.call(syscall.SYS_MINCORE, w.area, page, ptr(&w.buf)) }},
	{name: "msync", do: func(w *worker, _ int) { w.call(syscall.SYS_MSYNC, w.area, page, 4) }},
}

// ownPage is a page of the common region. Those of two workers are in different cache lines of
// the page table.
func (w *worker) ownPage(i int) uintptr { return w.common + uintptr(128*w.id+i+8)*page }

func forget(w *worker) {
	w.call(syscall.SYS_MADVISE, w.area+page, operations*page, syscall.MADV_DONTNEED)
}

func forgetCommon(w *worker) {
	w.call(syscall.SYS_MADVISE, w.ownPage(0), operations*page, syscall.MADV_DONTNEED)
}

// controls do not commute.
var controls = []operation{
	{name: "one_pipe", control: true, do: func(w *worker, _ int) {
		w.call(syscall.SYS_WRITE, control[1], ptr(&w.buf), 1)
		w.call(syscall.SYS_READ, control[0], ptr(&w.buf), 1)
	}},
}

// control is a pipe that all workers use.
var control [2]uintptr
