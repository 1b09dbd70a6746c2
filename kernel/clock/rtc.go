package clock

import "muster/kernel/cpu"

// Registers of the CMOS real-time clock (MC146818 data sheet; the century
// register is a PC convention).
const (
	rtcIndex   = 0x70
	rtcData    = 0x71
	rtcSecond  = 0x00
	rtcMinute  = 0x02
	rtcHour    = 0x04
	rtcDay     = 0x07
	rtcMonth   = 0x08
	rtcYear    = 0x09
	rtcStatusA = 0x0a // bit 7: update in progress
	rtcStatusB = 0x0b // bit 1: 24 hours, bit 2: binary
	rtcCentury = 0x32
)

// ReadRTC returns the Unix time in nanoseconds, to the second. ok is false when
// there is no clock or its registers hold no date.
//
// Context: boot CPU; takes at most 4 ms.
func ReadRTC() (unixNS int64, ok bool) {
	end := After(2 * Millisecond)
	for rtcRead(rtcStatusA)&0x80 != 0 {
		if end.Passed() {
			return 0, false
		}
	}
	var r [7]uint8
	for i, reg := range [7]uint8{rtcSecond, rtcMinute, rtcHour, rtcDay, rtcMonth, rtcYear, rtcCentury} {
		r[i] = rtcRead(reg)
	}
	s, ok := decodeRTC(r, rtcRead(rtcStatusB))
	return s * int64(Second), ok
}

func rtcRead(reg uint8) uint8 {
	cpu.Out8(rtcIndex, reg)
	return cpu.In8(rtcData)
}

// decodeRTC turns second, minute, hour, day, month, year and century into
// seconds since 1970. A date before that is not used.
func decodeRTC(r [7]uint8, statusB uint8) (seconds int64, ok bool) {
	pm := statusB&2 == 0 && r[2]&0x80 != 0
	if statusB&2 == 0 {
		r[2] &= 0x7f
	}
	if statusB&4 == 0 {
		for i, v := range r {
			if v&0xf > 9 || v>>4 > 9 {
				if i < 6 {
					return 0, false
				}
				v = 0
			}
			r[i] = v>>4*10 + v&0xf
		}
	}
	sec, min, hour, day, month := int64(r[0]), int64(r[1]), int64(r[2]), int64(r[3]), int64(r[4])
	if statusB&2 == 0 { // 12 AM is 0, 12 PM is 12
		hour %= 12
		if pm {
			hour += 12
		}
	}
	year := 2000 + int64(r[5])
	if r[6] == 19 || r[6] == 20 || r[6] == 21 {
		year = int64(r[6])*100 + int64(r[5])
	}
	if sec > 59 || min > 59 || hour > 23 || day < 1 || day > 31 || month < 1 || month > 12 || r[5] > 99 {
		return 0, false
	}
	seconds = ((days(year, month, day)*24+hour)*60+min)*60 + sec
	return max(seconds, 0), seconds >= 0 // a clock without a battery may begin in 1900
}

// days counts the days from 1970-01-01 to a date of the Gregorian calendar. The
// year starts in March, so that the leap day is its last.
func days(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return year*365 + year/4 - year/100 + year/400 + (month*153-457)/5 + day - 719469
}
