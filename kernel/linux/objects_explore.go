//go:build explore

package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// In models the memory of objects is the test's. What is
// freed is not used again: a second free panics, and an access finds no lock, or one
// that no CPU unlocks.

// stock is what a model allocates from and frees into.
var stock struct {
	files   []*File
	epolls  []*epoll
	pipes   []*pipe
	watches []*watch
	pages   []*[layout.PageSize]byte // those in use: rings have their addresses alone
	freed   map[unsafe.Pointer]bool
}

// pop takes the last object of a list, nil if there is none.
func pop[T any](list *[]*T) *T {
	n := len(*list) - 1
	if n < 0 {
		return nil
	}
	p := (*list)[n]
	*list = (*list)[:n]
	return p
}

func allocFile(*percpu.CPU) *File { return pop(&stock.files) }

func allocEpoll(*percpu.CPU) *epoll { return pop(&stock.epolls) }

func allocPipe(*percpu.CPU) *pipe { return pop(&stock.pipes) }

func allocWatch(*percpu.CPU) *watch { return pop(&stock.watches) }

func freeObject(p unsafe.Pointer) {
	if stock.freed[p] {
		panic("freed twice")
	}
	if stock.freed != nil {
		stock.freed[p] = true
	}
}

// freeWatch leaves a watch that looks alive, and leads nowhere.
func freeWatch(_ *percpu.CPU, w *watch) {
	freeObject(unsafe.Pointer(w))
	*w = watch{}
	new(list.List).Push(&w.reporting)
}

func freeEpoll(c *percpu.CPU, ep *epoll) {
	freeObject(unsafe.Pointer(ep))
	ep.mu.Lock(c) // and no unlock
}

func freeFile(_ *percpu.CPU, f *File) {
	freeObject(unsafe.Pointer(f))
	f.mu, f.epoll, f.pipe = nil, nil, nil
}

func freePipe(c *percpu.CPU, p *pipe) {
	freeObject(unsafe.Pointer(p))
	p.mu.Lock(c) // and no unlock
}

func allocPage(*percpu.CPU) uintptr {
	p := new([layout.PageSize]byte)
	stock.pages = append(stock.pages, p)
	return uintptr(unsafe.Pointer(p))
}

func freePage(_ *percpu.CPU, page uintptr) { freeObject(unsafe.Pointer(page)) }

func freeTimer(_ *percpu.CPU, tm *timer) { freeObject(unsafe.Pointer(tm)) }

func freeProcess(c *percpu.CPU, p *Process) {
	freeObject(unsafe.Pointer(p))
	if !p.mu.TryLock(c) { // and no unlock
		panic("freed while a CPU holds its lock")
	}
}

func freeSpace(_ *percpu.CPU, s *mem.Space) { freeObject(unsafe.Pointer(s)) }
