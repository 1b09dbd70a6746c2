package crash

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Machine checks. One that the hardware could not correct ends the kernel: what it
// damaged is not known, and may be the core. Many CPUs send #MC to all CPUs at once, so
// each first records its banks, and then one reports for all. Corrected errors raise
// nothing; each CPU looks for them now and then.
//
// Source: Intel SDM vol. 3B, "Machine-Check Architecture".

// pollSeconds is the time between two looks at a CPU's banks.
const pollSeconds = 10

func machineOf(c *percpu.CPU) *cpu.MachineRecord {
	return (*cpu.MachineRecord)(unsafe.Pointer(c.Machine))
}

// MachineCheck handles #MC: it does not return.
//
// Context: #MC, on its own stack.
func MachineCheck(c *percpu.CPU, f *cpu.Frame) {
	if r := machineOf(c); r != nil {
		recordBanks(c, r)
		Panic(c, f, "machine check; status, banks with an error on this CPU", r.Status, uint64(r.Found))
	}
	Panic(c, f, "machine check", 0, 0)
}

// recordBanks copies this CPU's banks with an error. They stay as they are, for the
// firmware of the next boot.
func recordBanks(c *percpu.CPU, r *cpu.MachineRecord) {
	r.Status = cpu.ReadMSR(cpu.MSRMachineStatus)
	for n := range c.Banks {
		if b, ok := cpu.ReadBank(n); ok {
			if r.Found < uint32(len(r.Banks)) {
				r.Banks[r.Found] = b
			}
			r.Found++
		}
	}
}

// printMachine prints the banks that the CPUs have recorded.
func printMachine() {
	for i := range percpu.Count() {
		c := percpu.Get(i)
		r := machineOf(c)
		if r == nil {
			continue
		}
		for k := range min(r.Found, uint32(len(r.Banks))) {
			var l console.Line
			say(bankLine(&l, c, &r.Banks[k]))
		}
	}
}

// bankLine appends what a bank says: the CPU, the bank, what the error did and where it was.
func bankLine(l *console.Line, c *percpu.CPU, b *cpu.Bank) *console.Line {
	l.Str("machine check: cpu").Dec(uint64(c.ID)).Str(" bank ").Dec(uint64(b.Number)).Str(": ").Str(b.Severity()).
		Str(", ").Str(b.Kind()).Str("; status ").Hex(b.Status)
	if b.Status&cpu.BankAddrV != 0 {
		l.Str(", address ").Hex(b.Addr)
	}
	if b.Status&cpu.BankMiscV != 0 {
		l.Str(", misc ").Hex(b.Misc)
	}
	if b.Status&cpu.BankOverflow != 0 {
		l.Str(", others lost")
	}
	return l
}

// StartMachineChecks makes this CPU report its errors, and logs those of the time
// before the boot.
//
// Context: once on each CPU, with its descriptor tables loaded, no lock held.
func StartMachineChecks(c *percpu.CPU, f *cpu.Features) {
	c.Banks = f.Banks()
	f.EnableMachineChecks()
	logBanks(c)
}

// PollMachine logs the errors of this CPU that raised no #MC, if it is time to look.
//
// Context: the CPU's tick.
func PollMachine(c *percpu.CPU) {
	if now := uint32(clock.Now() / clock.Second); now >= c.MachinePoll {
		c.MachinePoll = now + pollSeconds
		logBanks(c)
	}
}

// logBanks logs the errors in this CPU's banks, and empties these banks.
func logBanks(c *percpu.CPU) {
	for n := range c.Banks {
		if b, ok := cpu.ReadBank(n); ok {
			cpu.ClearBank(n)
			var l console.Line
			console.Warn(c, bankLine(&l, c, &b))
		}
	}
}
