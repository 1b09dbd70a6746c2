//go:build qemu

package test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// stick makes an image with programs in it, and files on its FAT partition by their
// names there.
func stick(t *testing.T, programs string, files map[string]string) (image string) {
	t.Helper()
	image = filepath.Join(t.TempDir(), "stick.iso")
	c := exec.Command(filepath.Join(root, "scripts", "mkiso.sh"), "--menu", image, filepath.Join(root, "build", "kernel.elf"))
	c.Env = append(os.Environ(), "PROGRAMS="+programs)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, to := range slices.Sorted(maps.Keys(files)) { // GRUB loads them in this order
		from := files[to]
		out, err := exec.Command("mcopy", "-i", fmt.Sprintf("%s@@%d", image, partition(t, image)), from, "::"+to).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return image
}

// partition returns where the FAT partition of an image begins, in bytes.
//
// Source: UEFI Specification, "GUID Partition Table (GPT) Disk Layout".
func partition(t *testing.T, image string) uint64 {
	t.Helper()
	data, err := os.ReadFile(image)
	require.NoError(t, err)
	header := data[512:]
	require.Equal(t, "EFI PART", string(header[:8]))
	table := data[512*binary.LittleEndian.Uint64(header[72:]):]
	entry := table[3*binary.LittleEndian.Uint32(header[84:]):]
	at := 512 * binary.LittleEndian.Uint64(entry[32:])
	require.Equal(t, "MUSTER", string(data[at+43:at+49]), "the label of the fourth partition")
	return at
}

// text makes a file of a text.
func text(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// bootStick boots an image as a USB stick, until the shell is there.
func bootStick(t *testing.T, firmware, image string) *session {
	t.Helper()
	return start(t, "--boot", firmware, "--media", "usb", "--image", image, "--cpus", "2", "--mem", "512").
		expect("executed automatically in").say("\r")
}

// Programs of the image and of the FAT partition run under their names, several at once:
// control-C ends the one in the foreground, and kill another.
func TestStickPrograms(t *testing.T) {
	job, args := build(t, "build", "./testdata/job"), build(t, "build", "./testdata/args")
	for _, firmware := range []string{"bios", "uefi"} {
		t.Run(firmware, func(t *testing.T) {
			t.Parallel()
			image := stick(t, job, map[string]string{
				"programs/My args": args, "programs/notes.txt": text(t, "not a program"), "muster.cfg": text(t, "# mine\r\ntick=20\r\n\r\nGOGC=50\r\n"),
			})
			s := bootStick(t, firmware, image)
			s.expect("options: muster.cfg gives words").expect(`command line "tick=20  GOGC=50  "`).expect("muster> ")
			s.say("run nosuch\r").expect(`no program "nosuch"; there are job, My args, notes.txt`)
			s.say("run notes.txt\r").expect("notes.txt not started: ")
			s.say("run 'My args' 'a b' -h\r").expect(`arg 0 "My args"`).expect(`arg 1 "a b"`).expect(`arg 2 "-h"`).expect("run: My args: status 3")
			s.say("run job one &\r").expect("job one: ready")
			s.say("run job two &\r").expect("job two: ready")
			s.say("run job three\r").expect("job three: ready").say("\x03").expect("job three: interrupt").expect("run: job: status 5")
			s.say("jobs\r").expect("running").expect("job one").expect("running").expect("job two")
			s.say("kill 1\r").expect("job one: terminated")
			s.say("wait 1; jobs\r").expect("ended       6  job one").expect("running").expect("job two")
			s.say("kill 2 INT; wait; jobs; run job now; poweroff\r").expect("job two: interrupt").expect("ended       5  job two").expect("job now: done").end(0)
			require.NotContains(t, s.log(), "job two: terminated")
		})
	}
}

// A muster.cfg that cannot be used is named with its line, and none of its words counts.
func TestStickConfig(t *testing.T) {
	s := bootStick(t, "bios", stick(t, "", map[string]string{"muster.cfg": text(t, "tick=20\nrun=\"uptime\n")}))
	s.expect("options: muster.cfg line 2: a quote without its end; the file is not used").expect(`command line ""`).expect("muster> ")
	s.say("run job\r").expect(`no program "job"; the image and the stick have none`).say("poweroff\r").end(0)
}

// The stick runs without a user: muster.cfg has the commands.
func TestStickUnattended(t *testing.T) {
	t.Parallel()
	image := stick(t, build(t, "build", "./testdata/job"), map[string]string{"muster.cfg": text(t, "nosmp smp=parallel\nrun=\"run job now &; wait; jobs\"\n")})
	ctx, cancel := context.WithTimeout(t.Context(), patience.For(120e9))
	defer cancel()
	var out bytes.Buffer
	c := patience.Command(ctx, filepath.Join(root, "scripts", "qemu-run.sh"), "--timeout", "100", "--boot", "bios", "--media", "usb", "--image", image, "--cpus", "2")
	c.Stdout, c.Stderr = &out, &out
	require.NoError(t, c.Run(), "%s", &out)
	require.Contains(t, out.String(), "smp: nosmp, running on one CPU")
	require.Contains(t, out.String(), "job now: done")
	require.Regexp(t, `ended +0 +job now`, out.String())
}

// mkiso.sh names two programs that would hide one another.
func TestStickSameNames(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "mkiso.sh"), nil, 0o644))
	c := exec.Command(filepath.Join(root, "scripts", "mkiso.sh"), filepath.Join(folder, "out.iso"), filepath.Join(root, "build", "kernel.elf"))
	c.Env = append(os.Environ(), "PROGRAMS="+filepath.Join(root, "scripts", "mkiso.sh")+" "+filepath.Join(folder, "mkiso.sh"))
	out, err := c.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "PROGRAMS: two have the name mkiso.sh")
}
