package shell

import "muster/kernel/near"

// habits are commands of other systems, with what to type here.
var habits = map[string]string{
	"exit": toEnd, "quit": toEnd, "logout": toEnd, "halt": toEnd, "shutdown": toEnd,
	"restart": "reboot restarts the machine",
	"ls":      noFiles, "dir": noFiles, "cat": noFiles, "cd": noFiles, "pwd": noFiles,
	"man": "COMMAND -h explains a command", "?": "help lists all commands",
	"clear": "control-L clears the screen", "cls": "control-L clears the screen",
	"free": "mem shows the memory", "lscpu": "cpus lists the CPUs", "lspci": "pci lists the functions",
	"nproc": "cpus lists the CPUs", "chcpu": "cpu offline N and cpu online N", "lsirq": listIRQ, "interrupts": listIRQ, "irqtop": listIRQ,
	"timedatectl": "time -v shows the clock", "hwclock": "time -v shows the clock", "timers": "cpus -idle counts the timers that woke each CPU up",
	"cpupower": "freq shows frequencies and idle states", "vmstat": "top shows the machine", "watch": "top shows the machine, each second anew",
	"htop": "top shows the machine", "status": "top shows what the status screen does", "date": "time has the date", "history": "the arrow keys bring back earlier lines",
}

const (
	toEnd   = "poweroff ends the machine"
	listIRQ = "irq lists the interrupts"
	noFiles = "there are no files; run NAME runs a program of the image or the stick"
)

// instead returns the end of the error about an unknown command: what to type instead.
func instead(word string, names []string) string {
	if hint := habits[word]; hint != "" {
		return "; " + hint
	}
	return near.Suggest(word, names) + "; help lists all"
}
