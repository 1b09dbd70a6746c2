package private

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// setNodes makes a zone of memory for each NUMA node. EPERM: another CPU has been registered, or the zones are made; EINVAL: a plan that
// mem.InitNodes refuses, or squares is not the square of a number of nodes; ENOMEM, EFAULT.
//
// Context: no lock held.
func setNodes(c *percpu.CPU, t *linux.Task, starts uintptr, count uint64, order uintptr, squares uint64) (*percpu.CPU, uint64) {
	if percpu.Count() > 1 || mem.HasNodes() {
		return c, linux.Fail(linux.EPERM)
	}
	n := uint64(0)
	for n <= mem.MaxNodes && n*n < squares {
		n++
	}
	if n*n != squares || n == 0 || n > mem.MaxNodes || count == 0 || count > mem.MaxStarts {
		return c, linux.Fail(linux.EINVAL)
	}
	plan, ok := mem.PlanNodes(c, uint32(count), uint32(n))
	if !ok {
		return c, linux.Fail(linux.ENOMEM)
	}
	if !t.Space.CopyIn(c, unsafe.Pointer(plan.Starts), starts, uintptr(count)*unsafe.Sizeof(abi.NodeStart{})) ||
		!t.Space.CopyIn(c, unsafe.Pointer(plan.Order), order, uintptr(squares)) {
		return c, linux.Fail(linux.EFAULT)
	}
	if !mem.InitNodes(c, &plan) {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, 0
}

// cacheInfo returns the state of a cache of objects, or of the stacks.
func cacheInfo(c *percpu.CPU, t *linux.Task, number int, info uintptr) (*percpu.CPU, uint64) {
	var out abi.MemCache
	switch n := mem.CacheCount(); {
	case number >= 0 && number < n:
		mem.ReadCache(c, number, &out)
	case number == n:
		sched.ReadStacks(c, &out)
	default:
		return c, linux.Fail(linux.EINVAL)
	}
	return c, copyOut(c, t, info, &out, 0)
}

// nodeInfo returns the state of a node's memory.
func nodeInfo(c *percpu.CPU, t *linux.Task, node int, info uintptr) (*percpu.CPU, uint64) {
	if node < 0 || node >= mem.MaxNodes {
		return c, linux.Fail(linux.EINVAL)
	}
	out, ok := mem.ReadNode(c, uint32(node))
	if !ok {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, copyOut(c, t, info, &out, 0)
}
