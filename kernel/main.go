package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"muster/boot"
	"muster/kernel/kcall"
	_ "muster/kernel/start"
)

type T struct{ x, y int }

var sink any

func startAPs(n int) {
	if err := kcall.SetCPULimit(n); err != nil {
		fmt.Println("limit", err)
	}
	t0 := time.Now()
	fmt.Println(kcall.UseTrampoline(0x8000))
	for i := 1; i < n; i++ {
		fmt.Println(kcall.PrepareCPU(uint32(i), uint32(i)))
	}
	for i := 1; i < n; i++ {
		if err := kcall.SendINIT(uint32(i)); err != nil {
			fmt.Println(err)
		}
	}
	time.Sleep(10 * time.Millisecond)
	for i := 1; i < n; i++ {
		if err := kcall.SendStartup(uint32(i), 0x8000); err != nil {
			fmt.Println(err)
		}
	}
	for i := 1; i < n; i++ {
		end := time.Now().Add(time.Second)
		for {
			c, _ := kcall.CPUInfo(i)
			if c.State >= 2 {
				break
			}
			if time.Now().After(end) {
				fmt.Println("cpu", i, "silent", c.Stage)
				break
			}
		}
		kcall.Proceed(i)
	}
	for i := 1; i < n; i++ {
		for {
			c, _ := kcall.CPUInfo(i)
			if c.State == 3 {
				break
			}
		}
	}
	fmt.Println("online in", time.Since(t0))
	runtime.SetDefaultGOMAXPROCS()
	fmt.Println("GOMAXPROCS", runtime.GOMAXPROCS(0))
}

type node struct {
	l, r *node
	v    [4]uint64
}

func tree(d int, seed uint64) *node {
	if d == 0 {
		return nil
	}
	n := &node{l: tree(d-1, seed*3+1), r: tree(d-1, seed*5+2)}
	for i := range n.v {
		n.v[i] = seed * uint64(i+1) * 0x9E3779B97F4A7C15
	}
	return n
}
func check(n *node, d int, seed uint64) int {
	if d == 0 {
		if n != nil {
			panic("corrupt: non-nil leaf")
		}
		return 0
	}
	for i := range n.v {
		if n.v[i] != seed*uint64(i+1)*0x9E3779B97F4A7C15 {
			panic(fmt.Sprintf("CORRUPT at depth %d", d))
		}
	}
	return 1 + check(n.l, d-1, seed*3+1) + check(n.r, d-1, seed*5+2)
}

func stress(n int, secs int) {
	var wg sync.WaitGroup
	end := time.Now().Add(time.Duration(secs) * time.Second)
	var iters [64]int
	var nils atomic.Uint64
	for g := 0; g < 2*n; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			seed := uint64(g + 7)
			m := map[string][]byte{}
			for time.Now().Before(end) {
				d := 6 + int(seed%6)
				t := tree(d, seed)
				k := fmt.Sprintf("key%d", seed%997)
				b := make([]byte, int(seed%5000)+1)
				for i := range b {
					b[i] = byte(len(b))
				}
				m[k] = b
				for _, v := range m {
					if v[0] != byte(len(v)) || v[len(v)-1] != byte(len(v)) {
						panic("CORRUPT map")
					}
					break
				}
				check(t, d, seed)
				seed = seed*1103515245 + 12345
				iters[g%64]++
				func() {
					defer func() {
						if recover() != nil {
							nils.Add(1)
						}
					}()
					var p *T
					p.y = 3
				}()
				if iters[g%64]%500 == 0 {
					runtime.GC()
				}
			}
		}()
	}
	wg.Wait()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	fmt.Println("stress ok", iters[:2*n], "GCs", ms.NumGC, "nils", nils.Load(), "sys", ms.Sys>>20)
}

func tlb(n int) {
	var wg sync.WaitGroup
	const pages = 32
	mem, err := syscall.Mmap(-1, 0, pages*4096, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	var gen, done atomic.Uint64
	var stale atomic.Uint64
	stop := false
	for range n {
		wg.Add(1)
		go func() {
			runtime.LockOSThread()
			defer wg.Done()
			last := uint64(0)
			for {
				g := gen.Load()
				if g == last {
					runtime.Gosched()
					continue
				}
				last = g
				if stop {
					return
				}
				for p := 0; p < pages; p++ {
					v := atomic.LoadUint64((*uint64)(unsafe.Pointer(&mem[p*4096])))
					if v != g && v != 0 {
						stale.Add(1)
					}
				}
				done.Add(1)
			}
		}()
	}
	for g := uint64(1); g <= 150; g++ {
		done.Store(0)
		for p := 0; p < pages; p++ {
			atomic.StoreUint64((*uint64)(unsafe.Pointer(&mem[p*4096])), g)
		}
		gen.Store(g)
		for done.Load() != uint64(n) {
			runtime.Gosched()
		}
		if err := syscall.Madvise(mem, syscall.MADV_DONTNEED); err != nil {
			panic(err)
		}
	}
	done.Store(0)
	stop = true
	gen.Store(1 << 40)
	wg.Wait()
	fmt.Println("shootdown test stale reads:", stale.Load())
	syscall.Munmap(mem)
}

func main() {
	boot.Keep()
	n, secs := 1, 5
	for _, e := range os.Environ() {
		fmt.Sscanf(e, "NCPU=%d", &n)
		fmt.Sscanf(e, "SECS=%d", &secs)
	}
	fmt.Println("hello from Go", runtime.Version(), runtime.NumCPU(), os.Args, strings.Join(os.Environ(), " "))
	t := time.Now()
	time.Sleep(30 * time.Millisecond)
	fmt.Println(time.Since(t), t)
	if n > 1 {
		startAPs(n)
	}
	old := runtime.GOMAXPROCS(1)
	x := 0
	stop := false
	go func() {
		for !stop {
			x++
		}
	}()
	for i := 0; i < 10; i++ {
		time.Sleep(time.Millisecond)
		runtime.Gosched()
	}
	runtime.GC()
	fmt.Println("tight loop preempted")
	stop = true
	runtime.GOMAXPROCS(old)
	stress(n, secs)
	tlb(n)
	for i := range n {
		c, _ := kcall.CPUInfo(i)
		fmt.Printf("%+v\n", *c)
	}
	fmt.Printf("%+v\n", *kcall.MemInfo())
	kcall.End(7)
}
