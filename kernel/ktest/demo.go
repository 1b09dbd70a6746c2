package ktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"muster/kernel/inject"
)

// The demonstration is three tests that a person can watch: every CPU sorts, the collector
// runs beside all CPUs, and goroutines wake each other.

// part is how long a part of the demonstration lasts at least.
const part = time.Second

// Demonstration returns the tests, each of which goes on for a second at least.
func Demonstration(fault inject.Demo) []Test {
	return []Test{
		{Name: "sort", Run: lasting(func(ctx context.Context) error {
			if fault == inject.DemoHang {
				select {}
			}
			return sortAll(ctx, fault == inject.DemoSort)
		})},
		{Name: "gc", Run: lasting(func(context.Context) error { return collectAll(fault == inject.DemoGC) })},
		{Name: "pingpong", Run: lasting(func(context.Context) error { return exchange(fault == inject.DemoPingPong) })},
	}
}

// lasting repeats a test until the time of a part is over.
func lasting(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for end := time.Now().Add(part); ; {
			if err := run(ctx); err != nil || ctx.Err() != nil || time.Now().After(end) {
				return err
			}
		}
	}
}

// Sizes of the tests: the work for all CPUs together, and the least for each.
const (
	sortNumbers, sortLeast = 1 << 18, 1 << 10
	exchanges, leastEach   = 1 << 14, 1 << 6
)

// sortAll makes all CPUs sort numbers, and merges what they have sorted, until each CPU has
// sorted some. spoil injects a wrong result.
func sortAll(ctx context.Context, spoil bool) error {
	v := newVisits()
	for first := true; first || v.left.Load() > 0; first = false {
		if time.Now().After(v.end) {
			return fmt.Errorf("within %v no goroutine sorted on CPUs %v", v.limit, v.missing())
		}
		n := 2 * cpus()
		each := max(sortNumbers/n, sortLeast)
		parts, sums := make([][]uint32, n), make([]uint64, n)
		err := parallel(n, func(i int) error {
			parts[i], sums[i] = numbers(i, each)
			slices.Sort(parts[i])
			v.here()
			return nil
		})
		if err != nil || ctx.Err() != nil {
			return err
		}
		all := mergeAll(parts)
		if spoil {
			all[len(all)/2]++
		}
		if err := sorted(all, n*each, sums); err != nil {
			return err
		}
	}
	return nil
}

// numbers returns n numbers without order, and their sum.
func numbers(seed, n int) (list []uint32, sum uint64) {
	list = make([]uint32, n)
	x := uint64(seed)*2 + 1
	for i := range list {
		x = x*6364136223846793005 + 1442695040888963407
		list[i] = uint32(x >> 33)
		sum += uint64(list[i])
	}
	return list, sum
}

// mergeAll merges sorted lists, two at a time, on all CPUs.
func mergeAll(parts [][]uint32) []uint32 {
	for len(parts) > 1 {
		half := make([][]uint32, (len(parts)+1)/2)
		parallel(len(half), func(i int) error { // no merge fails
			half[i] = parts[2*i]
			if 2*i+1 < len(parts) {
				half[i] = merge(parts[2*i], parts[2*i+1])
			}
			return nil
		})
		parts = half
	}
	return parts[0]
}

func merge(a, b []uint32) []uint32 {
	out := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0] <= b[0] {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// sorted compares a list with the number of its elements and the sums of its parts.
func sorted(list []uint32, n int, sums []uint64) error {
	if len(list) != n {
		return fmt.Errorf("%d numbers became %d", n, len(list))
	}
	sum := uint64(0)
	for i, v := range list {
		if i > 0 && v < list[i-1] {
			return fmt.Errorf("number %d of %d is out of order", i, n)
		}
		sum += uint64(v)
	}
	for _, s := range sums {
		sum -= s
	}
	if sum != 0 {
		return errors.New("the sorted numbers are not those that were to be sorted")
	}
	return nil
}

// exchange makes two goroutines for each CPU send numbers to and fro. spoil injects a wrong
// one.
func exchange(spoil bool) error {
	n := cpus()
	times := max(exchanges/n, leastEach)
	var wrong atomic.Int64
	if spoil {
		wrong.Store(1)
	}
	return parallel(n, func(pair int) error {
		there, back := make(chan int), make(chan int)
		go func() {
			for v := range there {
				back <- v + int(wrong.Swap(0))
			}
		}()
		defer close(there)
		for i := range times {
			there <- i
			if v := <-back; v != i {
				return fmt.Errorf("pair %d sent %d and got %d back", pair, i, v)
			}
		}
		return nil
	})
}
