// Package persist keeps the log and the report of a panic in a range of RAM that a reset
// leaves as it is, for the next boot to read.
//
// The range has three banks. Two take the lines of the log in turn: when one is full, the
// other is begun anew. The third takes the report. A bank is a header and then records, one
// for each line, each with a checksum. A record is written in an order that makes it valid
// by its last store, so at every moment the records of a bank are a whole beginning of what
// was to be written (write.go). The reader (read.go) checks everything: the firmware may have used
// the range meanwhile.
//
// Layer: core; no allocation.
// Context: interrupts off for the functions that write; any for the reader.
// Locks: none of its own: console.mu for the log; the report has one writer.
// Manual: Intel SDM vol. 3A, "Memory Cache Control": a reset drops what a cache has not
// written back, so the range is mapped uncached.
// Chapter: docs/02-black-box.md.
// Left out: what programs write; more than one boot back.
package persist

// Size is the number of bytes of the range.
const Size = banks * BankSize

// BankSize is the number of bytes of one bank.
const BankSize = 64 << 10

const (
	banks      = 3
	reportBank = 2 // the others are the log's
)

// Header of a bank, in words of 32 bits. The checksum is over the words from version up to
// it. Of two banks of the log, the one with the larger epoch is the newer.
const (
	headMagic = iota
	headVersion
	headBank
	headEpoch
	headBoot // number of the boot, one more than that of the boot before if that is known
	headSum
	headWords
)

const (
	magic   = 0x5473754d // "MusT"
	version = 1
)

// Record, in words of 32 bits, and then the text, filled up with zeros. The first word has
// the length of the text in bits 0 to 15, the kind in 16 to 23, the level above; 0 ends the
// bank. The checksum is over all other words, and where the record lies.
const (
	recHead = iota
	recSum
	recCPU
	recTimeLow
	recTimeHigh
	recWords
)

// MaxText is the longest text of a record in bytes; more is cut.
const MaxText = 1000

// Kind says what a record is.
type Kind uint8

// Kinds of records.
const (
	LogLine    Kind = 1
	ReportLine Kind = 2
)

// sum is a CRC-32 by the polynomial of IEEE 802.3, as hash/crc32 computes it, without the
// inversions at both ends.
type sum uint32

// nibbles has the CRC of each value of four bits.
var nibbles = [16]sum{
	0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
	0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
}

const newSum = ^sum(0)

// add returns the sum with the four bytes of a word more, the lowest first.
func (s sum) add(w uint32) sum {
	s ^= sum(w)
	for range 8 {
		s = s>>4 ^ nibbles[s&15]
	}
	return s
}

func (s sum) end() uint32 { return uint32(^s) }
