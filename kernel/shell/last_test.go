package shell

import (
	"bytes"
	"context"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/persist"
)

// room is a variable: package persist knows it by its address alone.
var room [persist.Size / 4]uint32

func dmesgLast(t *testing.T, l LastBoot, line string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, New(&fake{last: &l}, &out).Run(context.Background(), line))
	return out.String()
}

func TestLastBoot(t *testing.T) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&room)), persist.Size)
	require.Equal(t, "nothing kept: no free RAM below 4 GiB at a place that firmware and loader leave alone\n",
		dmesgLast(t, LastBootOf(nil, 0), "dmesg -last"))
	require.Equal(t, "nothing kept: no header at 0x4000000: the power was off, or firmware, loader or another system used that memory\n",
		dmesgLast(t, LastBootOf(nil, 0x4000000), "dmesg -last"))

	persist.Start(uintptr(unsafe.Pointer(&room)), 3)
	persist.Log(1, 6, 1_500_000_000, []byte("a line"), nil)
	persist.Log(0, 4, 1<<63, []byte("\x1b[2Jescapes\xff\r\n\u202eé"), nil)
	want := "[    1.500000] cpu1: a line\n[    0.000000] cpu0: \ufffd[2Jescapes\ufffd\ufffd\ufffd\ufffdé\n"
	require.Equal(t, want+"no panic\n", dmesgLast(t, LastBootOf(b, 0x4000000), "dmesg -last"))
	persist.Report([]byte("muster: PANIC\nin \x07f\n"))
	want += "muster: PANIC\nin \ufffdf\n"
	require.Equal(t, want, dmesgLast(t, LastBootOf(b, 0x4000000), "dmesg -last"))
	require.Equal(t, `{"kept":true,"log":[{"time_ns":1500000000,"cpu":1,"level":6,"text":"a line"},{"time_ns":0,"cpu":0,"level":4,"text":"�[2Jescapes����é"}],`+
		`"report":["muster: PANIC","in �f"],"address":67108864}`+"\n", dmesgLast(t, LastBootOf(b, 0x4000000), "dmesg -last -json"))

	b[80] ^= 1 // in the text of the second line
	require.Equal(t, "[    1.500000] cpu1: a line\na checksum is wrong: the rest of 1 of the parts is left out\nmuster: PANIC\nin \ufffdf\n",
		dmesgLast(t, LastBootOf(b, 0x4000000), "dmesg -last"))
	for i := 0; i < persist.Size; i += persist.BankSize {
		b[i+8] ^= 1
	}
	require.Equal(t, "nothing kept: the checksum of what is at 0x4000000 is wrong\n", dmesgLast(t, LastBootOf(b, 0x4000000), "dmesg -last"))
}
