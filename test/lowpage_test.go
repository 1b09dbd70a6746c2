//go:build qemu

package test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// monitor gives QEMU a command and waits until it has an effect.
func monitor(t *testing.T, socket, command string, done func() bool) {
	t.Helper()
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte(command + "\n"))
	require.NoError(t, err)
	require.Eventually(t, done, patience.For(10*time.Second), 20*time.Millisecond, command)
}

// The page below 1 MiB through which CPUs start holds afterwards what it held
// before. The test looks from outside, at a page that it has filled before the
// machine began; and it looks while the page is in use, to see that it was.
func TestLowPageRestored(t *testing.T) {
	dir := t.TempDir()
	const size = 4096
	before := make([]byte, 2*size)
	for i := range before {
		before[i] = byte(i*7 + i>>8)
	}
	pattern, socket := filepath.Join(dir, "pattern"), filepath.Join(dir, "monitor")
	require.NoError(t, os.WriteFile(pattern, before, 0o600))
	s := start(t, "--append", expires+" fault=ap2:stage3 fault=page:spoil=1", "--qemu", "-monitor unix:"+socket+",server=on,wait=off",
		"--qemu", "-device loader,file="+pattern+",addr=0x9d000,force-raw=on")
	s.expect("starting through the page at ")
	dump := func(name string) []byte {
		file := filepath.Join(dir, name)
		os.Remove(file)
		monitor(t, socket, "pmemsave 0x9d000 8192 \""+file+"\"", func() bool {
			info, err := os.Stat(file)
			return err == nil && info.Size() == 2*size
		})
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		return b
	}
	var during []byte
	require.Eventually(t, func() bool {
		during = dump("during")
		return !bytes.Equal(before[size:], during[size:])
	}, patience.For(3*time.Second), 10*time.Millisecond, "in use")
	s.expect("muster> ")
	after := dump("after")

	require.Regexp(t, `through the page at 0x9e000\b`, s.log(), "the test fills this one")
	require.True(t, bytes.Equal(before[:size], during[:size]), "no other page is")
	require.True(t, bytes.Equal(before, after), "as it was")
	s.say("poweroff\r").end(0)
}

// Something that writes to the page is found before a CPU goes there.
func TestLowPageSpoilt(t *testing.T) {
	r := boot(t, "--append", "fault=page:spoil=1", "--run", "test cpus").ok()
	r.has("smp: cpu 1 (APIC ID 1): SIPI not sent: the trampoline was overwritten", "smp: 4 of 4 CPUs online")
	r.lacks("silent for")

	r = boot(t, "--append", expires+" fault=page:spoil=255", "--run", "test cpus; smp start 2; smp start 1; smp start 3; test cpus; test ipi").ok()
	r.has("smp: 1 of 4 CPUs online", "smp: cpu 2 (APIC ID 2): silent for", "smp: cpu 3 (APIC ID 3) online")
}

// query gives QEMU's monitor a command about one CPU and returns the answer.
func query(t *testing.T, socket string, cpu int, command string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience.For(10*time.Second))))
	_, err = fmt.Fprintf(c, "cpu %d\n%s\n", cpu, command)
	require.NoError(t, err)
	var text strings.Builder
	for strings.Count(text.String(), "(qemu)") < 3 { // the first prompt, and one after each command
		p := make([]byte, 4096)
		n, err := c.Read(p)
		text.Write(p[:n])
		if err != nil {
			break
		}
	}
	return text.String()
}

// The page is mapped in the tables of starting CPUs alone, and only while it is in
// use. The test uses the tables of a CPU that halts with them loaded.
func TestLowPageMapping(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "monitor")
	s := start(t, "--append", expires+" fault=ap2:stage5", "--qemu", "-monitor unix:"+socket+",server=on,wait=off")
	s.expect("starting through the page at ").expect("\n")
	page := regexp.MustCompile(`through the page at (0x[0-9a-f]+)\n`).FindStringSubmatch(s.log())[1]
	seen := func(cpu int) string { return query(t, socket, cpu, "gva2gpa "+page) }
	require.Eventually(t, func() bool { return strings.Contains(seen(2), "gpa: "+page) }, patience.For(3*time.Second), 50*time.Millisecond, "in use")
	require.Contains(t, seen(0), "Unmapped", "no other CPU has the mapping")
	s.expect("muster> ")
	require.Contains(t, seen(2), "Unmapped")
	s.say("poweroff\r").end(0)
}
