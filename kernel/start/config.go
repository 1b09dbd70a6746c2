package start

import (
	"muster/boot"
	"muster/kernel/cmdline"
	"muster/kernel/console"
	"muster/kernel/percpu"
	"muster/kernel/setting"
)

// configName is the first word of the text of a module with words for the command line.
// GRUB's configuration writes it (scripts/mkiso.sh).
const configName = "config"

// lineRoom has the words of the configuration, and then those of the loader: of two words
// with one name the last counts, and that is the one which the user chose in the menu.
var lineRoom [cmdline.MaxFile + 1 + boot.MaxCommandLine]byte

// readConfig puts the words of a configuration module before the command line. A file
// with an error is not used at all, because half of its words may mean another thing.
//
// Context: after boot.Parse, before the command line is read.
func readConfig(c *percpu.CPU) {
	for i := range info.Modules() {
		var word [len(configName) + 1]byte
		n, _, _ := cmdline.Next(info.ModuleText(i), word[:])
		if string(word[:n]) != configName {
			continue
		}
		var l console.Line
		l.Str("options: muster.cfg ")
		m := info.Module(i)
		file := loaderMemory(m.Start, m.End-m.Start)
		n, line, problem := cmdline.File(file, lineRoom[:cmdline.MaxFile])
		if problem != "" {
			if line > 0 {
				l.Str("line ").Dec(uint64(line)).Str(": ")
			}
			console.Warn(c, l.Str(problem).Str("; the file is not used"))
			return
		}
		lineRoom[n] = ' '
		n++
		n += copy(lineRoom[n:], info.CommandLine)
		info.CommandLine = lineRoom[:n]
		console.Say(c, l.Str("gives words for the command line, bytes: ").Dec(m.End-m.Start))
		return
	}
}

// programPorts returns the addresses of the words stdio= and control=, 0 for none. Those
// ports have the bytes of programs, so the console must not write to them.
func programPorts() (bases [2]uint16) {
	for i, name := range [2]string{"stdio", "control"} {
		var value [32]byte
		if n, ok := cmdline.Value(info.CommandLine, name, value[:]); ok {
			bases[i] = setting.Base(value[:n])
		}
	}
	return bases
}
