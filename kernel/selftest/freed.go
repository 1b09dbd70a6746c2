package selftest

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// freedObject is an object that useFreed frees and goes on to use.
type freedObject struct {
	next *freedObject
	lock lock.Spin
	word uint64
}

var freedCache = mem.Cache{Name: "victim"}

// useFreed uses an object after it was freed, in one of the ways that programs have
// driven the kernel into. Only debug builds notice.
func useFreed(c *percpu.CPU, kind int) {
	freedCache.Init(unsafe.Sizeof(freedObject{}))
	o := (*freedObject)(freedCache.Alloc(c))
	other := freedCache.Alloc(c)
	if o == nil || other == nil {
		return
	}
	o.lock.Rank = lock.RankFile
	freedCache.Free(c, unsafe.Pointer(o))
	switch kind {
	case abi.CrashFreedPointer:
		o.next.word++
	case abi.CrashFreedLock:
		o.lock.Lock(c)
	case abi.CrashFreedStore:
		o.word = 5
	case abi.CrashFreedTwice:
		freedCache.Free(c, unsafe.Pointer(o))
	}
	for range 1000 { // until o leaves quarantine
		p := other
		other = freedCache.Alloc(c)
		freedCache.Free(c, p)
	}
	freedCache.Free(c, other)
}
