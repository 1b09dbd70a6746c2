package disasm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/console"
)

func TestInstruction(t *testing.T) {
	tests := map[string]struct {
		code   []byte
		target uint64
	}{
		"mov qword [rax+0x10], 0x7":      {code: []byte{0x48, 0xc7, 0x40, 0x10, 7, 0, 0, 0}},
		"mov rbx, [rcx+rdx*8-0x8]":       {code: []byte{0x48, 0x8b, 0x5c, 0xd1, 0xf8}},
		"mov rax, gs:[0x20]":             {code: []byte{0x65, 0x48, 0x8b, 0x04, 0x25, 0x20, 0, 0, 0}},
		"lea rax, [0x1107]":              {code: []byte{0x48, 0x8d, 0x05, 0, 1, 0, 0}},
		"call 0x1025":                    {code: []byte{0xe8, 0x20, 0, 0, 0}, target: 0x1025},
		"jne 0xfff":                      {code: []byte{0x75, 0xfd}, target: 0xfff},
		"syscall":                        {code: []byte{0x0f, 0x05}},
		"ud2":                            {code: []byte{0x0f, 0x0b}},
		"div rcx":                        {code: []byte{0x48, 0xf7, 0xf1}},
		"lock xadd [rdx], eax":           {code: []byte{0xf0, 0x0f, 0xc1, 0x02}},
		"rep movsq es:[rdi], ds:[rsi]":   {code: []byte{0xf3, 0x48, 0xa5}},
		"add al, 0xff":                   {code: []byte{0x04, 0xff}},
		"xorps xmm15, xmm15":             {code: []byte{0x45, 0x0f, 0x57, 0xff}},
		"test byte [rbx], 0x1":           {code: []byte{0xf6, 0x03, 0x01}},
		"movups xmm0, [rsp+rax*1+0x100]": {code: []byte{0x0f, 0x10, 0x84, 0x04, 0, 1, 0, 0}},
		"":                               {code: []byte{0x06}}, // no instruction of 64-bit code
	}
	for want, tc := range tests {
		t.Run(want, func(t *testing.T) {
			var l console.Line
			n, target := Instruction(append(tc.code, 0x90, 0x90), 0x1000, &l)
			require.Equal(t, want, string(l.Bytes()))
			require.Equal(t, tc.target, target)
			if want == "" {
				require.Zero(t, n)
			} else {
				require.Equal(t, len(tc.code), n)
			}
		})
	}
	var l console.Line
	n, _ := Instruction([]byte{0x48}, 0, &l)
	require.Zero(t, n, "cut off")
}
