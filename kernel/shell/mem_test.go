package shell

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
)

// full is a machine with memory in two nodes.
type full struct{ fake }

func (f *full) Memory() Memory {
	m := Memory{Total: 64 << 40, Free: 63 << 40, Nodes: []NodeMemory{
		{Total: 32 << 40, Free: 31 << 40, Fresh: 30 << 40, Single: 1 << 20, Blocks: [abi.Orders]uint64{3, 0, 1, 8: 2, 10: 7, 18: 31000}},
		{Total: 32 << 40, Free: 32 << 40},
	}, Caches: []ObjectCache{
		{Name: "task", Size: 1024, InUse: 30, Free: 7, OfCPUs: 4, Bytes: 49152},
		{Name: "victim", Size: 64},
		{Name: "kernel stack", Size: 16384, InUse: 123456, Free: 5, OfCPUs: 1, Bytes: 123461 << 14},
	}}
	for i := range m.Nodes[1].Blocks {
		m.Nodes[1].Blocks[i] = 1000000
	}
	return m
}

// Nodes, their free blocks and the kernel's objects fit a line of 80 characters. Objects of which there is none are left out.
func TestMem(t *testing.T) {
	text, err := output(t, &full{}, "mem")
	require.NoError(t, err)
	_, parts, _ := strings.Cut(text, "  NODE")
	require.Equal(t, `    TOTAL-KIB     FREE-KIB  NEVER-USED-KIB  IN-LISTS-KIB
     0  34359738368  33285996544     32212254720          1024
     1  34359738368  34359738368               0             0
free blocks of node 0: 3 of 4 KiB, 1 of 16 KiB, 2 of 1 MiB, 7 of 4 MiB, 31000
  of 1 GiB
free blocks of node 1: 1000000 of 4 KiB, 1000000 of 8 KiB, 1000000 of 16 KiB,
  1000000 of 32 KiB, 1000000 of 64 KiB, 1000000 of 128 KiB, 1000000 of 256 KiB,
  1000000 of 512 KiB, 1000000 of 1 MiB, 1000000 of 2 MiB, 1000000 of 4 MiB,
  1000000 of 8 MiB, 1000000 of 16 MiB, 1000000 of 32 MiB, 1000000 of 64 MiB,
  1000000 of 128 MiB, 1000000 of 256 MiB, 1000000 of 512 MiB, 1000000 of 1 GiB
        OBJECT  BYTES  IN-USE  FREE  OF-CPUS      KIB
          task   1024      30     7        4       48
  kernel stack  16384  123456     5        1  1975376
`, parts)
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(line), 81)
	}
	text, err = output(t, &full{}, "mem -json")
	require.NoError(t, err)
	require.Contains(t, text, `{"name":"task","size":1024,"in_use":30,"free":7,"of_cpus":4,"bytes":49152}`)
	require.Contains(t, text, `"free":34084860461056,"never_used":32985348833280,"in_lists":1048576,"blocks":[3,0,1,`)
}
