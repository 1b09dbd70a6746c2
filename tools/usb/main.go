// Command usb writes the image to a USB stick: it shows the device, requests a confirmation, writes, reads
// back and compares.
//
// It refuses partitions, disks that are in use, and disks that the kernel does not call
// removable; see disk.refuse.
//
// Usage: usb -device /dev/sdX [-force fixed|file] IMAGE
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

func main() {
	device := flag.String("device", "", "the stick, such as /dev/sdb")
	force := flag.String("force", "", `"`+forceFixed+`" allows a disk that is not removable, "`+forceFile+`" a plain file`)
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(host{"/sys", "/proc"}, *device, *force, flag.Arg(0), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "usb:", err)
		os.Exit(1)
	}
}

// forceFile is the word that allows a plain file instead of a device, for tests.
const forceFile = "file"

func run(h host, device, force, image string, in io.Reader, out io.Writer) error {
	data, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	if device == "" {
		return h.choose(int64(len(data)), out)
	}
	to, d, err := open(h, device, force)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := d.refuse(int64(len(data)), force); err != nil {
		return fmt.Errorf("not written: %w", err)
	}
	fmt.Fprintf(out, "%s: %s, %s\nAll data on it will be lost. To write %s of %s, type its name, %s: ", device, d.model, size(d.bytes), size(int64(len(data))), image, d.name)
	answer, _ := bufio.NewReader(in).ReadString('\n')
	if strings.TrimSpace(answer) != d.name {
		return errors.New("not written: the answer is not the name of the device")
	}
	if err := write(to, data, out); err != nil {
		return fmt.Errorf("%s: %w; what is on it now is not the image", device, err)
	}
	if err := compare(to, data, out); err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	rereadPartitions(to)
	fmt.Fprintf(out, "written and compared; %s can be taken out\n", d.name)
	return nil
}

// choose says which disks there are.
func (h host) choose(bytes int64, out io.Writer) error {
	list := h.removables(bytes)
	for _, d := range list {
		fmt.Fprintf(out, "/dev/%s: %s, %s\n", d.name, d.model, size(d.bytes))
	}
	if len(list) == 0 {
		return errors.New("no removable disk that is not in use and large enough; make usb DEV=/dev/sdX names another")
	}
	return errors.New("none chosen: make usb DEV=/dev/sdX")
}

// open opens the device for this process alone: while a file system of it is mounted, the
// kernel refuses that too. What the kernel says about it goes by the open file's number,
// so it is not about another device that has the name by now.
func open(h host, device, force string) (f *os.File, d disk, err error) {
	info, err := os.Stat(device)
	if err != nil {
		return nil, d, err
	}
	kind := info.Mode() & os.ModeType
	switch {
	case kind == 0 && force == forceFile:
		f, err = os.OpenFile(device, os.O_RDWR, 0)
		return f, disk{name: info.Name(), model: "plain file", bytes: info.Size(), removable: true}, err
	case kind != os.ModeDevice:
		return nil, d, fmt.Errorf("not written: %s is not a disk", device)
	}
	number := func(info os.FileInfo) string {
		n := info.Sys().(*syscall.Stat_t).Rdev
		return fmt.Sprintf("%d:%d", n>>8&0xfff|n>>32&^0xfff, n&0xff|n>>12&0xfff00) // gnu_dev_major, gnu_dev_minor
	}
	// Without permission, too, the reason that the user can do something about comes first.
	if d, err = h.find(number(info)); err != nil {
		return nil, d, err
	}
	if err := d.refuse(0, force); err != nil {
		return nil, d, fmt.Errorf("not written: %w", err)
	}
	f, err = os.OpenFile(device, os.O_RDWR|syscall.O_EXCL, 0)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, d, fmt.Errorf("%w; root may: sudo build/usb -device %s build/muster.iso", err, device)
	case errors.Is(err, syscall.EBUSY):
		return nil, d, fmt.Errorf("not written: %s is in use", d.name)
	case err != nil:
		return nil, d, err
	}
	if info, err = f.Stat(); err == nil {
		d, err = h.find(number(info))
	}
	if err != nil {
		f.Close()
	}
	return f, d, err
}

// chunk is how much is written or read at once.
const chunk = 4 << 20

func write(to *os.File, data []byte, out io.Writer) error {
	for at := 0; at < len(data); at += chunk {
		if _, err := to.WriteAt(data[at:min(at+chunk, len(data))], int64(at)); err != nil {
			return err
		}
		fmt.Fprintf(out, "\rwritten: %d%%", min(at+chunk, len(data))*100/len(data))
	}
	fmt.Fprintln(out)
	return to.Sync()
}

// compare reads the device, and not what the kernel keeps of it in memory.
func compare(from *os.File, data []byte, out io.Writer) error {
	if info, err := from.Stat(); err == nil && info.Mode()&os.ModeDevice != 0 {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, from.Fd(), blkFlushBuffers, 0); e != 0 {
			return fmt.Errorf("written, but cannot be read back from the medium: %w", e)
		}
	}
	buf := make([]byte, chunk)
	for at := 0; at < len(data); at += chunk {
		want := data[at:min(at+chunk, len(data))]
		got := buf[:len(want)]
		if _, err := from.ReadAt(got, int64(at)); err != nil {
			return fmt.Errorf("reading back: %w", err)
		}
		if !bytes.Equal(got, want) {
			i := 0
			for got[i] == want[i] {
				i++
			}
			return fmt.Errorf("what was read back differs from byte %d on: the stick is defective, or smaller than it says", at+i)
		}
		fmt.Fprintf(out, "\rcompared: %d%%", min(at+chunk, len(data))*100/len(data))
	}
	fmt.Fprintln(out)
	return nil
}

// Requests of block devices (Linux, include/uapi/linux/fs.h).
const (
	blkReread       = 0x125f // BLKRRPART
	blkFlushBuffers = 0x1261 // BLKFLSBUF
)

// rereadPartitions lets the kernel see the new partitions; without it, they are seen when
// the stick is put in again.
func rereadPartitions(f *os.File) {
	syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), blkReread, 0)
}
