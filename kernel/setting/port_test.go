package setting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBase(t *testing.T) {
	for text, want := range map[string]uint16{
		"0x3e8/3": 0x3e8, "0X3E8/3": 0x3e8, "744/7": 744, "0xffff/1": 0xffff, "0x2f8/x": 0x2f8,
		"": 0, "/": 0, "0x/3": 0, "0x3e8": 0, "0x10000/3": 0, "70000/3": 0, "com2/3": 0, "3e8/3": 0, "0x3g8/3": 0, "-1/3": 0, "99999999999999999999/3": 0,
	} {
		require.Equal(t, want, Base([]byte(text)), text)
	}
}
