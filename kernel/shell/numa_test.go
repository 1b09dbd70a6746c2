package shell

import (
	"testing"

	"github.com/stretchr/testify/require"

	acpitables "muster/kernel/acpi"
)

// placed is a machine with nodes.
type placed struct {
	fake
	top *acpitables.Topology
}

func (p *placed) Firmware() Firmware { return Firmware{Topology: p.top} }

func (p *placed) Memory() Memory {
	return Memory{Nodes: []NodeMemory{{Total: 4 << 20, Free: 3 << 20}, {}}}
}

const aboutMemory = "Threads prefer the CPUs of their node. A page is of the node of the CPU that\n  needs it first; if that has none, of the nearest one that has.\n"

func TestNUMA(t *testing.T) {
	p := &placed{top: &acpitables.Topology{}}
	text, err := output(t, p, "numa; numa -json")
	require.NoError(t, err)
	require.Equal(t, "the firmware describes no nodes: all memory counts as equally near to all CPUs\n[]\n", text)
	for _, cpu := range []int{5, 0, 2, 9, 7, 11, 13} {
		p.top.CPUs = append(p.top.CPUs, acpitables.Processor{CPU: cpu, Node: 0})
	}
	p.top.CPUs = append(p.top.CPUs, acpitables.Processor{CPU: 1, Node: -1})
	p.top.Nodes = []acpitables.Node{
		{Domain: 4, Memory: []acpitables.Range{{Size: 1 << 20}, {Base: 1 << 32, Size: 3 << 20}}, Distances: []uint8{10, 21}},
		{Domain: 7}}
	text, err = output(t, p, "numa")
	require.NoError(t, err)
	require.Equal(t, "  NODE  DOMAIN    CPUS  MEMORY-MIB  FREE-MIB  DISTANCES\n     0       4  7 CPUs           4         3      10 21\n     1       7    none           0         0          ?\n"+
		"node 0 has the CPUs 0, 2, 5, 7, 9, 11, 13\n"+aboutMemory, text)
	text, err = output(t, p, "numa -json; numa x")
	require.ErrorContains(t, err, `"x" is one word too many; usage: numa [-json]`)
	require.Contains(t, text, `[{"node":0,"domain":4,"cpus":[0,2,5,7,9,11,13],"bytes":4194304,"free":3145728,"distances":[10,21]},{"node":1,"domain":7,"cpus":[],"bytes":0,"free":0,"distances":[]}]`)
}
