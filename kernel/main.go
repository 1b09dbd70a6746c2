// Command kernel is Muster: the kernel that GRUB or QEMU loads.
//
// By the time main runs, package start has brought the boot CPU from the
// loader's jump to the Go runtime. What follows is ordinary Go, in boot order.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"muster/boot"
	"muster/kernel/abi"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/exec"
	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/options"
	"muster/kernel/serial"
	"muster/kernel/shell"
	"muster/kernel/start"
)

func main() {
	boot.Keep()
	info := kcall.BootInfo()
	line := string(kcall.Slice[byte](info.CommandLine, info.CommandLength))
	opts, problems := options.Parse(line)
	klog.Infof("go: runtime %s is up, command line %q", runtime.Version(), line)
	for _, p := range problems {
		klog.Warnf("options: %s", p)
	}

	m := discover(info)
	if m.madt != nil && m.features.Has(cpu.APIC) {
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
	f := opts.Faults.IPI
	kcall.IPIFaults(f.Drop, f.Dup, f.Delay)
	if err := kcall.IPIRules(opts.Physical, opts.Share); err != nil {
		klog.Errorf("ipi: %v", err)
	}
	m.startCPUs(opts)
	logMitigations(opts.Full)
	keyboard, err := serial.Open(m.isa(console.IRQ))
	if err != nil {
		klog.Errorf("serial: no keyboard: %v", err)
	}

	sh := shell.New(&system{hardware: m, opts: opts}, os.Stdout)
	switch {
	case opts.App != "":
		m.off(runProgram(info, opts))
	case opts.HasRun:
		m.off(sh.RunAll(opts.Run))
	}
	fmt.Printf("Muster %s, %s, CPUs: %d. help lists the commands.\n", start.Version, runtime.Version(), runtime.GOMAXPROCS(0))
	if keyboard != nil {
		sh.Serve(context.Background(), keyboard) // does not return
	}
	for { // without a keyboard the kernel keeps running
		time.Sleep(time.Hour)
	}
}

// statusNoProgram is the status when the program could not be started, the same as
// a Unix shell's.
const statusNoProgram = 127

// runProgram runs the first module in ring 3 and returns its status.
func runProgram(info *abi.Boot, opts options.Options) int {
	if info.ModuleCount == 0 {
		klog.Errorf("app: %s not started: the loader brought no module, or an empty one; GRUB has module2 FILE, QEMU -initrd FILE", opts.App)
		return statusNoProgram
	}
	m := kcall.Slice[abi.Module](info.Modules, info.ModuleCount)[0]
	file := kcall.Slice[byte](info.DirectMap+uintptr(m.Start), uintptr(m.End-m.Start))
	began := time.Now()
	args := append([]string{opts.App}, opts.Args...)
	p, err := exec.Start(file, args, opts.Env)
	if err != nil {
		klog.Errorf("app: %s not started: %v", opts.App, err)
		return statusNoProgram
	}
	klog.Infof("app: process %d is %q", p.ID, strings.Join(args, " "))
	status := p.Wait()
	klog.Infof("app: %s ended with status %d after %v", opts.App, status, time.Since(began).Round(time.Millisecond))
	return status
}
