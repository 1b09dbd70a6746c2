//go:build qemu && soak

package test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// plugged is the line of the self-test.
var plugged = regexp.MustCompile(`hotplug: (\d+) times offline`)

// A thousand times a CPU goes offline and comes online under load.
func TestSoakHotplug(t *testing.T) {
	r := boot(t, "--mem", "512", "--timeout", "900", "--run", "test hotplug 600; test ipi; test tlb; test cpus").ok()
	m := plugged.FindStringSubmatch(r.log)
	require.NotNil(t, m)
	n, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, 1000)
}
