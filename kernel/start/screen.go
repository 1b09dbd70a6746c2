package start

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cmdline"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/screen"
)

// The screen comes up twice. Before there is memory, the text is 80 by 25 cells in the
// image, and the boot page tables map the device. When there is memory, all of the device
// is mapped for stores that are combined, and the log is shown again from its beginning.

// earlyCells is the memory of the text of 80 by 25 cells.
var earlyCells [screen.CellBytes * screen.TextCols * screen.TextRows / 8]uint64

func earlyMemory() uintptr { return uintptr(unsafe.Pointer(&earlyCells)) }

// textMode says that a VGA shows text.
var textMode bool

// output is what the command line says: console=serial, screen, or both.
var output struct{ serialOnly, screenOnly bool }

// readOutput reads the word console.
func readOutput() {
	var word [8]byte
	if n, ok := cmdline.Value(info.CommandLine, "console", word[:]); ok {
		output.serialOnly = string(word[:n]) == "serial"
		output.screenOnly = string(word[:n]) == "screen"
	}
}

// earlyScreen shows the text on the screen, as far as the boot page tables reach.
func earlyScreen(c *percpu.CPU) {
	if output.serialOnly {
		return
	}
	f := &info.Framebuffer
	if f.Kind == screen.KindPixels {
		m := screen.Pixels(f)
		if b := loaderMemory(f.Address, uint64(f.Pitch)*uint64(f.Height)); b != nil {
			m.Base = uintptr(unsafe.Pointer(&b[0]))
			m.Width, m.Height = min(m.Width, screen.TextCols*screen.FontWidth), min(m.Height, screen.TextRows*screen.FontHeight)
			console.UseScreen(c, m, earlyMemory())
		}
	} else if base := mem.Direct(screen.TextAddress); screen.HasText(base) {
		textMode = true
		console.UseScreen(c, screen.TextMode(base), earlyMemory())
	}
	console.Mute(output.screenOnly && console.HasScreen())
}

// startScreen shows the text on all of the screen.
//
// Context: boot CPU, when memory can be mapped and this CPU's PAT is set.
func startScreen(c *percpu.CPU) {
	if output.serialOnly {
		return
	}
	kind := mem.Device
	if features.Has(cpu.PAT) {
		kind = mem.Combining
	}
	f := &bootData.Framebuffer
	switch {
	case f.Kind == screen.KindPixels:
		usePixels(c, f, kind)
	case textMode:
		va := mem.MapPhys(c, screen.TextAddress, screen.TextBytes, kind)
		console.UseScreen(c, screen.TextMode(va), earlyMemory())
	}
	console.Mute(output.screenOnly && console.HasScreen())
	sayScreen(c, f)
}

// usePixels maps a framebuffer, and shows the text there.
func usePixels(c *percpu.CPU, f *abi.Framebuffer, kind mem.Caching) {
	m := screen.Pixels(f)
	bytes := uintptr(f.Pitch) * uintptr(f.Height)
	if f.Address+uint64(bytes) > physicalLimit() {
		info.BadScreen = "this CPU has no such address"
		return
	}
	cols, rows := m.Size()
	memory := uintptr(cols*rows) * screen.CellBytes
	if s := mem.ReadStats(c); uint64(memory) > s.Free*layout.PageSize/16 {
		info.BadScreen = "too little RAM for its text"
		return
	}
	m.Base = mem.MapPhys(c, mem.PhysAddr(f.Address), bytes, kind)
	console.UseScreen(c, m, mem.AllocMapped(c, memory, 64))
}

// sayScreen logs what kind of screen there is.
func sayScreen(c *percpu.CPU, f *abi.Framebuffer) {
	var l console.Line
	l.Str("screen: ")
	switch {
	case info.BadScreen != "":
		console.Warn(c, l.Str("the loader's framebuffer is not used: ").Str(info.BadScreen))
		return
	case !console.HasScreen():
		l.Str("none")
	case f.Kind == screen.KindPixels:
		m := screen.Pixels(f)
		cols, rows := m.Size()
		l.Dec(uint64(f.Width)).Byte('x').Dec(uint64(f.Height)).Str(" pixels of ").Dec(uint64(f.BitsPerPixel)).Str(" bits at ").Hex(f.Address).
			Str(", text of ").Dec(uint64(cols)).Byte('x').Dec(uint64(rows))
	default:
		l.Str("text mode of 80x25")
	}
	if output.screenOnly && !console.HasScreen() {
		l.Str("; console=screen has no effect")
	}
	console.Say(c, &l)
}
