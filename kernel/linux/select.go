package linux

import (
	"math/bits"
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// selectSets is the sets of descriptors of one select: to read, to write, and with
// exceptions. They have a page of their own.
type selectSets struct {
	want, got [3]fdSet
	at        [3]uintptr // in the program's memory, 0 for none
	words     uint64     // of each set
}

type fdSet [maxFiles / 64]uint64

var _ [layout.PageSize - unsafe.Sizeof(selectSets{})]byte // it fits

// selectEvents is what each set stands for.
var selectEvents = [3]uint32{
	pollIn | pollReadBand | epollHup | epollErr,
	pollOut | pollWriteBand | epollErr,
	pollPri,
}

func sysSelect(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	limit, e := t.limitAt(c, uintptr(fr.R8), 1e6)
	if e != 0 {
		return c, errno(e)
	}
	c, r := selectFiles(c, t, fr, &limit)
	return c, limit.finish(c, t, r)
}

// sysPselect6 finds the mask and its size at its sixth argument.
func sysPselect6(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	limit, e := t.limitAt(c, uintptr(fr.R8), 1e9)
	if e != 0 {
		return c, errno(e)
	}
	if fr.R9 != 0 {
		mask, ok := t.Space.Load64(c, uintptr(fr.R9))
		size, ok2 := t.Space.Load64(c, uintptr(fr.R9)+8)
		if !ok || !ok2 {
			return c, errno(EFAULT)
		}
		if e = t.useMask(c, uintptr(mask), size); e != 0 {
			return c, errno(e)
		}
	}
	c, r := selectFiles(c, t, fr, &limit)
	t.restoreMask(c, r)
	return c, limit.finish(c, t, r)
}

// selectFiles reads the sets of the first fr.DI descriptors, waits until some are
// ready, and stores which.
func selectFiles(c *percpu.CPU, t *Task, fr *cpu.Frame, limit *timeLimit) (*percpu.CPU, uint64) {
	n := int32(fr.DI)
	if n < 0 {
		return c, errno(EINVAL)
	}
	page := uintptr(0)
	if t.proc.mayGrow(c) {
		page = allocPage(c)
	}
	if page == 0 {
		return c, errno(ENOMEM)
	}
	s := (*selectSets)(unsafe.Pointer(page))
	*s = selectSets{}
	s.at = [3]uintptr{uintptr(fr.SI), uintptr(fr.DX), uintptr(fr.R10)}
	s.words = (min(uint64(n), maxFiles) + 63) / 64
	count := uint64(0)
	e := s.load(c, t, uint64(n))
	if e == 0 {
		c, count, e = s.wait(c, t, limit)
	}
	if e == 0 {
		e = s.store(c, t)
	}
	freePage(c, page)
	if e != 0 {
		return c, errno(e)
	}
	return c, count
}

// load reads the sets, without descriptors from n on.
func (s *selectSets) load(c *percpu.CPU, t *Task, n uint64) Errno {
	for i, at := range s.at {
		if at == 0 || s.words == 0 {
			continue
		}
		if !t.Space.CopyIn(c, unsafe.Pointer(&s.want[i]), at, uintptr(s.words*8)) {
			return EFAULT
		}
		if n < s.words*64 {
			s.want[i][s.words-1] &= 1<<(n%64) - 1
		}
	}
	return 0
}

// store stores the results.
func (s *selectSets) store(c *percpu.CPU, t *Task) Errno {
	for i, at := range s.at {
		if at != 0 && s.words != 0 && !t.Space.CopyOut(c, at, unsafe.Pointer(&s.got[i]), uintptr(s.words*8)) {
			return EFAULT
		}
	}
	return 0
}

// wait looks at the files until some are ready, or the limit has come.
func (s *selectSets) wait(c *percpu.CPU, t *Task, limit *timeLimit) (_ *percpu.CPU, count uint64, e Errno) {
	w := pollWait{deadline: limit.until, expired: limit.now}
	for {
		c, count, e = s.look(c, t)
		if e == 0 && count == 0 && t.interrupted() {
			e = EINTR // as in poll
		}
		if e != 0 || count > 0 || w.expired {
			break
		}
		var fresh bool
		if fresh, e = w.open(c, t); fresh {
			c, e = s.addAll(c, t, &w)
		}
		if e == 0 {
			c, e = w.sleep(c, t)
		}
		if e != 0 {
			break
		}
	}
	return w.close(c), count, e
}

// next returns the first descriptor from fd on that is in a set, and the events that
// its sets stand for; none has no events.
func (s *selectSets) next(fd uint64) (_ uint64, events uint32) {
	for ; fd < s.words*64; fd = (fd/64 + 1) * 64 {
		word := (s.want[0][fd/64] | s.want[1][fd/64] | s.want[2][fd/64]) >> (fd % 64)
		if word == 0 {
			continue
		}
		fd += uint64(bits.TrailingZeros64(word))
		for i := range s.want {
			if s.want[i].has(fd) {
				events |= selectEvents[i]
			}
		}
		return fd, events
	}
	return fd, 0
}

func (set *fdSet) has(fd uint64) bool { return set[fd/64]>>(fd%64)&1 != 0 }

// look notes which descriptors are ready, and counts them, once for each set.
func (s *selectSets) look(c *percpu.CPU, t *Task) (_ *percpu.CPU, count uint64, e Errno) {
	turn := 0
	for fd, events := s.next(0); events != 0; fd, events = s.next(fd + 1) {
		c, events = t.eventsOf(c, fd, events)
		if events == pollNval {
			return c, 0, EBADF
		}
		for i := range s.want {
			if s.want[i].has(fd) && events&selectEvents[i] != 0 {
				s.got[i][fd/64] |= 1 << (fd % 64)
				count++
			}
		}
		c = breatheEvery(c, &turn, 16)
	}
	return c, count, 0
}

// addAll watches all descriptors of the sets.
func (s *selectSets) addAll(c *percpu.CPU, t *Task, w *pollWait) (_ *percpu.CPU, e Errno) {
	turn := 0
	for fd, events := s.next(0); events != 0; fd, events = s.next(fd + 1) {
		if c, e = w.add(c, t, fd, fd, events); e != 0 {
			return c, e
		}
		c = breatheEvery(c, &turn, 16)
	}
	return c, 0
}
