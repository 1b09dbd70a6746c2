package mem

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestCopy(t *testing.T) {
	for n := range 40 {
		for off := range 9 {
			from, to := bytes.Repeat([]byte{1}, 64), make([]byte, 64)
			for i := range from {
				from[i] = byte(i + 1)
			}
			Copy(uintptr(unsafe.Pointer(&to[off])), uintptr(unsafe.Pointer(&from[3])), uintptr(n))
			want := make([]byte, 64)
			copy(want[off:], from[3:3+n])
			require.Equal(t, want, to)
		}
	}
}
