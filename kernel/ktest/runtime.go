package ktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func basics(context.Context) error {
	m := map[string]int{}
	for i := range 10000 {
		m[fmt.Sprint("key", i)] = i
	}
	for i := range 10000 {
		if m[fmt.Sprint("key", i)] != i {
			return fmt.Errorf("map lost key %d", i)
		}
	}
	ch := make(chan int)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { ch <- i })
	}
	go func() { wg.Wait(); close(ch) }()
	sum := 0
	for v := range ch {
		sum += v
	}
	if sum != 4950 {
		return fmt.Errorf("sum over channels is %d, want 4950", sum)
	}
	if s := fmt.Sprintf("%08.3f|%-5s|%x|%v", 3.14159, "go", "hi", []int{1}); s != "0003.142|go   |6869|[1]" {
		return fmt.Errorf("fmt made %q", s)
	}
	return nil
}

// caught returns what f panics with, as text; "" if it does not.
func caught(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

type pair struct{ a, b int }

func panics(context.Context) error {
	var nilPair *pair
	zero := len(caught(func() {}))
	list := make([]int, 3)
	cases := []struct {
		want string
		f    func()
	}{
		{"boom", func() { panic("boom") }},
		{"nil pointer dereference", func() { nilPair.b = 1 }},
		{"integer divide by zero", func() { list[0] = 1 / zero }},
		{"index out of range [5] with length 3", func() { list[zero+5] = 1 }},
	}
	for _, c := range cases {
		if got := caught(c.f); !strings.Contains(got, c.want) {
			return fmt.Errorf("recovered %q, want %q", got, c.want)
		}
	}
	// Faults on all CPUs at once, with the collector running.
	return parallel(2*cpus(), func(int) error {
		for i := range 500 {
			keep(make([]int, 100))
			if !strings.Contains(caught(func() { nilPair.b = i }), "nil pointer") {
				return errors.New("a nil dereference did not fault")
			}
		}
		return nil
	})
}

var sink atomic.Pointer[any]

// keep makes v reachable until the next call, so that the compiler cannot leave
// it out.
func keep(v any) { sink.Store(&v) }

func timers(context.Context) error {
	began := time.Now()
	time.Sleep(30 * time.Millisecond)
	if d := time.Since(began); d < 30*time.Millisecond {
		return fmt.Errorf("slept %v instead of 30 ms", d)
	}
	began = time.Now() // before the ticker begins: a host may stop the machine in between
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 10 {
		<-tick.C
	}
	if d := time.Since(began); d < 50*time.Millisecond {
		return fmt.Errorf("10 ticks of 5 ms took %v", d)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	last := time.Now()
	for range 10000 {
		now := time.Now()
		if now.Before(last) {
			return fmt.Errorf("time went back by %v", last.Sub(now))
		}
		last = now
	}
	return nil
}

func preempt(ctx context.Context) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	ended := make(chan uint64)
	go func() {
		n := uint64(0)
		for !stop.Load() { // the compiler inlines an atomic load, so there is no call
			n++
		}
		ended <- n
	}()
	for range 5 {
		time.Sleep(time.Millisecond) // comes back only if the loop is preempted
	}
	runtime.GC() // stops the world, so it stops the loop too
	stop.Store(true)
	if <-ended == 0 {
		return errors.New("the loop never ran")
	}
	return nil
}

// node is a tree that contains its own checksum.
type node struct {
	left, right *node
	sum         uint64
}

func grow(depth int, seed uint64) *node {
	if depth == 0 {
		return nil
	}
	n := &node{left: grow(depth-1, seed*3+1), right: grow(depth-1, seed*5+2)}
	n.sum = seed * 0x9e3779b97f4a7c15
	return n
}

func (n *node) check(depth int, seed uint64) error {
	if depth == 0 {
		if n != nil {
			return errors.New("a leaf was overwritten")
		}
		return nil
	}
	if n == nil || n.sum != seed*0x9e3779b97f4a7c15 {
		return fmt.Errorf("a node at depth %d was overwritten", depth)
	}
	if err := n.left.check(depth-1, seed*3+1); err != nil {
		return err
	}
	return n.right.check(depth-1, seed*5+2)
}

func collect(context.Context) error { return collectAll(false) }

// collectAll builds trees on all CPUs while the collector runs. spoil overwrites a node.
func collectAll(spoil bool) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := parallel(cpus(), func(i int) error {
		kept := grow(12, uint64(i))
		for round := range 10 {
			seed := uint64(i*100 + round)
			if err := grow(9, seed).check(9, seed); err != nil {
				return err
			}
			runtime.GC()
		}
		if spoil && i == 0 {
			kept.left.sum++
		}
		return kept.check(12, uint64(i))
	})
	runtime.ReadMemStats(&after)
	if err == nil && after.NumGC == before.NumGC {
		return errors.New("no collection took place")
	}
	return err
}
