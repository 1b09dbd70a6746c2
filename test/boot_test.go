//go:build qemu

package test

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
	"muster/kernel/shell"
	"muster/tools/patience"
)

// The lines of the boot log, in order, on the usual machine with 4 CPUs.
var bootLog = []string{
	`^\[ +\d+\.\d{6}\] cpu0: muster: Muster \d+\.\d+, loaded by PVH at 0x200000$`,
	`cpu0: mem: \d+ MiB free of \d+ MiB, kernel at 0x200000$`,
	`cpu0: clock: time-stamp counter at \d+ kHz by \w+`,
	`cpu\d: go: runtime go1\.\d+(\.\d+)? is up, command line "deadline-scale=`,
	`cpu\d: acpi: RSDP revision \d from "BOCHS", \d+ tables from the [RX]SDT$`,
	`cpu\d: irq: local APIC at 0xfee00000 in x2APIC mode$`,
	`cpu\d: irq: I/O APIC 0 at 0xfec00000, GSI 0-23$`,
	`cpu\d: irq: ISA IRQ 0 is GSI 2$`,
	`cpu\d: smp: CPU with APIC ID 0, ACPI id 0, boot CPU$`,
	`cpu\d: smp: CPU with APIC ID 1, ACPI id 1$`,
	`cpu\d: smp: CPU with APIC ID 2, ACPI id 2$`,
	`cpu\d: smp: CPU with APIC ID 3, ACPI id 3$`,
	`cpu\d: smp: 4 of 4 CPUs online, \d+\.\d ms after the first INIT$`,
	`cpu\d: cpu: mitigations: NX, SMEP, SMAP, UMIP$`,
	`cpu\d: cpu: shadow stacks not enabled: the CPU does not offer it$`,
	`cpu\d: irq: GSI 4 is vector 0xde on cpu0$`, // after the power button's,
}

func TestBootLog(t *testing.T) {
	r := boot(t, "--accel", "tcg", "--append", "deadline-scale=2", "--run", "uptime").ok()
	lines := strings.Split(r.log, "\n")
	for _, want := range bootLog {
		at := -1
		for i, l := range lines {
			if matched(t, want, l) {
				at = i
				break
			}
		}
		require.GreaterOrEqual(t, at, 0, "no line, or not in this order: %s", want)
		lines = lines[at+1:]
	}
	r.matches(`muster> uptime\nup \d+m?s, 20\d\d-\d\d-\d\dT`)
}

// every CPU must be online, take ticks, and run threads.
func TestCPUCounts(t *testing.T) {
	t.Parallel()
	for _, n := range []string{"1", "2", "3", "4", "8", "16"} {
		t.Run(n, func(t *testing.T) {
			r := boot(t, "--cpus", n, "--append", "nohz=off", "--run", "test cpus; cpus -json; irq -json").ok()
			r.has("smp: " + n + " of " + n + " CPUs online")
			cpus := decode[[]shell.CPU](r, "cpus -json")
			require.Equal(t, n, fmt.Sprint(len(cpus)))
			for i, c := range cpus {
				require.Equal(t, i, c.CPU)
				require.Equal(t, i == 0, c.BSP)
				require.Equal(t, "online", c.State)
				require.Positive(t, c.Ticks, "cpu %d", i)
				require.Positive(t, c.Switches, "cpu %d", i)
			}
			timer := false
			for _, q := range decode[[]shell.IRQ](r, "irq -json") {
				if q.Name == "local timer" {
					timer = true
					require.NotContains(t, q.Counts, uint64(0), "every CPU has timer interrupts")
				}
			}
			require.True(t, timer)
		})
	}
}

func TestXAPIC(t *testing.T) {
	r := boot(t, "--cpu", "max,-x2apic", "--run", "test tlb; cpus").ok()
	r.has("in xAPIC mode")
	r.has("smp: 4 of 4 CPUs online")
}

// Firmware may hand the machine over in x2APIC mode, the other CPUs' in either. QEMU's
// does not; the boot loader does it in its stead.
func TestX2APICGiven(t *testing.T) {
	// IA32_APIC_BASE: enabled, x2APIC, boot CPU, and the address as before (Intel SDM
	// vol. 3A, "Detecting and Enabling x2APIC Mode").
	t.Parallel()
	boot(t, "GRUB_BEFORE=insmod wrmsr; wrmsr 0x1b 0xfee00d00", "--boot", "bios", "--run", "test ipi; test tlb; test cpus").ok().has("in x2APIC mode, as the firmware left it", "smp: 4 of 4 CPUs online")
	boot(t, "--boot", "bios", "--run", "uptime").ok().lacks("as the firmware left it")
}

// Firmware of Intel CPUs can hide NX and most CPUID leaves by two bits of an MSR, which
// the kernel clears. The boot loader sets them here, and prints the register afterwards.
// QEMU keeps the MSR, but hides nothing, so this shows that the bits are cleared.
func TestHiddenFeatures(t *testing.T) {
	const hides = "0x400400001"
	t.Parallel()
	const before = "GRUB_BEFORE=insmod wrmsr; wrmsr 0x1a0 " + hides + "; insmod rdmsr; insmod serial; serial; terminal_output serial; rdmsr 0x1a0; terminal_output console"
	boot(t, before, "--boot", "bios", "--cpu", "max,vendor=GenuineIntel", "--run", "test mitigations").ok().matches("(?m)^.*" + hides + "$")
}

func TestSparseAPICIDs(t *testing.T) {
	r := boot(t, "--qemu", "-smp 6,sockets=2,cores=3,threads=1", "--run", "test cpus; cpus -json").ok()
	var ids []uint32
	for _, c := range decode[[]shell.CPU](r, "cpus -json") {
		ids = append(ids, c.APICID)
	}
	require.Equal(t, []uint32{0, 1, 2, 4, 5, 6}, ids, "dense numbers, ids with a gap")
}

// APIC ids that collide in the core's index of them: 8, 16 and 21 begin at the last of
// its 8 slots, so 16 and 21 are looked for at the first slots next, where 0 is. A new CPU
// looks for its id in assembly, which host tests do not reach.
func TestCollidingAPICIDs(t *testing.T) {
	args := []string{"--qemu", "-smp 1,maxcpus=64,sockets=64,cores=1,threads=1"}
	for _, id := range []string{"8", "16", "21"} {
		args = append(args, "--qemu", "-device max-x86_64-cpu,socket-id="+id+",core-id=0,thread-id=0")
	}
	r := boot(t, append(args, "--run", "test cpus; cpus -json")...).ok().has("smp: 4 of 4 CPUs online")
	var ids []uint32
	for _, c := range decode[[]shell.CPU](r, "cpus -json") {
		ids = append(ids, c.APICID)
	}
	require.Equal(t, []uint32{0, 8, 16, 21}, ids)
}

// A CPU that lacks what the boot CPU has and threads use anywhere is not used, and the
// log says why; and one that has more uses no more.
func TestCPUsThatDiffer(t *testing.T) {
	t.Parallel()
	const other = "-device max-x86_64-cpu,core-id=0,thread-id=0,socket-id="
	r := boot(t, "--qemu", "-smp 1,maxcpus=8,sockets=8,cores=1,threads=1", "--qemu", other+"1", "--qemu", other+"2,xsave=off", "--qemu", other+"3,fsgsbase=off",
		"--qemu", other+"4,avx=off", "--qemu", other+"5,popcnt=off", "--run", "test cpus").ok()
	r.has("smp: 2 of 6 CPUs online")
	require.Equal(t, 4, strings.Count(r.log, "it lacks features that the boot CPU has"))
	r = boot(t, "--cpu", "max,xsave=off,fsgsbase=off", "--qemu", "-smp 1,maxcpus=8,sockets=8,cores=1,threads=1",
		"--qemu", "-device max-x86_64-cpu,core-id=0,thread-id=0,socket-id=1,xsave=on,fsgsbase=on", "--run", "test cpus; test mitigations; cpus -features").ok()
	r.has("smp: 2 of 2 CPUs online", "cpu 1 differs from cpu 0 in CPUID")
}

func TestOneCPUByChoice(t *testing.T) {
	r := boot(t, "--append", "nosmp", "--run", "cpus -json; test basics").ok()
	r.has("smp: nosmp, running on one CPU")
	require.Len(t, decode[[]shell.CPU](r, "cpus -json"), 1)
}

func TestMaxCPUs(t *testing.T) {
	r := boot(t, "--append", "maxcpus=3", "--run", "cpus -json").ok()
	r.has("smp: 3 of 3 CPUs online")
	require.Len(t, decode[[]shell.CPU](r, "cpus -json"), 3)
}

// Machines that lack something: the kernel says so and runs on one CPU.
func TestPoorMachines(t *testing.T) {
	tests := map[string]struct {
		args []string
		says string
	}{
		"no ACPI, and MP tables that list packages alone": {[]string{"--machine", "pc,acpi=off"},
			"using the MP tables of \"BOCHSCPU\" at 0xf"},
		"neither": {[]string{"--machine", "microvm,acpi=off"},
			"smp: no MADT and no MP tables (acpi: RSDP+0x0: not found; acpi: _MP_+0x0: not found), running on one CPU\n"},
		"no local APIC": {[]string{"--machine", "pc", "--cpu", "max,-apic", "--cpus", "1"},
			"smp: no local APIC, running on one CPU"},
		"a local APIC that CPUID denies": {[]string{"--machine", "pc", "--cpu", "max,-apic", "--cpus", "2"},
			"smp: no local APIC, running on one CPU"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := boot(t, append(tc.args, "--run", "test timers; test preempt; cpus -json")...).ok().has(tc.says)
			require.Len(t, decode[[]shell.CPU](r, "cpus -json"), 1)
		})
	}
}

// Without ACPI the MP tables list the CPUs, one for each package.
func TestMPTables(t *testing.T) {
	r := boot(t, "--machine", "pc,acpi=off", "--qemu", "-smp 4,sockets=4", "--run", "test cpus; cpus -json").ok()
	r.has("acpi: no MADT: acpi: RSDP+0x0: not found: using the MP tables of", "smp: 4 of 4 CPUs online", "irq: GSI 4 is vector")
	require.Len(t, decode[[]shell.CPU](r, "cpus -json"), 4)
}

func TestLittleMemory(t *testing.T) {
	t.Parallel()
	boot(t, "--mem", "64", "--run", "test").ok()
	r := boot(t, "--qemu", "-m 32", "--timeout", "20", "--run", "uptime")
	require.Equal(t, 125, r.status)
	r.has("muster: too little RAM: 64 MiB are needed\n")
}

func TestMuchMemory(t *testing.T) {
	r := boot(t, "--mem", "6144", "--run", "mem -json").ok() // above the hole below 4 GiB
	require.Greater(t, decode[shell.Memory](r, "mem -json").Total, uint64(6000<<20))
}

// Every loader and medium; the image is the one that make iso leaves.
func TestLoaders(t *testing.T) {
	for _, boots := range []string{"bios", "uefi"} {
		for _, media := range []string{"cd", "usb"} {
			t.Run(boots+" "+media, func(t *testing.T) {
				t.Parallel()
				r := boot(t, "--boot", boots, "--media", media, "--mem", "512", "--timeout", "180", "--append", "tick=20", "--run", "test cpus; uptime").ok()
				r.has("loaded by multiboot2 at 0x", `command line "tick=20 `, "smp: 4 of 4 CPUs online")
			})
		}
	}
}

// The image that make iso leaves, without a command line.
func TestPlainImage(t *testing.T) {
	m := menu(t, "bios")
	m.expect("muster> ").say("uptime\r").expect("\nup ").expect("muster> ")
	m.say("poweroff\r").end(0)
	require.Contains(t, m.log(), `command line ""`)
	require.Contains(t, m.log(), "help lists the commands.")
}

// menu boots what make iso leaves, and waits for GRUB's menu on the serial port.
func menu(t *testing.T, firmware string) *session {
	t.Parallel()
	m := start(t, patience.Variable+"=1", "--boot", firmware, "--cpus", "1", "--menu") // fewer CPUs than the host: nothing to tell the kernel
	return m.expect("Muster, verbose (loglevel=8)").expect("executed automatically in")
}

// A key chooses an entry, and another one edits it: words follow its own.
func TestMenu(t *testing.T) {
	t.Run("choose", func(t *testing.T) {
		m := menu(t, "bios").say("\x0e\r") // control-N: one down
		m.expect(`command line "nosmp"`).expect("muster> ").say("poweroff\r").end(0)
	})
	t.Run("edit", func(t *testing.T) {
		m := menu(t, "bios").say("e").expect("muster")
		m.say("\x0e\x05 loglevel=4\x18") // control-N, control-E: the end of the second line; control-X: boot
		m.expect("muster> ").say("dmesg\r").expect(`command line "loglevel=4"`).say("poweroff\r").end(0)
	})
	t.Run("uefi", func(t *testing.T) {
		// A digit: the firmware reads the port too, and drops control characters.
		menu(t, "uefi").say("3").expect(`command line "smp=serial"`).expect("muster> ").say("poweroff\r").end(0)
	})
	// Nothing that GRUB or the kernel says is seen, and the machine boots all the same.
	for _, firmware := range []string{"bios", "uefi"} {
		t.Run(firmware+" without a serial port", func(t *testing.T) {
			t.Parallel()
			r := boot(t, "--boot", firmware, "--menu", "--console", "none", "--run", "uptime").ok()
			require.Empty(t, r.log)
		})
	}
}

func TestBadOptions(t *testing.T) {
	r := boot(t, "--append", "maxcpus=many tick=0 loglevel=12 nosnp", "--run", "cpus -json").ok()
	r.has(fmt.Sprintf("options: maxcpus=many: not a number from 1 to %d, using the default", percpu.Max),
		"options: tick=0: not a number from 1 to 1000, using the default",
		"options: loglevel=12: not a number from 0 to 8, using the default",
		`options: nosnp: unknown word, nearest is "nosmp", ignored`,
		"smp: 4 of 4 CPUs online")
}

func TestLogLevel(t *testing.T) {
	r := boot(t, "--append", "loglevel=4", "--run", "dmesg").ok()
	before, listing, _ := strings.Cut(r.log, "muster> dmesg\n")
	require.NotContains(t, before, "CPUs online")
	require.Contains(t, listing, "smp: 4 of 4 CPUs online", "kept all the same")
}

func TestTick(t *testing.T) {
	t.Parallel()
	ticks := func(words string) float64 { // a second
		r := boot(t, "--icount", "--append", words+" nohz=off", "--run", "test vector; cpus -json; uptime -json").ok()
		up := decode[shell.Uptime](r, "uptime -json").UpNS
		return float64(decode[[]shell.CPU](r, "cpus -json")[0].Ticks) / (float64(up) / 1e9)
	}
	slow, fast := ticks("tick=40"), ticks("tick=5")
	require.InDelta(t, 8, fast/slow, 3, "ticks per second: %.0f and %.0f", fast, slow)
	// On a crowded host ticks are fewer, 64/8 = 8 times 10 ms apart, unless tick= sets the time.
	asked, rare := ticks("tick=40 deadline-scale=64"), ticks("deadline-scale=64")
	require.InDelta(t, 1, asked/slow, 0.4, "ticks per second: %.0f and %.0f", asked, slow)
	require.InDelta(t, 0.5, rare/slow, 0.2, "ticks per second: %.0f and %.0f", rare, slow)
}

// The stub refuses CPUs that lack what the kernel needs, and names it.
func TestRefusedCPUs(t *testing.T) {
	for flag, name := range map[string]string{"lm": "long mode", "nx": "NX", "sse2": "SSE2"} {
		t.Run(name, func(t *testing.T) {
			r := boot(t, "--cpu", "max,-"+flag, "--cpus", "1", "--timeout", "20", "--run", "uptime")
			require.Equal(t, 125, r.status)
			require.Equal(t, "muster: this CPU has no "+name+"\n", r.log)
		})
	}
}

// QEMU's loader writes a long command line over what it hands to the kernel. The script
// refuses such a line, so this runs QEMU itself.
func TestLongCommandLine(t *testing.T) {
	for bytes, want := range map[int]string{
		4095:  "muster> uptime\nup ",
		4200:  "muster: command line over QEMU's 4,095 bytes\n",
		20000: "muster: command line over QEMU's 4,095 bytes\n",
	} {
		line := "run=uptime env=BIG="
		line += strings.Repeat("x", bytes-len(line))
		cmd := patience.Command(t.Context(), "timeout", fmt.Sprint(int(patience.For(time.Minute).Seconds())), cmp.Or(os.Getenv("QEMU"), "qemu-system-x86_64"), "-m", "256", "-nodefaults", "-display", "none",
			"-accel", "tcg", "-cpu", "max", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-serial", "stdio",
			"-kernel", filepath.Join(root, "build", "kernel.elf"), "-append", line)
		out, _ := cmd.Output() // the status is QEMU's own
		require.Contains(t, strings.ReplaceAll(string(out), "\r", ""), want, "%d bytes", bytes)
	}
}

// A variable that is too long is named, and the others arrive.
func TestLongVariable(t *testing.T) {
	boot(t, "--append", "GOGC=77 LONG="+strings.Repeat("x", 300), "--run", "uptime").ok().
		has("options: LONG: 305 bytes with its name, at most 255 are passed on\n").lacks("options: GOGC")
}

// A loader of another kind: the test changes both magic numbers that the stub
// compares with.
func TestRefusedLoader(t *testing.T) {
	image, err := os.ReadFile(filepath.Join(root, "build", "kernel.elf"))
	require.NoError(t, err)
	start, end := symbol(t, "muster/boot.entry32")
	f, err := elf.Open(filepath.Join(root, "build", "kernel.elf"))
	require.NoError(t, err)
	defer f.Close()
	text := f.Section(".text")
	code := image[text.Offset+start-text.Addr : text.Offset+end-text.Addr]
	changed := 0
	for i := 0; i+4 <= len(code); i++ {
		if v := binary.LittleEndian.Uint32(code[i:]); v == 0x36d76289 || v == 0x336ec578 {
			binary.LittleEndian.PutUint32(code[i:], 0x12345678)
			changed++
		}
	}
	require.Equal(t, 2, changed)
	file := filepath.Join(t.TempDir(), "kernel.elf")
	require.NoError(t, os.WriteFile(file, image, 0o644))
	r := boot(t, "--kernel", file, "--cpus", "1", "--timeout", "20", "--run", "uptime")
	require.Equal(t, 125, r.status)
	require.Equal(t, "muster: not loaded by multiboot2 or PVH\n", r.log)
}
