package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree makes a host out of files: path and text, "-> TARGET" for a link.
func tree(t *testing.T, files map[string]string) host {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		full := filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			require.NoError(t, os.Symlink(filepath.Join(root, target), full))
			continue
		}
		require.NoError(t, os.WriteFile(full, []byte(text+"\n"), 0o644))
	}
	return host{filepath.Join(root, "sys"), filepath.Join(root, "proc")}
}

// stick is a machine with a stick, sdb, and what a test adds or replaces.
func stick(more map[string]string) map[string]string {
	const sdb = "sys/devices/usb/block/sdb"
	files := map[string]string{
		"proc/self/mountinfo":   "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n23 22 0:5 / /proc rw - proc proc rw",
		"proc/swaps":            "Filename Type Size Used Priority",
		sdb + "/dev":            "8:16",
		sdb + "/size":           "31116288",
		sdb + "/removable":      "1",
		sdb + "/ro":             "0",
		sdb + "/device/vendor":  "SanDisk ",
		sdb + "/device/model":   "Ultra           ",
		sdb + "/sdb1/dev":       "8:17",
		sdb + "/sdb1/partition": "1",
		"sys/dev/block/8:16":    "-> " + sdb,
		"sys/dev/block/8:17":    "-> " + sdb + "/sdb1",
		"sys/block/sdb":         "-> " + sdb,
		"sys/class/block/sdb":   "-> " + sdb,
		"sys/class/block/sdb1":  "-> " + sdb + "/sdb1",
	}
	for path, text := range more {
		files[path] = text
	}
	return files
}

func TestRefuse(t *testing.T) {
	const sdb = "sys/devices/usb/block/sdb"
	const root = "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
	tests := map[string]struct {
		more   map[string]string
		number string
		bytes  int64
		force  string
		want   string // "" for none
	}{
		"a stick":                     {},
		"a partition":                 {number: "8:17", want: "sdb1 is a partition; the image needs the whole disk, /dev/sdb"},
		"a partition, forced":         {number: "8:17", force: forceFixed, want: "sdb1 is a partition; the image needs the whole disk, /dev/sdb"},
		"not removable":               {more: map[string]string{sdb + "/removable": "0"}, want: "sdb is not a removable disk; FORCE=fixed writes to it all the same"},
		"not removable, another word": {more: map[string]string{sdb + "/removable": "0"}, force: forceFile, want: "sdb is not a removable disk; FORCE=fixed writes to it all the same"},
		"not removable, forced":       {more: map[string]string{sdb + "/removable": "0"}, force: forceFixed},
		"no word about removable":     {more: map[string]string{sdb + "/removable": ""}, want: "sdb is not a removable disk; FORCE=fixed writes to it all the same"},
		"itself mounted":              {more: map[string]string{"proc/self/mountinfo": root + "30 22 8:16 / /mnt rw - vfat /dev/sdb rw"}, want: "sdb is in use: sdb is mounted on /mnt"},
		"a partition mounted, forced": {more: map[string]string{"proc/self/mountinfo": root + "30 22 8:17 / /media/my\\040stick rw shared:9 - vfat /dev/sdb1 rw"}, force: forceFixed,
			want: "sdb is in use: sdb1 is mounted on /media/my\\040stick"},
		"a file system of several disks": {more: map[string]string{"proc/self/mountinfo": root + "30 22 0:40 / /home rw - btrfs /dev/sdb1 rw"}, want: "sdb is in use: sdb1 is mounted on /home"},
		"swap":                           {more: map[string]string{"proc/swaps": "Filename Type\n/dev/sdb1 partition 1 0 -2"}, want: "sdb is in use: sdb1 is swap space"},
		"the system is on an encrypted partition of it": {more: map[string]string{
			sdb + "/sdb1/holders/dm-0":           "-> sys/devices/virtual/block/dm-0",
			"sys/devices/virtual/block/dm-0/dev": "253:0", "sys/devices/virtual/block/dm-0/holders/dm-1": "-> sys/devices/virtual/block/dm-1",
			"sys/devices/virtual/block/dm-1/dev": "253:1",
			"proc/self/mountinfo":                "22 1 253:1 / / rw - ext4 /dev/mapper/root rw",
		}, want: "sdb is in use: sdb1 is part of dm-0, dm-0 is part of dm-1, dm-1 is mounted on /"},
		"write-protected": {more: map[string]string{sdb + "/ro": "1"}, want: "sdb is write-protected"},
		"no medium":       {more: map[string]string{sdb + "/size": "0"}, want: "sdb has no medium"},
		"too small":       {more: map[string]string{sdb + "/size": "2048"}, bytes: 2 << 20, want: "sdb has 1 MiB, and the image needs 2 MiB"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.number == "" {
				tc.number = "8:16"
			}
			d, err := tree(t, stick(tc.more)).find(tc.number)
			require.NoError(t, err)
			got := ""
			if err := d.refuse(tc.bytes, tc.force); err != nil {
				got = err.Error()
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// What cannot be read is an error: a disk about which nothing is known is not written.
func TestUnknown(t *testing.T) {
	_, err := tree(t, stick(nil)).find("8:99")
	require.Error(t, err)
	_, err = tree(t, stick(map[string]string{"sys/devices/usb/block/sdb/size": "many"})).find("8:16")
	require.Error(t, err)
	h := tree(t, stick(nil))
	require.NoError(t, os.Remove(filepath.Join(h.proc, "self/mountinfo")))
	_, err = h.find("8:16")
	require.Error(t, err)
}

// Without a device the stick is listed, and nothing that is in use.
func TestChoose(t *testing.T) {
	files := stick(map[string]string{
		"sys/devices/virtio/vda/dev": "254:0", "sys/devices/virtio/vda/size": "1000000", "sys/devices/virtio/vda/removable": "0",
		"sys/block/vda": "-> sys/devices/virtio/vda", "sys/dev/block/254:0": "-> sys/devices/virtio/vda",
	})
	var out bytes.Buffer
	require.EqualError(t, tree(t, files).choose(1, &out), "none chosen: make usb DEV=/dev/sdX")
	require.Equal(t, "/dev/sdb: SanDisk Ultra, 14.8 GiB\n", out.String())
}

// A plain file stands for the stick: what run writes and compares.
func TestWrite(t *testing.T) {
	folder := t.TempDir()
	image, device := filepath.Join(folder, "image"), filepath.Join(folder, "stick")
	data := bytes.Repeat([]byte("Muster\n"), 1<<20)
	before := make([]byte, len(data)+5000)
	require.NoError(t, os.WriteFile(image, data, 0o644))
	for name, tc := range map[string]struct {
		force, answer, want string
		written             bool
	}{
		"yes":     {forceFile, "stick\n", "", true},
		"no":      {forceFile, "no\n", "not written: the answer is not the name of the device", false},
		"nothing": {forceFile, "", "not written: the answer is not the name of the device", false},
		"no word": {"", "stick\n", fmt.Sprintf("not written: %s is not a disk", device), false},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(device, before, 0o644))
			var out bytes.Buffer
			err := run(host{}, device, tc.force, image, strings.NewReader(tc.answer), &out)
			got := ""
			if err != nil {
				got = err.Error()
			}
			require.Equal(t, tc.want, got)
			after, err := os.ReadFile(device)
			require.NoError(t, err)
			want := before
			if tc.written {
				want = append(bytes.Clone(data), before[len(data):]...)
				require.Contains(t, out.String(), "plain file, 7 MiB")
				require.Contains(t, out.String(), "compared: 100%")
			}
			require.True(t, bytes.Equal(want, after))
		})
	}
}

// Negative control: a stick that does not keep what was written is found.
func TestCompareFindsDifference(t *testing.T) {
	data := bytes.Repeat([]byte("Muster\n"), 1<<20)
	for _, at := range []int{0, chunk + 3, len(data) - 1} {
		f, err := os.Create(filepath.Join(t.TempDir(), "stick"))
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, write(f, data, &bytes.Buffer{}))
		require.NoError(t, compare(f, data, &bytes.Buffer{}))
		_, err = f.WriteAt([]byte{0xff}, int64(at))
		require.NoError(t, err)
		require.ErrorContains(t, compare(f, data, &bytes.Buffer{}), fmt.Sprintf("differs from byte %d on", at))
		require.NoError(t, f.Truncate(int64(len(data)-1)))
		require.Error(t, compare(f, data, &bytes.Buffer{}))
	}
}
