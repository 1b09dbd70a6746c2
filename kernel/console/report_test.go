package console

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// A CPU that sends as another one begins its report sends nothing after that, by interrupts or by
// polling, and does not wait. When the report begins is swept over the bytes; without a report all bytes go out.
func TestReportHasThePort(t *testing.T) {
	c := &percpu.CPU{ID: 1}
	text := bytes.Repeat([]byte("x"), len(txBytes)+100)
	for _, polled := range []bool{false, true} {
		for _, begins := range []int{0, 1, 15, 16, 17, 100, len(text) + 1} {
			u := &slowLine{}
			sent := 0
			oldIn, oldOut := in8, out8
			in8 = u.in
			out8 = func(reg uint16, v uint8) {
				if reg == uartData {
					sent++
				}
				if sent == begins {
					reporting.Store(1)
				}
				u.out(reg, v)
				u.wait(byteTime)
			}
			present, irqs, dropped = true, !polled, 0
			tx.buf = txBytes[:]
			tx.clear()
			if begins == 0 {
				reporting.Store(1)
			}
			mu.Lock(c)
			writeAll(c, text)
			mu.Unlock(c)
			for range 2 * len(text) {
				u.wait(byteTime)
				if u.interrupts() {
					Interrupt(c)
				}
			}
			require.Equal(t, min(begins, len(text)), sent, "polled: %v", polled)
			reporting.Store(0)
			in8, out8, present, irqs, dropped = oldIn, oldOut, false, false, 0
			tx.clear()
		}
	}
}
