//go:build !explore

package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// The memory of objects. That of files and what belongs to them counts for the current
// process. In models of the explorer it comes from elsewhere, and what is freed cannot be
// used again: see objects_explore.go.

func alloc[T any](c *percpu.CPU, k *mem.Cache) *T {
	o := (*T)(k.Alloc(c))
	if o != nil {
		charge(c, int(unsafe.Sizeof(*o)))
	}
	return o
}

func free[T any](c *percpu.CPU, k *mem.Cache, o *T) {
	charge(c, -int(unsafe.Sizeof(*o)))
	k.Free(c, unsafe.Pointer(o))
}

func allocFile(c *percpu.CPU) *File { return alloc[File](c, &fileCache) }

func allocEpoll(c *percpu.CPU) *epoll { return alloc[epoll](c, &epollCache) }

func allocPipe(c *percpu.CPU) *pipe { return alloc[pipe](c, &pipeCache) }

func allocWatch(c *percpu.CPU) *watch { return alloc[watch](c, &watchCache) }

func freeWatch(c *percpu.CPU, w *watch) { free(c, &watchCache, w) }

func freeEpoll(c *percpu.CPU, ep *epoll) { free(c, &epollCache, ep) }

func freeFile(c *percpu.CPU, f *File) { free(c, &fileCache, f) }

func freePipe(c *percpu.CPU, p *pipe) { free(c, &pipeCache, p) }

// allocPage returns a page of the direct map with undefined contents, 0 when memory
// is exhausted.
func allocPage(c *percpu.CPU) uintptr {
	p, ok := mem.AllocFrame(c)
	if !ok {
		return 0
	}
	charge(c, layout.PageSize)
	return mem.Direct(p)
}

func freePage(c *percpu.CPU, page uintptr) {
	charge(c, -layout.PageSize)
	mem.FreeFrame(c, mem.DirectPhys(page))
}

func freeTimer(c *percpu.CPU, tm *timer) { timerCache.Free(c, unsafe.Pointer(tm)) }

func freeProcess(c *percpu.CPU, p *Process) { processCache.Free(c, unsafe.Pointer(p)) }

func freeSpace(c *percpu.CPU, s *mem.Space) { s.Free(c) }
