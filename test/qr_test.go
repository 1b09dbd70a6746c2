//go:build qemu

package test

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/stretchr/testify/require"

	"muster/test/picture"
)

const white = 0xffffff

// readCode returns the text of the QR code in the lower right corner, "" if there is none.
// Its margin says how large it is.
func readCode(p picture.Picture) string {
	n, bottom := 0, p.Height/16*16 // of the text
	for n < min(p.Width, bottom) && p.At(p.Width-1-n, bottom-1) == white {
		n++
	}
	img := image.NewGray(image.Rect(0, 0, n, n))
	for y := range n {
		for x := range n {
			if p.At(p.Width-n+x, bottom-n+y) == white {
				img.SetGray(x, y, color.Gray{255})
			}
		}
	}
	if n == 0 {
		return ""
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		return ""
	}
	// The picture has nothing but the code. The search for a code somewhere in a picture, which
	// misses one of thirty in this decoder at a given size, is left out.
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true}
	r, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
	if err != nil {
		return ""
	}
	return r.GetText()
}

// A panic shows QR codes in turn, and the text between them. What the codes say is what the
// serial port got, up to the part for that port alone. The CPU hides that it is a virtual one,
// because the report ends an emulator.
func TestCrashCodes(t *testing.T) {
	t.Parallel()
	m := startScreen(t, "GRUB_MODE=800x600x24", "--boot", "bios", "--cpus", "2", "--cpu", "max,-hypervisor", "--qemu", "-vga std")
	m.expect("muster> ").say("crash divide\r").expect("last events of cpu1, newest first")
	_, want, _ := strings.Cut(m.log(), "\n\nmuster: PANIC")
	want, _, _ = strings.Cut("\nmuster: PANIC"+want, ", its whole stack")
	want = want[:strings.LastIndexByte(want, '\n')+1] // without the CPU's name

	parts, whole := map[string]string{}, false
	require.Eventually(t, func() bool {
		p := m.dump()
		text := readCode(p)
		if title, part, ok := strings.Cut(text, "\n"); ok {
			parts[title] = part
		}
		whole = whole || p.At(p.Width-1, p.Height/16*16-1) != white
		return whole && len(parts) > 1 && len(parts) == partsOf(parts)
	}, answer(), 300*time.Millisecond)
	got := ""
	for i := range len(parts) {
		got += parts[fmt.Sprintf("Muster, part %d of %d", i+1, len(parts))]
	}
	require.Equal(t, want, got)
	require.Contains(t, got, "division by zero")
	require.Contains(t, got, "  sp ")
}

// partsOf returns how many parts the titles speak of.
func partsOf(parts map[string]string) (n int) {
	for title := range parts {
		fmt.Sscanf(title, "Muster, part %d of %d", new(int), &n)
	}
	return n
}
