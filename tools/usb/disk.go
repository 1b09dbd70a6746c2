package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// host is where the kernel tells of its disks: /sys and /proc, and others in tests.
type host struct{ sys, proc string }

// disk is what the kernel says about a block device.
type disk struct {
	name      string // sdb
	model     string // vendor and model
	bytes     int64
	removable bool
	readOnly  bool
	partition string   // of which disk it is a partition, "" for a whole disk
	users     []string // why it is in use: mount points, swap, and devices made of it
}

// find reads what the kernel says about the device of a number, such as "8:16".
func (h host) find(number string) (d disk, err error) {
	folder, err := filepath.EvalSymlinks(filepath.Join(h.sys, "dev/block", number))
	if err != nil {
		return d, err
	}
	d.name = filepath.Base(folder)
	if exists(filepath.Join(folder, "partition")) {
		d.partition = filepath.Base(filepath.Dir(folder))
		return d, nil
	}
	d.model = strings.TrimSpace(word(folder, "device/vendor") + " " + word(folder, "device/model"))
	sectors, err := strconv.ParseInt(word(folder, "size"), 10, 64)
	if err != nil {
		return d, fmt.Errorf("size of %s: %w", d.name, err)
	}
	d.bytes = sectors * 512 // the unit of this file, whatever the disk's sectors are
	d.removable = word(folder, "removable") == "1"
	d.readOnly = word(folder, "ro") == "1"
	d.users, err = h.users(folder)
	return d, err
}

// users returns why a disk is in use: because of itself, a partition, or a device that is
// made of either, such as a RAID, an encrypted disk or a logical volume.
func (h host) users(folder string) (list []string, err error) {
	mounts, err := h.mounts()
	if err != nil {
		return nil, err
	}
	swaps, err := h.swaps()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var visit func(folder string) error
	visit = func(folder string) error {
		if seen[folder] {
			return nil
		}
		seen[folder] = true
		name := filepath.Base(folder)
		for _, m := range mounts[word(folder, "dev")] {
			list = append(list, fmt.Sprintf("%s is mounted on %s", name, m))
		}
		if swaps[name] {
			list = append(list, name+" is swap space")
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if below := filepath.Join(folder, e.Name()); exists(filepath.Join(below, "partition")) {
				if err := visit(below); err != nil {
					return err
				}
			}
		}
		holders, err := os.ReadDir(filepath.Join(folder, "holders"))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		for _, e := range holders {
			list = append(list, fmt.Sprintf("%s is part of %s", name, e.Name()))
			holder, err := filepath.EvalSymlinks(filepath.Join(folder, "holders", e.Name()))
			if err != nil {
				return err
			}
			if err := visit(holder); err != nil {
				return err
			}
		}
		return err
	}
	return list, visit(folder)
}

// mounts returns the mount points of each device number (Linux, proc(5), "mountinfo").
func (h host) mounts() (map[string][]string, error) {
	text, err := os.ReadFile(filepath.Join(h.proc, "self/mountinfo"))
	if err != nil {
		return nil, err
	}
	points := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			return nil, fmt.Errorf("mountinfo: a line of %d fields", len(f))
		}
		if !slices.Contains(points[f[2]], f[4]) {
			points[f[2]] = append(points[f[2]], f[4])
		}
		// A file system of several disks, such as btrfs, has a number of its own; then
		// the source of the mount says which disk it is.
		if i := slices.Index(f, "-"); i >= 0 && i+2 < len(f) && strings.HasPrefix(f[i+2], "/dev/") {
			if number := word(filepath.Join(h.sys, "class/block", filepath.Base(f[i+2])), "dev"); number != "" && number != f[2] {
				points[number] = append(points[number], f[4])
			}
		}
	}
	return points, nil
}

// swaps returns the names of the devices that are swap space.
func (h host) swaps() (map[string]bool, error) {
	text, err := os.ReadFile(filepath.Join(h.proc, "swaps"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a kernel without swap
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 0 {
			names[filepath.Base(f[0])] = true
		}
	}
	return names, err
}

// refuse returns why an image of some bytes is not written to d, nil if it may be.
func (d disk) refuse(bytes int64, force string) error {
	switch {
	case d.partition != "":
		return fmt.Errorf("%s is a partition; the image needs the whole disk, /dev/%s", d.name, d.partition)
	case len(d.users) > 0:
		return fmt.Errorf("%s is in use: %s", d.name, strings.Join(d.users, ", "))
	case d.bytes == 0:
		return fmt.Errorf("%s has no medium", d.name)
	case d.readOnly:
		return fmt.Errorf("%s is write-protected", d.name)
	case d.bytes < bytes:
		return fmt.Errorf("%s has %s, and the image needs %s", d.name, size(d.bytes), size(bytes))
	case !d.removable && force != forceFixed:
		return fmt.Errorf("%s is not a removable disk; FORCE=%s writes to it all the same", d.name, forceFixed)
	}
	return nil
}

// forceFixed is the word that allows a disk which the kernel does not call removable.
const forceFixed = "fixed"

// removables returns the disks that refuse would accept.
func (h host) removables(bytes int64) (list []disk) {
	entries, _ := os.ReadDir(filepath.Join(h.sys, "block"))
	for _, e := range entries {
		d, err := h.find(word(filepath.Join(h.sys, "block", e.Name()), "dev"))
		if err == nil && d.refuse(bytes, "") == nil {
			list = append(list, d)
		}
	}
	return list
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// word returns what a file of sysfs says, "" if there is no such file.
func word(folder, name string) string {
	text, _ := os.ReadFile(filepath.Join(folder, name))
	return strings.TrimSpace(string(text))
}

// size writes a number of bytes for a reader.
func size(bytes int64) string {
	if bytes < 10<<30 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}
