package ktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"muster/kernel/klog"
)

// Stress returns a test that loads all parts of the runtime for a time: trees and
// maps that the collector must keep, call-free loops that must be preempted, nil
// dereferences on all CPUs, and tokens that go round rings of channels.
func Stress(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		var rounds, nils, spins, tokens atomic.Uint64
		workers := []func(int) error{
			func(i int) error { return churn(ctx, uint64(i), &rounds) },
			func(i int) error { return dereference(ctx, &nils) },
			func(i int) error { return spin(ctx, &spins) },
			func(i int) error { return ring(ctx, &tokens) },
		}
		err := parallel(len(workers)*cpus(), func(i int) error { return workers[i%len(workers)](i) })
		klog.Infof("stress: %d trees, %d nil dereferences, %d loops, %d tokens",
			rounds.Load(), nils.Load(), spins.Load(), tokens.Load())
		if err == nil && (rounds.Load() == 0 || nils.Load() == 0 || spins.Load() == 0 || tokens.Load() == 0) {
			return errors.New("a kind of worker made no progress")
		}
		return err
	}
}

// churn builds and checks trees and buffers, some of which live on.
func churn(ctx context.Context, seed uint64, rounds *atomic.Uint64) error {
	kept := grow(12, seed)
	buffers := map[string][]byte{}
	for i := seed; ctx.Err() == nil; i = i*1103515245 + 12345 {
		depth := 6 + int(i%6)
		if err := grow(depth, i).check(depth, i); err != nil {
			return err
		}
		b := make([]byte, i%5000+1)
		for j := range b {
			b[j] = byte(len(b))
		}
		buffers[fmt.Sprint(i%997)] = b
		for _, b := range buffers {
			if b[0] != byte(len(b)) || b[len(b)-1] != byte(len(b)) {
				return errors.New("a buffer in a map was overwritten")
			}
		}
		if rounds.Add(1)%200 == 0 {
			runtime.GC()
		}
	}
	return kept.check(12, seed)
}

func dereference(ctx context.Context, n *atomic.Uint64) error {
	var p *pair
	for ctx.Err() == nil {
		if caught(func() { p.b = 1 }) == "" {
			return errors.New("a nil dereference did not fault")
		}
		n.Add(1)
		if n.Load()%64 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// spin runs loops without a call, a few milliseconds each.
func spin(ctx context.Context, n *atomic.Uint64) error {
	for ctx.Err() == nil {
		x := uint64(1)
		for range 2_000_000 {
			x = x*6364136223846793005 + 1
		}
		keep(x)
		n.Add(1)
		time.Sleep(2 * time.Millisecond)
	}
	return nil
}

// ring sends a token round 8 goroutines and checks that it counts every hop.
func ring(ctx context.Context, n *atomic.Uint64) error {
	const members = 8
	var links [members]chan int
	for i := range links {
		links[i] = make(chan int)
	}
	for i := 1; i < members; i++ {
		go func() {
			for v := range links[i] {
				links[(i+1)%members] <- v + 1
			}
			if i+1 < members {
				close(links[i+1])
			}
		}()
	}
	defer close(links[1])
	for v := 0; ctx.Err() == nil; n.Add(1) {
		links[1] <- v
		got := <-links[0]
		if got != v+members-1 {
			return fmt.Errorf("a token made %d hops instead of %d", got-v, members-1)
		}
		v = got
	}
	return nil
}
