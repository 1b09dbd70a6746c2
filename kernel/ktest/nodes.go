package ktest

import (
	"context"
	"fmt"
	"runtime"

	"muster/kernel/abi"
	"muster/kernel/kcall"
)

// batch is how many pages nodes takes in one call, and slack how many of them may be of another node than they
// should be: those that the CPU had cached.
const (
	batch = 1024
	slack = 200
)

// nodes takes pages on a CPU of each node until its node has none, then some of the next node, and gives all back. Then
// the CPU gets pages of its own node again.
func nodes(context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer kcall.Pin(abi.AnyCPU)
	defer kcall.HoldPages(0)
	seen := map[uint32]bool{}
	for cpu := range runtime.NumCPU() {
		if kcall.Pin(cpu) != nil { // not online
			continue
		}
		node := kcall.HoldPages(1).Node
		kcall.HoldPages(0)
		info, err := kcall.NodeInfo(int(node))
		if err != nil {
			return err
		}
		if seen[node] || info.FreePages < 2*batch {
			continue
		}
		seen[node] = true
		if err := exhaustNode(cpu, int(node)); err != nil {
			return fmt.Errorf("cpu %d, node %d: %w", cpu, node, err)
		}
	}
	return nil
}

// exhaustNode takes all pages of a node that programs can have, on a CPU of the node, and gives them back.
func exhaustNode(cpu, node int) error {
	defer kcall.HoldPages(0)
	for range 2 {
		for taken := uint64(0); ; taken += batch {
			info, err := kcall.NodeInfo(node)
			if err != nil {
				return err
			}
			h := kcall.HoldPages(batch)
			if h.Taken < batch { // the kernel's reserve begins: there is one node, or little memory
				break
			}
			if h.Own == 0 {
				if info.FreePages > slack {
					return fmt.Errorf("pages of node %d, though this one has %d", h.Last, info.FreePages)
				}
				break
			}
			if info.FreePages > batch && h.Own < batch-slack {
				return fmt.Errorf("%d of %d pages are the node's own after %d, though it has %d", h.Own, batch, taken, info.FreePages)
			}
		}
		kcall.HoldPages(0)
	}
	return nil
}
