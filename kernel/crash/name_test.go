package crash

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/console"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// A name that a program chose does not clear the screen on which the report is.
func TestNameIsPrintable(t *testing.T) {
	before := upcall.To.ThreadName
	t.Cleanup(func() { upcall.To.ThreadName = before })
	upcall.To.ThreadName = func(uintptr) *[16]byte { return &[16]byte{'a', 0x1b, '[', '2', 'J', 0x9b, 0xff, '~', 0, 'x'} }
	var l console.Line
	require.Equal(t, "(a?[2J??~)", string(addName(l.Byte('('), &percpu.CPU{Current: 1}).Byte(')').Bytes()))
	l = console.Line{}
	require.Equal(t, "none", string(addName(&l, &percpu.CPU{}).Bytes()))
}
