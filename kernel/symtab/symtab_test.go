package symtab

import (
	"debug/elf"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// own returns the table of the test binary itself.
func own(t *testing.T) *Table {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	f, err := elf.Open(exe)
	require.NoError(t, err)
	defer f.Close()
	tab := f.Section(".gopclntab")
	require.NotNil(t, tab)
	var table Table
	require.True(t, table.Init(uintptr(tab.Addr), uintptr(tab.Addr+tab.Size), 0))
	// Test binaries have no symbols: the address of one function, found by name,
	// shows where the text begins.
	for i := range table.n {
		entry := uint64(table.word32(table.word64(offFuncTab) + uint64(i)*8))
		if s, ok := table.Lookup(entry); ok && s.Func == "muster/kernel/symtab.TestAgainstRuntime" {
			table.text = uint64(reflect.ValueOf(TestAgainstRuntime).Pointer()) - entry
			return &table
		}
	}
	t.Fatal("own name not found")
	return nil
}

func TestAgainstRuntime(t *testing.T) {
	table := own(t)
	checked := 0
	for _, f := range []any{TestAgainstRuntime, own, strings.Repeat, require.Equal, os.Executable, (*Table).Lookup} {
		entry := reflect.ValueOf(f).Pointer()
		for pc := entry; pc < entry+200; pc++ {
			want := runtime.FuncForPC(pc)
			if want == nil || want.Entry() != entry {
				break
			}
			got, ok := table.Lookup(uint64(pc))
			require.True(t, ok)
			file, line := want.FileLine(pc)
			if file == "?" { // padding after the function
				break
			}
			require.Equal(t, uint64(entry), got.Entry)
			require.Equal(t, file, got.File)
			require.Equal(t, line, got.Line, "%s+%#x", got.Func, pc-entry)
			require.Equal(t, runtime.FuncForPC(entry).Name(), got.Func)
			checked++
		}
	}
	require.Greater(t, checked, 500)
}

func TestExtent(t *testing.T) {
	table := own(t)
	at := func(f any) uint64 { return uint64(reflect.ValueOf(f).Pointer()) }
	for _, f := range []any{TestDepth, TestExtent, strings.Repeat, require.Equal} {
		start, end, ok := table.Extent(at(f) + 5)
		require.True(t, ok)
		require.Equal(t, at(f), start)
		require.Greater(t, end, start)
		name := runtime.FuncForPC(uintptr(start)).Name()
		require.Equal(t, name, runtime.FuncForPC(uintptr(end-1)).Name())
		require.NotEqual(t, name, runtime.FuncForPC(uintptr(end)).Name())
	}
	_, _, ok := table.Extent(1)
	require.False(t, ok)
}

// At its first instruction a function has put nothing on the stack yet.
func TestDepth(t *testing.T) {
	table := own(t)
	entry := uint64(reflect.ValueOf(TestDepth).Pointer())
	d, ok := table.Depth(entry)
	require.True(t, ok)
	require.Zero(t, d)
	d, ok = table.Depth(entry + 60)
	require.True(t, ok)
	require.Positive(t, d)
	_, ok = table.Depth(1)
	require.False(t, ok)
}

func TestOutside(t *testing.T) {
	table := own(t)
	_, ok := table.Lookup(0)
	require.False(t, ok)
	_, ok = table.Lookup(^uint64(0))
	require.False(t, ok)
}

// A damaged table gives wrong answers, not faults.
func TestDamaged(t *testing.T) {
	good := own(t)
	data := append([]byte(nil), good.data...)
	pc := uint64(reflect.ValueOf(TestDamaged).Pointer())
	for i := 0; i < headerSize; i++ {
		for _, v := range []byte{0, 0x80, 0xff} {
			old := data[i]
			data[i] = v
			var table Table
			start := uintptr(unsafe.Pointer(&data[0]))
			if table.Init(start, start+uintptr(len(data)), uintptr(good.text)) {
				table.Lookup(pc)
			}
			data[i] = old
		}
	}
	var table Table
	require.False(t, table.Init(0, 0, 0))
}

// Switches tells assembly that changes stacks from all other functions.
func TestSwitches(t *testing.T) {
	table := own(t)
	found := 0
	for i := range table.Functions() {
		switch name, entry := table.Function(i); name {
		case "runtime.systemstack", "runtime.mcall", "runtime.goexit", "runtime.rt0_go":
			require.True(t, table.Switches(entry), name)
			found++
		case "runtime.mallocgc", "runtime.memmove", "strings.Repeat":
			require.False(t, table.Switches(entry), name)
			found++
		}
	}
	require.Greater(t, found, 5)
	require.False(t, table.Switches(1))
}
