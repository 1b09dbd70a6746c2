//go:build qemu

package test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// irqLine returns the row of a line.
func irqLine(t *testing.T, rows []shell.IRQ, label string) shell.IRQ {
	t.Helper()
	for _, r := range rows {
		if r.Line == label {
			return r
		}
	}
	require.Fail(t, "no such line", "%q in %v", label, rows)
	return shell.IRQ{}
}

// The console's line goes to the CPU that it is given, in both modes of the local APIC. What
// is printed arrives, although the line moves while its interrupts come.
func TestIRQAffinity(t *testing.T) {
	for name, args := range map[string][]string{"x2APIC": nil, "xAPIC": {"--cpu", "max,-x2apic"}} {
		t.Run(name, func(t *testing.T) {
			var moves []string
			for i := range length(20, 300) {
				moves = append(moves, fmt.Sprintf("irq affinity 4 %d; help smp", i%4))
			}
			r := boot(t, append(args, "--run", "irq -json; irq affinity 4 2; irq  -json; help; cpus; irq   -json; irq affinity 4 0,3 -json; "+
				strings.Join(moves, "; ")+"; irq affinity 4 all; irq affinity 9 3; irq    -json; irq drain 3; irq  affinity 4 3; irq     -json; irq admit 3; irq      -json")...)
			require.Equal(t, 1, r.status, "a drained CPU is refused")
			first := irqLine(t, decode[[]shell.IRQ](r, "irq -json"), "4")
			require.Equal(t, "console", first.Name)
			require.Equal(t, "edge", first.Trigger)
			require.Equal(t, "high", first.Polarity)
			require.Equal(t, 0, *first.CPU)
			require.Equal(t, "open", first.State)
			require.Empty(t, first.Allowed)
			require.Positive(t, first.Counts[0])

			before, after := irqLine(t, decode[[]shell.IRQ](r, "irq  -json"), "4"), irqLine(t, decode[[]shell.IRQ](r, "irq   -json"), "4")
			require.Equal(t, 2, *after.CPU)
			require.Equal(t, []int{2}, after.Allowed)
			for _, cpu := range []int{0, 1, 3} {
				require.Equal(t, before.Counts[cpu], after.Counts[cpu], "cpu%d", cpu)
			}

			var set shell.IRQ
			require.NoError(t, json.Unmarshal([]byte(r.output("irq affinity 4 0,3 -json")), &set))
			require.Contains(t, []int{0, 3}, *set.CPU)
			require.Equal(t, []int{0, 3}, set.Allowed)

			rows := decode[[]shell.IRQ](r, "irq    -json")
			last := irqLine(t, rows, "4")
			require.Equal(t, "open", last.State, "each move is settled")
			require.Empty(t, last.Allowed)
			button := irqLine(t, rows, "9")
			require.Equal(t, "level", button.Trigger)
			require.Equal(t, 3, *button.CPU)

			require.Equal(t, "irq: cpu3 was drained: it gets no lines; irq admit 3 ends that", strings.TrimSpace(r.output("irq  affinity 4 3")))
			r.has("irq: line 9 (power button): none of its CPUs [3] is left, it goes to any\n")
			for _, row := range decode[[]shell.IRQ](r, "irq     -json") {
				if row.Line != "" {
					require.NotEqual(t, 3, *row.CPU)
					require.Equal(t, "open", row.State)
				}
			}
			require.Equal(t, 3, *irqLine(t, decode[[]shell.IRQ](r, "irq      -json"), "9").CPU)
		})
	}
}

func TestIRQAffinityErrors(t *testing.T) {
	commands := map[string]string{
		"irq affinity 77 1":     "irq: no line \"77\"; irq lists them\n",
		"irq affinity 4 9":      "irq: there is no cpu9; cpus lists them\n",
		"irq affinity 4 2-1":    "irq: \"2-1\" is not a set of CPUs, as 2, 0-3,6 or all\n",
		"irq affinity 4":        "irq: usage: irq affinity LINE CPUS\n",
		"irq affinity 5 0-json": "irq: \"0-json\" is not a set of CPUs, as 2, 0-3,6 or all\n",
	}
	var list []string
	for c := range commands {
		list = append(list, c)
	}
	r := boot(t, "--cpus", "2", "--run", strings.Join(list, "; "))
	for c, want := range commands {
		require.Equal(t, want, r.output(c), c)
	}
}

// Keys of a USB keyboard come by MSI-X and by MSI, those of a PS/2 keyboard and at the serial
// port by a line. They arrive at the CPU to which the line goes, and at no other.
func TestIRQAffinityOfKeyboards(t *testing.T) {
	for name, k := range map[string]struct {
		ready, label string
		args         []string
	}{
		"serial": {"", "4", nil},
		"xAPIC":  {"", "4", []string{"--cpu", "max,-x2apic"}},
		"ps2":    {"ps2: keyboard, layout us", "1", []string{"--machine", "q35"}},
		"msi-x":  {usbReady, "msi0", []string{"--machine", "q35,i8042=off", "--qemu", "-device qemu-xhci,msi=off,msix=on -device usb-kbd"}},
		"msi":    {usbReady, "msi0", []string{"--machine", "q35,i8042=off", "--qemu", "-device qemu-xhci,msi=on,msix=off -device usb-kbd"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *session
			var types func(string)
			if k.ready == "" {
				s = start(t, k.args...).expect("muster> ")
				types = func(text string) { s.say(strings.ReplaceAll(text, "\n", "\r")) }
			} else {
				var q *qmp
				s, q = typing(t, "us", k.ready, k.args...)
				types = func(text string) { s.types(q, text) }
			}
			counts := func() []uint64 {
				return irqLine(t, s.irqs(), k.label).Counts
			}
			for _, cpu := range []int{2, 0} {
				s.say(fmt.Sprintf("irq affinity %s %d\r", k.label, cpu)).expect("muster> ")
				before := counts()
				types("uptime\n")
				s.expect("up ").expect("muster> ")
				after := counts()
				for i := range after {
					require.Equal(t, i == cpu, after[i] > before[i], "cpu%d, line on cpu%d: %v, %v", i, cpu, before, after)
				}
			}
		})
	}
}

// A level-triggered line that no device releases is masked and reported, and the machine
// goes on. It is not unmasked by a move, and storms again when it is resumed.
func TestIRQStorm(t *testing.T) {
	for _, cpus := range []string{"1", "2"} {
		t.Run(cpus, func(t *testing.T) {
			t.Parallel()
			s := start(t, "--cpus", cpus, "--append", "fault=irq:storm")
			s.expect("irq: GSI 8 (storm) masked: ").expect(" ms that no device claims; its driver polls\n")
			s.expect("muster> ").say("irq -json\r").expect(`"line":"8","trigger":"level","polarity":"high","cpu":0,"state":"stuck","strays":`).expect("muster> ")
			if cpus == "2" {
				s.say("irq affinity 8 1 -json\r").expect(`"cpu":1,"allowed":[1],"state":"stuck"`).expect("muster> ")
			}
			s.say("test timers\r").expect("ok   timers").expect("muster> ")
			s.say("irq resume 8\r").expect("irq: GSI 8 (storm) masked: ")
			s.say("irq resume 4\r").expect("irq: the line is not stuck\n").expect("muster> ")
			s.say("poweroff\r").end(0)
		})
	}
}

// Where there is no local APIC, the lines are those of the 8259s, at the one CPU.
func TestIRQOf8259(t *testing.T) {
	r := boot(t, "--machine", "isapc", "--cpu", "max,-apic", "--cpus", "1", "--run", "irq -json; irq affinity 4 0; irq drain 0")
	require.Equal(t, 1, r.status)
	console := irqLine(t, decode[[]shell.IRQ](r, "irq -json"), "4")
	require.Equal(t, "edge", console.Trigger)
	require.Equal(t, 0x24, console.Vector)
	require.Positive(t, console.Counts[0])
	require.Equal(t, "irq: cpu0 keeps lines: line 4 (console): no other CPU takes device interrupts", strings.TrimSpace(r.output("irq drain 0")))
}

// The firmware's table says that local pin 1 of each CPU is an NMI. QEMU raises it on
// request, and each CPU counts and reports the NMI.
func TestNMIPin(t *testing.T) {
	t.Parallel()
	q, socket := withQMP(t)
	s := start(t, socket...).expect("muster> ")
	q.open()
	q.do("inject-nmi", nil)
	s.expect("nmi: 4 NMIs so far were not sent by a CPU")
	for _, r := range s.irqs() {
		if r.Name == "NMI" {
			require.NotContains(t, r.Counts, uint64(0), "each CPU had one")
			return
		}
	}
	require.Fail(t, "no NMI was counted")
}

// irqs gives the command irq, and returns its rows.
func (s *session) irqs() (rows []shell.IRQ) {
	s.t.Helper()
	from := len(s.log())
	s.say("irq -json\r").expect("[{").expect("}]\n").expect("muster> ")
	text := s.log()[from:]
	require.NoError(s.t, json.Unmarshal([]byte(text[strings.Index(text, "[{"):strings.LastIndex(text, "]")+1]), &rows))
	return rows
}
