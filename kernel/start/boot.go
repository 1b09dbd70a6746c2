// Package start puts the core together: it brings the boot CPU from the loader's jump to
// the Go runtime.
//
// Layer: core, the topmost package.
// Context: boot CPU, interrupts off.
// Locks: none of its own.
// Chapter: docs/01-boot.md, docs/08-starting-cpus.md.
package start

import (
	"unsafe"

	"muster/boot"
	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cmdline"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/cpus"
	"muster/kernel/crash"
	"muster/kernel/fakeg"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/oldcpu"
	"muster/kernel/percpu"
	"muster/kernel/private"
	"muster/kernel/random"
	"muster/kernel/sched"
	"muster/kernel/selftest"
	"muster/kernel/setting"
	"muster/kernel/trace"
	"muster/kernel/trap"
	"muster/kernel/vector"
	"muster/trampoline"
)

// Values for the assembly.
const (
	offSelf = percpu.SelfOffset
	fsInG   = fakeg.OffFSBase
	tlsInG  = fakeg.OffTLS
)

var (
	cpu0   percpu.CPU
	bootG  fakeg.G
	bootFn = bootMain

	info     boot.Info
	features cpu.Features // the boot CPU's

	clearAlways bool // mitigations=full: clear buffers on CPUs that do not need it, too
	bootData    abi.Boot
)

func onStack(c *percpu.CPU, fn, top, fs, base uintptr)

// minimumRAM is the least usable RAM for a boot: the kernel runs on a machine of 64 MiB, of which
// firmware keeps up to 8.
const minimumRAM = (64 - 8) << 20

// bootMain is the boot CPU's way to the runtime, in order.
func bootMain(magic, information, delta, tsc uint64) {
	c := &cpu0
	c.Init(0)
	percpu.Register(c)
	fakeg.Init()
	c.StackLow, c.StackTop = boot.Stack()
	bootG.SetStack(c.StackLow, c.StackTop)
	c.KernelG, c.KernelFS = bootG.Addr(), bootG.FSBase()
	c.State.Store(percpu.Online)
	wire()
	clock.Start(tsc)
	console.Init()
	crash.Init()
	features.Detect()
	if !features.Has(cpu.SMAP) {
		trap.PatchCLAC() // before the first exception, and while text is still writable
	}
	useOldCPU(oldcpu.Of(&features))
	trap.Init(false)
	trap.LoadIDT()
	if e := boot.Parse(&info, uint32(magic), information, loaderMemory); e != boot.OK {
		refuse(e.Error())
	}
	readConfig(c)
	readOutput()
	earlyScreen(c)
	readOptions(c)
	console.AddLegacy(c, programPorts())
	startMemory(c, mem.PhysAddr(delta))
	startTraps(c)
	startClock(c)
	startThreads(c)
}

// rewritten has the addresses of the functions with instructions that an old CPU lacks.
// test/decode_test.go:TestOldCPUInstructions shows that there are no others.
var rewritten [14]uintptr

// useOldCPU rewrites these functions for a CPU that lacks something.
func useOldCPU(lacks oldcpu.Lacks) {
	if lacks == (oldcpu.Lacks{}) {
		return
	}
	for _, pc := range rewritten {
		start, end, ok := crash.Extent(pc)
		if !ok {
			refuse("no symbols, which a CPU without FSGSBASE or XSAVE needs")
		}
		oldcpu.Function(start, end, lacks)
	}
}

// loaderMemory reads through the boot page tables, which map the first 4 GiB.
func loaderMemory(addr, n uint64) []byte {
	if addr >= 4<<30 || n > 4<<30-addr {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(mem.Direct(mem.PhysAddr(addr)))), n)
}

// refuse prints why the kernel cannot boot, on the serial port and on the screen, and
// stops.
func refuse(why string) {
	if !console.HasScreen() {
		earlyScreen(&cpu0) // without the loader's information there may be a text mode
	}
	console.EmergencyFlush()
	var l console.Line
	console.Emergency(l.Str("muster: ").Str(why).Byte('\n').Bytes())
	crash.End(crash.StatusPanic)
}

// crowded is a limit of deadline-scale. At twice the limit and above, ticks become
// rarer, so that the CPUs together do not tick more often.
const crowded = 8

// readOptions applies the words of the command line that the core itself needs.
// Package options logs their errors when the runtime runs.
func readOptions(c *percpu.CPU) {
	line := info.CommandLine
	level, _ := setting.LogLevel.Read(line)
	console.SetLevel(c, console.Level(level))
	scale, _ := setting.DeadlineScale.Read(line)
	clock.SetScale(scale)
	tick, given := setting.TickMS.Read(line)
	if !given {
		tick *= max(1, scale/crowded) // a host with far fewer CPUs than the guest would only handle ticks
	}
	sched.SetTick(clock.Time(tick) * clock.Millisecond)
	var word [8]byte
	if n, ok := cmdline.Value(line, "mitigations", word[:]); ok && string(word[:n]) == "full" {
		clearAlways = true
	}
	if n, ok := cmdline.Value(line, "placement", word[:]); ok && string(word[:n]) == "pack" {
		sched.Pack(true)
	}
	if n, ok := cmdline.Value(line, "nohz", word[:]); ok && string(word[:n]) == "off" {
		sched.KeepTicking(sched.ByOption, true)
	}
	if n, ok := cmdline.Value(line, "zeropool", word[:]); ok && string(word[:n]) == "off" {
		mem.LeaveZeroing()
	}
	if n, ok := cmdline.Value(line, "crlf", word[:]); ok && string(word[:n]) == "off" {
		console.OmitReturns()
	}
	if n, ok := cmdline.Value(line, "trace", word[:]); ok && string(word[:n]) == "all" {
		trace.SetKinds(trace.All)
		trap.RecordCalls(true)
	}
}

func startMemory(c *percpu.CPU, delta mem.PhysAddr) {
	var l console.Line
	console.Say(c, l.Str("muster: ").Str(version()).Str(", loaded by ").Str(info.Protocol.String()).
		Str(" at ").Hex(uint64(layout.ImageBase+layout.Load)+uint64(delta)))
	info.Entropy(loaderMemory, mixEntropy)
	b := plan(delta)
	console.DetachScreen() // until startScreen
	mem.Init(c, b)
	s := mem.ReadStats(c)
	l = console.Line{}
	console.Say(c, l.Str("mem: ").Dec(s.Free*layout.PageSize>>20).Str(" MiB free of ").
		Dec(memory.RAM.Bytes()>>20).Str(" MiB, kernel at ").Hex(image.Start))
	keepLog(c)
	mapModules(c)
	if memory.Ignored != 0 {
		l = console.Line{}
		console.Warn(c, l.Str("mem: entries of the memory map without a meaning, ignored: ").Dec(uint64(memory.Ignored)))
	}
}

func startTraps(c *percpu.CPU) {
	trap.UseState(features.Has(cpu.XSave))
	trap.SetLostStack()
	cpus.InitBoot(c)
	cpus.MitigateBoot(c, clearAlways)
	startScreen(c)
}

func startClock(c *percpu.CPU) {
	mem.MapClock(c)
	clock.UsePage(features.Has(cpu.RDTSCP))
	found := calibrate(c)
	ns, ok := clock.ReadRTC()
	seedRandom(c, ns)
	if ok {
		clock.SetEpoch(ns - int64(clock.Now()))
	} else {
		var l console.Line
		console.Warn(c, l.Str("clock: no date in the real-time clock, counting from 1970"))
	}
	chooseClock(c)
	clock.UseVDSO(features.Has(cpu.RDTSCP))
	stretch, _ := setting.Stretch.Read(info.CommandLine)
	if stretch != 0 && !lock.Checked {
		var l console.Line
		console.Warn(c, l.Str("options: stretch=: only the debug kernel measures that, ignored"))
	}
	trap.SetStretchLimit(clock.Time(stretch))
	denyAllocations(c)
	startAPIC(c)
	bootData.TSCHz, bootData.TSCSource = found.Hz(), uint32(found.Chosen)
}

// denyAllocations makes allocations for programs fail, if fault=alloc:every=N requests that,
// without the first of each with fault=alloc:after=K.
func denyAllocations(c *percpu.CPU) {
	every, _ := setting.DenyEvery.Read(info.CommandLine)
	if every == 0 {
		return
	}
	if !lock.Checked {
		var l console.Line
		console.Warn(c, l.Str("options: fault=alloc: only the debug kernel has that, ignored"))
		return
	}
	after, _ := setting.DenyAfter.Read(info.CommandLine)
	mem.Deny(every, after, func(c *percpu.CPU, name string) {
		var l console.Line
		console.Say(c, l.Str("mem: fault: the first denied allocation of its kind: ").Str(name))
	})
}

// mixEntropy is a function for boot.Info.Entropy.
func mixEntropy(b []byte) { random.Mix(&cpu0, b) }

// seedRandom seeds the generator of random numbers. mixEntropy has given it the firmware's
// numbers already.
func seedRandom(c *percpu.CPU, date int64) {
	s := random.Seed(c, &features, info.CommandLine, date)
	if s.Poor() {
		var l console.Line
		console.Warn(c, l.Str("random: this CPU has no RDSEED or RDRAND that works: numbers come from timing alone, use them for no key"))
	}
}

// startAPIC turns on the boot CPU's local APIC and calibrates its timer. Without a
// local APIC the kernel runs on this CPU alone, with the 8254 and the 8259s.
func startAPIC(c *percpu.CPU) {
	if !features.Has(cpu.APIC) {
		apic.UseLegacy(vector.PIC)
		return
	}
	apic.RetirePIC(vector.PIC)
	clock.SilencePIT()
	addr, _, x2 := apic.Physical()
	given := x2 // set by the firmware
	va := uintptr(0)
	if x2 = x2 || features.Has(cpu.X2APIC); !x2 {
		va = mem.MapPhys(c, mem.PhysAddr(addr), layout.PageSize, mem.Device)
	}
	apic.Use(x2, va)
	apic.Enable(c)
	chooseTimer(c, calibrateTimer(c))
	if x2 {
		bootData.X2APIC = abi.X2Mode
		if given {
			bootData.X2APIC |= abi.X2Given
		}
	}
}

// startThreads makes the idle thread and the runtime's first thread, and becomes
// the idle thread.
func startThreads(c *percpu.CPU) {
	sched.InitStacks(c)
	top, fs, g := cpus.InitIdle(c)
	linux.Init(c)
	private.Install(&bootData)
	selftest.Install()
	installHandlers()
	onStack(c, uintptr(unsafe.Pointer(&runtimeFn)), top, fs, g)
}

var (
	runtimeFn = startRuntime
	runtimePC uintptr
)

// startRuntime makes the first thread of the Go runtime and becomes the idle thread.
func startRuntime(c *percpu.CPU) {
	console.DrawInSteps()
	linux.StartKernel(c, runtimePC, info.CommandLine)
	sched.StartTick(c)
	c.Stage.Store(trampoline.StageIdleLoop)
	sched.Idle(c)
}
