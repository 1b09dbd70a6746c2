package mem

import (
	"sync/atomic"
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/tree"
	"muster/kernel/upcall"
)

// Prot is the rights of threads on the pages of an area, with Linux's values.
type Prot uint8

// Rights.
const (
	ProtRead  Prot = 1
	ProtWrite Prot = 2
	ProtExec  Prot = 4
)

// Area is a range of addresses with the same rights. Its pages are allocated at
// first touch.
type Area struct {
	node      tree.Node // first; Key is the start
	end       uintptr
	prot      Prot
	dying     bool     // being unmapped: faults fail, the addresses are not free
	may       Prot     // of a lent page: the rights that it may have
	lent      PhysAddr // the frame of a lent page, 0 for other areas: see lent.go
	low, high uintptr  // of the subtree: lowest start, highest end
	gap       uintptr  // of the subtree: largest hole between its areas
}

func (a *Area) start() uintptr { return uintptr(a.node.Key) }

func areaOf(n *tree.Node) *Area { return (*Area)(unsafe.Pointer(n)) }

// Space is an address space: the lower half for a program, or the range of Go
// memory for the kernel itself.
//
// A lock of the caller's (linux.mapLock) excludes concurrent changes to areas at the same
// addresses and is held across chunks. Space.mu guards areas and tables during
// one step.
type Space struct {
	// Read by each page fault. All but changes stays what it is.
	root      PhysAddr
	low, high uintptr     // addresses that pointers may have
	from, to  uintptr     // addresses that mappings may have
	changes   atom.Uint64 // of the kind that page faults must not miss: see quick.go; written under mu
	number    uint64      // of a program's space; none has it again
	user      bool
	_         [7]byte

	mu      lock.Spin
	areas   tree.Tree
	count   int          // of areas, stored under mu
	last    *Area        // found last
	tables  uint64       // page tables without the root, guarded by mu
	cpus    *percpu.Mask // CPUs whose TLB may hold entries
	own     percpu.Mask  // cpus of a program
	charged atom.Uint64  // pages, without what CPUs have in Charge
	faults  atom.Uint64  // page faults resolved, in the kernel's space
	asked   atom.Uint64  // allocations that could fail on request; see denied.go
}

var (
	areaCache         = Cache{Name: "area"}
	spaceCache        = Cache{Name: "space"}
	maskCache         = Cache{Name: "CPU mask"}
	maxCPUs    uint32 = 1
)

// Kernel is the space of the kernel's own Go runtime.
var Kernel Space

// InitSpaces prepares Kernel and NewSpace.
//
// Context: boot CPU, after Init.
func InitSpaces(online *percpu.Mask) {
	areaCache.Init(unsafe.Sizeof(Area{}))
	spaceCache.Init(unsafe.Sizeof(Space{}))
	Kernel.init(kernelRoot, false)
	Kernel.low, Kernel.high = layout.GoBase, layout.GoEnd
	Kernel.from, Kernel.to = layout.GoBase, layout.GoEnd
	Kernel.cpus = online
}

// SetMaxCPUs sets the number of CPUs for the masks of later spaces, and for the caches of
// frames.
//
// Context: boot CPU, while only the boot CPU is online.
func SetMaxCPUs(n uint32) {
	maxCPUs = n
	frames.reserve = reserveFor(frames.total, n)
	sizeCaches(n)
	sizeAhead(n)
	maskCache.Init(percpu.MaskBytes(n))
}

func (s *Space) init(root PhysAddr, user bool) {
	s.mu.Rank = lock.RankSpace
	s.root = root
	s.user = user
	s.areas.Refresh = refreshArea
}

// NewSpace makes an empty address space for ring 3, nil when memory is exhausted.
func NewSpace(c *percpu.CPU) *Space {
	s := (*Space)(spaceCache.Alloc(c))
	if s == nil {
		return nil
	}
	mask := maskCache.Alloc(c)
	root, ok := AllocZeroed(c)
	if !ok || mask == nil {
		if ok {
			FreeFrame(c, root)
		}
		if mask != nil {
			maskCache.Free(c, mask)
		}
		spaceCache.Free(c, unsafe.Pointer(s))
		return nil
	}
	copyKernelHalf(root)
	s.init(root, true)
	s.number = numbers.Add(1)
	s.low, s.high = 0, layout.UserEnd
	s.from, s.to = layout.UserStart, layout.UserEnd
	s.own.Init(uintptr(mask), maxCPUs)
	s.cpus = &s.own
	return s
}

// Detach makes every CPU leave a space that has no mapped area and no thread any
// more. A CPU may still have the space loaded, because it has run no thread of
// another space since; it loads the kernel's own space when it flushes.
//
// Context: interrupts off, no lock held. Free follows.
func (s *Space) Detach(c *percpu.CPU) {
	LeaveUser(c)
	flushOthers(c, s.cpus, everything, lazyToo)
	if id, ok := s.cpus.Next(0); ok {
		upcall.Panic(c, "mem: address space freed while in use; CPU", uint64(id), 0)
	}
}

// Free frees a space that every CPU has left. Its tables went with its areas.
func (s *Space) Free(c *percpu.CPU) {
	if s.tables != 0 || s.count != 0 {
		upcall.Panic(c, "mem: address space freed with page tables, areas", s.tables, uint64(s.count))
	}
	FreeFrame(c, s.root)
	maskCache.Free(c, s.own.Memory())
	spaceCache.Free(c, unsafe.Pointer(s))
}

// Charged returns the number of pages that the space holds. Changes that other CPUs make
// meanwhile may be missing.
func (s *Space) Charged() uint64 {
	n := s.charged.Load()
	if s.user {
		for id, ok := s.cpus.Next(0); ok; id, ok = s.cpus.Next(id + 1) {
			n += percpu.Get(id).Charge.Load()
		}
	}
	return uint64(max(int64(n), 0)) // a CPU may have lost a page that another one has not counted yet
}

// charge counts n pages more, or less. A CPU that has the space loaded counts by itself.
func (s *Space) charge(c *percpu.CPU, n uint64) {
	if s.user && c.Space == uintptr(unsafe.Pointer(s)) {
		c.Charge.Store(c.Charge.Load() + n)
	} else {
		s.charged.Add(n)
	}
}

// settle moves what c has counted to the space that it leaves.
func (s *Space) settle(c *percpu.CPU) {
	if n := c.Charge.Load(); n != 0 {
		c.Charge.Store(0)
		s.charged.Add(n)
	}
}

// Faults returns the number of page faults that were resolved, in the kernel's space.
func (s *Space) Faults() uint64 { return s.faults.Load() }

// KernelBytes returns the kernel memory that the space's areas and page tables take.
// Changes that other CPUs make meanwhile may be missing.
func (s *Space) KernelBytes() uint64 {
	areas := uint64(s.count) * uint64(areaCache.size)
	return areas + atomic.LoadUint64(&s.tables)*layout.PageSize
}

// User reports whether the space belongs to ring 3.
func (s *Space) User() bool { return s.user }

// Enter makes s the current space of c, for a thread of s. The kernel's space is
// part of every other one, so for a kernel thread the loaded space stays, and
// c.Lazy records that.
func (s *Space) Enter(c *percpu.CPU) {
	if !s.user {
		c.BeLazy()
		return
	}
	back := c.Lazy.Load() != 0
	if back {
		c.Lazy.Store(0) // before FlushLate is read, and before the CPU is in the set
	}
	old := (*Space)(unsafe.Pointer(c.Space))
	if old == s {
		if back {
			catchUp(c)
		}
		return
	}
	if s.follows(c) {
		cpu.DropLDT()
		if barrier {
			cpu.Barrier()
		}
	}
	if old != nil {
		old.settle(c)
	}
	s.cpus.Set(c.ID) // before CR3: a CPU that unmaps from now on requests a flush from this CPU too
	forget(c)
	loadRoot(c, s.root)
	c.Space = uintptr(unsafe.Pointer(s))
	if old != nil {
		old.cpus.Clear(c.ID) // after CR3: the tables may be freed at once
	}
}

var (
	barrier bool        // a CPU forgets what a program has taught its branch predictor before another one runs
	numbers atom.Uint64 // of spaces made
)

// UseBarrier makes each CPU execute cpu.Barrier between two programs.
//
// Context: boot CPU; every CPU must have the feature.
func UseBarrier() { barrier = true }

// follows records that s is the space of the program that runs on c from now on. It
// reports whether another program ran there before, which may have ended meanwhile.
func (s *Space) follows(c *percpu.CPU) bool {
	before := c.Program
	c.Program = s.number
	return before != 0 && before != s.number
}

// LeaveUser makes c load the kernel's space if a program's space is still loaded.
func LeaveUser(c *percpu.CPU) {
	old := (*Space)(unsafe.Pointer(c.Space))
	forget(c)
	loadRoot(c, kernelRoot)
	if old != nil {
		c.Space = 0
		old.settle(c)
		old.cpus.Clear(c.ID)
	}
}
