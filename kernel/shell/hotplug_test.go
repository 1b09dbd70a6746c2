package shell

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHotplugCommand(t *testing.T) {
	const usage = "usage: cpu [-json] offline CPUS | online CPUS\n"
	for line, want := range map[string]string{
		"cpu offline 1":     "",
		"cpu online 1":      "",
		"cpu offline 0,1":   "cpu: cpu 0 is the boot CPU\n",
		"cpu offline 0-1,7": "cpu: cpu 0 is the boot CPU\ncpu: there is no CPU 7\n",
		"cpu offline 7,7,7": "cpu: there is no CPU 7\n",
		"cpu offline 99999": "cpu: there is no cpu99999; cpus lists them\n",
		"cpu offline 1-":    "cpu: \"1-\" is not a set of CPUs, as 2, 0-3,6 or all\n",
		"cpu offline":       "cpu: usage: cpu offline CPUS\n",
		"cpu":               "cpu: " + usage,
		"cpu remove 1":      "cpu: no \"remove\"; " + usage,
		"cpu ofline 1":      "cpu: no \"ofline\", nearest is \"offline\"; " + usage,
		"cpu online 1 2":    "cpu: \"2\" is one word too many; usage: cpu [-json] offline CPUS | online CPUS\n",
	} {
		out, err := run(t, line)
		require.Equal(t, want, out, line)
		require.Equal(t, want != "", err != nil, line)
	}
}

// A document has the rows of the CPUs that have changed.
func TestHotplugDocument(t *testing.T) {
	out, err := run(t, "cpu offline 1 -json")
	require.NoError(t, err)
	require.Regexp(t, `^\[\{"cpu":1,.*\}\]\n$`, out)
	require.NotContains(t, out, `"cpu":0`)
}
