//go:build qemu

package test

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/layout"
	"muster/tools/patience"
)

// stub is a connection to QEMU's gdb stub (GDB manual, "Remote Serial Protocol"). With
// it a test acts as another loader: the machine stops at the kernel's first
// instruction, and the test changes what the loader has left in memory.
type stub struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// dial connects to the stub at a socket that QEMU is about to make.
func dial(t *testing.T, socket string) *stub {
	t.Helper()
	var conn net.Conn
	require.Eventually(t, func() (ok bool) {
		c, err := net.Dial("unix", socket)
		conn = c
		return err == nil
	}, patience.For(20*time.Second), 20*time.Millisecond)
	t.Cleanup(func() { conn.Close() })
	return &stub{t, conn, bufio.NewReader(conn)}
}

// say sends one packet and returns the answer.
func (s *stub) say(format string, args ...any) string {
	s.t.Helper()
	packet, sum := fmt.Sprintf(format, args...), byte(0)
	for i := range len(packet) {
		sum += packet[i]
	}
	s.conn.SetDeadline(time.Now().Add(patience.For(2 * time.Minute)))
	_, err := fmt.Fprintf(s.conn, "$%s#%02x", packet, sum)
	require.NoError(s.t, err)
	_, err = s.in.ReadString('$')
	require.NoError(s.t, err)
	answer, err := s.in.ReadString('#')
	require.NoError(s.t, err)
	_, err = s.in.Discard(2)
	require.NoError(s.t, err)
	if _, err = s.conn.Write([]byte("+")); packet != "D" { // after D the machine may have ended already
		require.NoError(s.t, err)
	}
	return strings.TrimSuffix(answer, "#")
}

// run goes on until the CPU is about to execute addr.
func (s *stub) run(addr uint64) {
	s.t.Helper()
	require.Equal(s.t, "OK", s.say("Z1,%x,1", addr))
	require.Regexp(s.t, "^T05", s.say("c"))
	require.Equal(s.t, "OK", s.say("z1,%x,1", addr))
}

func (s *stub) read(addr uint64, n int) (b []byte) {
	s.t.Helper()
	for n > 0 {
		part, err := hex.DecodeString(s.say("m%x,%x", addr, min(n, 1024)))
		require.NoError(s.t, err)
		b = append(b, part...)
		addr, n = addr+uint64(len(part)), n-len(part)
	}
	return b
}

func (s *stub) write(addr uint64, b []byte) {
	s.t.Helper()
	for len(b) > 0 {
		n := min(len(b), 1024)
		require.Equal(s.t, "OK", s.say("M%x,%x:%x", addr, n, b[:n]))
		addr, b = addr+uint64(n), b[n:]
	}
}

// registerBX is the stub's number for RBX.
const registerBX = 1

func (s *stub) bx() uint64 {
	s.t.Helper()
	b, err := hex.DecodeString(s.say("p%x", registerBX))
	require.NoError(s.t, err)
	return uint64(binary.LittleEndian.Uint32(b))
}

// scratch is low memory that no loader of these tests uses.
const scratch = 0x40000

// readMap returns the memory map that the loader has left.
func (s *stub) readMap(boots string) (list []abi.Region) {
	le := binary.LittleEndian
	var raw []byte
	info := s.bx()
	if boots == "pvh" { // hvm_start_info: address and number of the entries
		head := s.read(info, 56)
		raw = s.read(le.Uint64(head[40:]), int(le.Uint32(head[48:]))*24)
	} else {
		for _, tag := range s.tags(info) {
			if le.Uint32(tag) == 6 {
				raw = tag[16:]
			}
		}
	}
	for ; len(raw) >= 24; raw = raw[24:] {
		list = append(list, abi.Region{Start: le.Uint64(raw), Length: le.Uint64(raw[8:]), Type: le.Uint32(raw[16:])})
	}
	require.NotEmpty(s.t, list)
	return list
}

// tags returns the tags of multiboot2 information, each with its header.
func (s *stub) tags(info uint64) (tags [][]byte) {
	le := binary.LittleEndian
	all := s.read(info, int(le.Uint32(s.read(info, 4))))
	for all = all[8:]; len(all) >= 8; {
		n := int(le.Uint32(all[4:]))
		tags = append(tags, all[:n])
		all = all[min((n+7)&^7, len(all)):]
	}
	return tags
}

// writeMap puts another memory map in the place of the loader's.
func (s *stub) writeMap(boots string, list []abi.Region) {
	le := binary.LittleEndian
	var raw []byte
	for _, r := range list {
		raw = le.AppendUint64(le.AppendUint64(raw, r.Start), r.Length)
		raw = le.AppendUint32(le.AppendUint32(raw, r.Type), 0)
	}
	info := s.bx()
	if boots == "pvh" {
		s.write(scratch, raw)
		s.write(info+40, le.AppendUint64(nil, scratch))
		s.write(info+48, le.AppendUint32(nil, uint32(len(list))))
		return
	}
	body := make([]byte, 8)
	for _, tag := range s.tags(info) {
		if le.Uint32(tag) == 6 {
			tag = append(le.AppendUint32(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 6), uint32(16+len(raw))), 24), 0), raw...)
		}
		body = append(body, tag...)
		for len(body)%8 != 0 {
			body = append(body, 0)
		}
	}
	le.PutUint32(body, uint32(len(body)))
	s.write(scratch, body)
	require.Equal(s.t, "OK", s.say("P%x=%x", registerBX, le.AppendUint64(nil, scratch)))
}

// asLoader boots a machine, lets change act as its loader, and at the kernel's end lets
// look read the machine's physical memory. Memory is 128 MiB.
func asLoader(t *testing.T, boots string, change, look func(*stub), args ...string) *result {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "gdb")
	args = append([]string{"--boot", boots, "--mem", "128", "--cpus", "2", "--accel", "tcg",
		"--qemu", "-S -gdb unix:" + socket + ",server=on,wait=off"}, args...)
	done := make(chan *result, 1)
	go func() { done <- boot(t, args...) }()
	s := dial(t, socket)
	s.say("?")
	entry, _ := symbol(t, "muster/boot.entry32")
	s.run(entry - layout.ImageBase)
	change(s)
	if look != nil {
		end, _ := symbol(t, "muster/kernel/crash.TellStatus")
		s.run(end)
		require.Equal(t, "OK", s.say("Qqemu.PhyMemMode:1"))
		look(s)
	}
	s.say("D") // the machine goes on
	return <-done
}

func ramAt(start, n uint64) abi.Region {
	return abi.Region{Start: start, Length: n, Type: abi.RegionRAM}
}

func reservedAt(start, n uint64) abi.Region {
	return abi.Region{Start: start, Length: n, Type: abi.RegionReserved}
}

// Memory maps that firmware could leave: the kernel boots and works with each.
func TestHostileMaps(t *testing.T) {
	const mb = 1 << 20
	maps := map[string]func(list []abi.Region) []abi.Region{
		"as it is": func(list []abi.Region) []abi.Region { return list },
		"each entry twice": func(list []abi.Region) []abi.Region {
			return append(list, list...)
		},
		"backwards": func(list []abi.Region) (out []abi.Region) {
			for _, r := range list {
				out = append([]abi.Region{r}, out...)
			}
			return out
		},
		"overlapping": func(list []abi.Region) []abi.Region {
			return append(list, ramAt(2*mb, 60*mb), ramAt(50*mb, 30*mb), ramAt(64*mb, 1))
		},
		"ends inside pages": func(list []abi.Region) []abi.Region {
			return append([]abi.Region{ramAt(0x100, 0x8ff01)}, ramAt(mb+0x123, 50*mb+0x456), ramAt(51*mb+0x579, 60*mb+0x10), reservedAt(100*mb+7, 1))
		},
		"without meaning": func(list []abi.Region) []abi.Region {
			return append(list, ramAt(mb, 0), reservedAt(0, 0), ramAt(120*mb, ^uint64(0)), reservedAt(3*mb, ^uint64(0)), ramAt(1<<63, 1<<63+1))
		},
		"RAM where no CPU can reach": func(list []abi.Region) []abi.Region {
			return append(list, ramAt(1<<52, 1<<40), ramAt(1<<62, 1<<20))
		},
		"a thousand pieces": func(list []abi.Region) []abi.Region {
			for i := range uint64(900) {
				list = append(list, reservedAt(90*mb+i*0x4000, 0x1000))
			}
			return list
		},
	}
	for name, change := range maps {
		for _, boots := range []string{"pvh", "bios"} {
			t.Run(name+" "+boots, func(t *testing.T) {
				t.Parallel()
				r := asLoader(t, boots, func(s *stub) { s.writeMap(boots, change(s.readMap(boots))) }, nil, "--run", "test gc; test threads; mem -json").ok()
				r.has("smp: 2 of 2 CPUs online")
				if name == "without meaning" {
					r.has("mem: entries of the memory map without a meaning, ignored: 5\n")
				}
			})
		}
	}
}

// Memory that is not RAM keeps its bytes, also in the middle of an entry of RAM. The
// range lies where the kernel would put its first tables.
func TestReservedInsideRAM(t *testing.T) {
	const start, size, step = 0xa00800, 8 << 20, 64 << 10
	pattern := []byte("do not touch")
	for _, boots := range []string{"pvh", "bios"} {
		t.Run(boots, func(t *testing.T) {
			asLoader(t, boots, func(s *stub) {
				s.writeMap(boots, append([]abi.Region{reservedAt(start, size)}, s.readMap(boots)...))
				for at := uint64(start); at < start+size; at += step {
					s.write(at, pattern)
				}
			}, func(s *stub) {
				for at := uint64(start); at < start+size; at += step {
					require.Equal(t, pattern, s.read(at, len(pattern)), "at %#x", at)
				}
			}, "--run", "test gc; test threads").ok()
		})
	}
}

// A map of more pieces than the kernel has room for is refused by name.
func TestMapTooLong(t *testing.T) {
	r := asLoader(t, "pvh", func(s *stub) {
		list := s.readMap("pvh")
		for i := range uint64(1100) {
			list = append(list, reservedAt(32<<20+i*0x4000, 0x1000))
		}
		s.writeMap("pvh", list)
	}, nil, "--run", "uptime")
	require.Equal(t, 125, r.status)
	r.has("muster: boot: the memory map breaks RAM into more than 1024 pieces\n")
}

// The firmware's tables stay, even if the map says that they lie in RAM.
func TestTablesInRAM(t *testing.T) {
	r := asLoader(t, "pvh", func(s *stub) {
		list := s.readMap("pvh")
		for i := range list {
			if list[i].Start >= 1<<20 && list[i].Start < 128<<20 { // SeaBIOS puts them at the end of RAM
				list[i].Type = abi.RegionRAM
			}
		}
		s.writeMap("pvh", list)
	}, nil, "--run", "test gc; acpi").ok()
	r.has("smp: 2 of 2 CPUs online")
}

// QEMU's microvm puts the module where the memory map has no RAM.
func TestModuleOutsideRAM(t *testing.T) {
	exe := build(t, "build", "./testdata/args")
	r := runApp(t, exe, []string{"a"}, "--machine", "microvm")
	r.has(quoted("arg", 1, "a"))
	r = boot(t, "--boot", "pvh", "--machine", "microvm", "--qemu", "-initrd "+exe, "--run", "app args a / args b")
	require.Equal(t, 1, r.status, "args ends with 3")
	r.has(quoted("arg", 1, "b"))
}
