// Command kernel is Muster: the kernel that GRUB or QEMU loads.
//
// By the time main runs, package start has brought the boot CPU from the
// loader's jump to the Go runtime. What follows is ordinary Go, in boot order.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"muster/boot"
	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/disasm"
	"muster/kernel/exec"
	"muster/kernel/input"
	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/ktest"
	"muster/kernel/msr"
	"muster/kernel/options"
	"muster/kernel/qrcode"
	"muster/kernel/serial"
	"muster/kernel/shell"
	"muster/kernel/start"
	"muster/kernel/thermal"
)

// main follows the order of a boot, step by step; so it is long.
func main() {
	boot.Keep()
	hasScreen := draw()
	info := kcall.BootInfo()
	line := string(kcall.Slice[byte](info.CommandLine, info.CommandLength))
	opts, problems := options.Parse(line)
	klog.Infof("go: runtime %s is up, command line %q", runtime.Version(), line)
	for _, p := range problems {
		klog.Warnf("options: %s", p)
	}

	before := shell.LastBootOf(kcall.Slice[byte](info.Before, info.BeforeLength), info.Aside)
	if before.Report != nil {
		klog.Warnf("dmesg: the boot before ended in a panic; dmesg -last has the report")
	}
	m := discover(info)
	if m.madt != nil && m.features.Has(cpu.APIC) {
		setUpInterrupts(m, info)
	}
	f := opts.Faults.IPI
	kcall.IPIFaults(f.Drop, f.Dup, f.Delay)
	if err := kcall.IPIRules(opts.Physical, opts.Share); err != nil {
		klog.Errorf("ipi: %v", err)
	}
	var keys io.Reader
	if !opts.HasRun && opts.Control.Base == 0 { // otherwise nothing reads them
		keys = m.keyboards(opts)
	}
	button := make(chan struct{})
	go m.watchButton(opts, button)
	m.startCPUs(opts)
	ktest.Plug = m.plug
	m.compareTSCs(len(m.top.CPUs), opts.Faults.TSC)
	logMitigations(opts.Full)
	m.makeVDSO()
	go keepTime()
	m.addCards(opts, m.addNamedPort())
	var port io.Reader
	if p := serial.Open(m.isa); p != nil {
		port = p
	}
	<-button
	if !opts.Static && len(m.top.CPUs) > 1 {
		go irq.Balance()
	}
	if opts.Faults.Storm {
		m.storm()
	}

	preparePanic()
	sys := system{hardware: m, opts: opts, info: info, before: before, sensor: thermal.Sensor{CPUID: cpu.CPUID, MSR: msr.Read}}
	sh := shell.New(&sys, os.Stdout)
	switch {
	case opts.App != "":
		words := m.ports(opts)
		m.off(runProgram(info, opts, func() {
			switch {
			case words != nil:
				obey(words)
			case keys != nil || port != nil:
				watchKeys(input.Merge(port, keys))
			}
		}))
	case opts.HasRun:
		m.off(sh.RunAll(opts.Run))
	}
	var first *shell.Status
	if st, ok := m.statusScreen(opts, hasScreen, port != nil); ok {
		first = &st
	}
	greeting := fmt.Sprintf("Muster %s, %s, CPUs: %d. help lists the commands.\n", start.Version, runtime.Version(), runtime.GOMAXPROCS(0))
	serve(sys, sh, keys, port, first, greeting) // does not return
}

// setUpInterrupts logs the mode of the local APICs, and makes the I/O APICs ready.
func setUpInterrupts(m *hardware, info *abi.Boot) {
	mode := "xAPIC mode"
	switch {
	case info.X2APIC&abi.X2Given != 0:
		mode = "x2APIC mode, as the firmware left it"
	case info.X2APIC != 0:
		mode = "x2APIC mode"
	}
	klog.Infof("irq: local APIC at %#x in %s", m.top.LocalAPIC, mode)
	irq.SetUp(m.top)
}

// preparePanic gives the report of a panic what it has of ordinary Go code: the decoder of
// instructions and the encoder of QR codes.
func preparePanic() {
	crash.UseDecoder(disasm.Instruction)
	room, err := qrcode.Prepare()
	if err != nil {
		klog.Errorf("qrcode: a panic shows no codes: %v", err)
		return
	}
	crash.UseEncoder(qrcode.OnScreen, room)
}

// statusNoProgram is the status when the program could not be started, the same as
// a Unix shell's.
const statusNoProgram = 127

// runProgram runs the first module in ring 3 and returns its status. Beside it runs
// attend, from the moment when a signal can reach the program.
func runProgram(info *abi.Boot, opts options.Options, attend func()) int {
	file, err := findProgram(info, opts.App)
	if err != nil {
		klog.Errorf("app: %s not started: %v", opts.App, err)
		return statusNoProgram
	}
	began := time.Now()
	args := append([]string{opts.App}, opts.Args...)
	if opts.Copies > 1 || opts.Rounds > 1 {
		status := runCopies(file, args, opts, attend)
		drain()
		return status
	}
	p, err := exec.Start(0, file, args, opts.Env)
	if err != nil {
		klog.Errorf("app: %s not started: %v", opts.App, err)
		return statusNoProgram
	}
	klog.Infof("app: process %d is %q", p.ID, strings.Join(args, " "))
	go attend()
	status := p.Wait()
	drain()
	klog.Infof("app: %s ended with status %d after %v", opts.App, status, time.Since(began).Round(time.Millisecond))
	return status
}
