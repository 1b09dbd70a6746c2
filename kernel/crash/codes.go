package crash

import (
	"muster/kernel/clock"
	"muster/kernel/console"
)

// The report as QR codes, for a user who has a phone and no serial port. The encoder is
// ordinary Go code, and gets its memory as the decoder of instructions does (code.go).

// Encoder makes the QR code of a part of a text, as kernel/qrcode returns it.
type Encoder func(part, parts int, text []byte) (bits []byte, size, stride int)

var (
	encode   Encoder
	codeRoom int // bytes of text in one code
)

// UseEncoder makes reports show QR codes on a screen with pixels.
//
// Context: package main, once.
func UseEncoder(e Encoder, room int) { encode, codeRoom = e, room }

const (
	codeTime = 4 * clock.Second // each code
	textTime = 8 * clock.Second // the text without a code, since a code hides some of it
	rounds   = 500              // more than an hour; then the CPU halts, with the first code
)

// showFirstCode shows the first code, before the long part that the serial port gets.
func showFirstCode() {
	if len(console.EmergencyText()) > 0 {
		showCode(0)
	}
}

// showCodes shows the codes in turn.
func showCodes() {
	n := codes()
	for i := 0; i < rounds && showCode(0); i++ {
		clock.Spin(codeTime)
		for k := 1; k < n; k++ {
			showCode(k)
			clock.Spin(codeTime)
		}
		console.EmergencyRedraw()
		clock.Spin(textTime)
	}
	showCode(0)
}

// codes returns how many codes the text needs.
func codes() int {
	return (len(console.EmergencyText()) + codeRoom - 1) / max(codeRoom, 1)
}

// showCode shows code i. It reports false if there are none, or no screen for them.
func showCode(i int) bool {
	if encode == nil || codeRoom <= 0 {
		return false
	}
	text := console.EmergencyText()
	part := text[min(i*codeRoom, len(text)):min((i+1)*codeRoom, len(text))]
	useOwnHeap()
	heap.used = 0
	return console.EmergencyCode(encode(i+1, codes(), part))
}
