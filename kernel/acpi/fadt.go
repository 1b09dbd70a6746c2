package acpi

// FADT is the fixed ACPI description table: power management registers and the
// parts of a PC that the platform has ("Fixed ACPI Description Table (FADT)").
// Fields beyond the end of a short table are nil, whatever its revision says.
type FADT struct {
	FACS        uint32   `json:"facs_address"`
	DSDT        uint32   `json:"dsdt_address"`
	Profile     uint8    `json:"preferred_pm_profile"`
	SCI         uint16   `json:"sci_int"`
	SMICommand  uint32   `json:"smi_cmd"`
	ACPIEnable  uint8    `json:"acpi_enable"`
	ACPIDisable uint8    `json:"acpi_disable"`
	PM1aEvent   uint32   `json:"pm1a_evt_block"`
	PM1bEvent   uint32   `json:"pm1b_evt_block"`
	PM1aControl uint32   `json:"pm1a_cnt_block"`
	PM1bControl uint32   `json:"pm1b_cnt_block"`
	PM2Control  uint32   `json:"pm2_cnt_block"`
	PMTimer     uint32   `json:"pm_timer_block"`
	PM1EventLen uint8    `json:"pm1_evt_len"`
	PM1CtlLen   uint8    `json:"pm1_cnt_len"`
	PMTimerLen  uint8    `json:"pm_timer_len"`
	GPE0        uint32   `json:"gpe0_block"`
	GPE1        uint32   `json:"gpe1_block"`
	GPE0Len     uint8    `json:"gpe0_block_len"`
	GPE1Len     uint8    `json:"gpe1_block_len"`
	C2Latency   uint16   `json:"c2_latency"` // microseconds
	C3Latency   uint16   `json:"c3_latency"`
	Century     uint8    `json:"century_index"` // in the CMOS clock, 0 for none
	BootArch    BootArch `json:"boot_arch_flags"`
	Flags       Flags    `json:"flags"`

	ResetReg   *GAS    `json:"reset_reg"` // both or neither
	ResetValue *uint8  `json:"reset_value"`
	Minor      *uint8  `json:"minor_revision"`
	XFACS      *uint64 `json:"x_facs_address"`
	XDSDT      *uint64 `json:"x_dsdt_address"`
	XPM1aEvent *GAS    `json:"x_pm1a_evt_block"`
	XPM1bEvent *GAS    `json:"x_pm1b_evt_block"`
	XPM1aCtl   *GAS    `json:"x_pm1a_cnt_block"`
	XPM1bCtl   *GAS    `json:"x_pm1b_cnt_block"`
	XPMTimer   *GAS    `json:"x_pm_timer_block"`
	XGPE0      *GAS    `json:"x_gpe0_block"`
	XGPE1      *GAS    `json:"x_gpe1_block"`
	SleepCtl   *GAS    `json:"sleep_control_reg"`
	SleepStat  *GAS    `json:"sleep_status_reg"`
	Hypervisor *uint64 `json:"hypervisor_id"`

	revision uint8 // of the table
}

// BootArch is the field IAPC_BOOT_ARCH: which parts of a PC are there.
type BootArch uint16

// Bits of BootArch.
const (
	LegacyDevices BootArch = 1 << 0
	Has8042       BootArch = 1 << 1
	NoVGA         BootArch = 1 << 2
	NoMSI         BootArch = 1 << 3
	NoASPM        BootArch = 1 << 4
	NoCMOSClock   BootArch = 1 << 5
)

// Flags is the field Flags.
type Flags uint32

// Bits of Flags.
const (
	FlagWBINVD          Flags = 1 << 0
	FlagPowerButton     Flags = 1 << 4 // the button is a control method, or there is none
	FlagTimer32         Flags = 1 << 8 // the PM timer has 32 bits, not 24
	FlagReset           Flags = 1 << 10
	FlagPlatformClock   Flags = 1 << 15
	FlagClusterModel    Flags = 1 << 18
	FlagPhysicalMode    Flags = 1 << 19
	FlagHardwareReduced Flags = 1 << 20
	FlagLowPowerS0      Flags = 1 << 21
)

const fadtLength1 = 116 // of revision 1

// ParseFADT decodes a table whose header has been checked.
func ParseFADT(t Table) (*FADT, error) {
	b, err := body(t, "FACP", fadtLength1)
	if err != nil {
		return nil, err
	}
	f := &FADT{
		revision: b[8],
		FACS:     u32(b[36:]), DSDT: u32(b[40:]), Profile: b[45], SCI: u16(b[46:]),
		SMICommand: u32(b[48:]), ACPIEnable: b[52], ACPIDisable: b[53],
		PM1aEvent: u32(b[56:]), PM1bEvent: u32(b[60:]), PM1aControl: u32(b[64:]), PM1bControl: u32(b[68:]),
		PM2Control: u32(b[72:]), PMTimer: u32(b[76:]),
		PM1EventLen: b[88], PM1CtlLen: b[89], PMTimerLen: b[91],
		GPE0: u32(b[80:]), GPE1: u32(b[84:]), GPE0Len: b[92], GPE1Len: b[93],
		C2Latency: u16(b[96:]), C3Latency: u16(b[98:]), Century: b[108],
		BootArch: BootArch(u16(b[109:])), Flags: Flags(u32(b[112:])),
	}
	register := func(off int) *GAS {
		if off+gasLength > len(b) {
			return nil
		}
		g := gas(b[off:])
		return &g
	}
	wide := func(off int) *uint64 {
		if off+8 > len(b) {
			return nil
		}
		v := u64(b[off:])
		return &v
	}
	if len(b) > 128 {
		f.ResetReg, f.ResetValue = register(116), &b[128]
	}
	if len(b) > 132 { // in the form of 132 bytes the last one was reserved
		f.Minor = &b[131]
	}
	f.XFACS, f.XDSDT = wide(132), wide(140)
	f.XPM1aEvent, f.XPM1bEvent, f.XPM1aCtl, f.XPM1bCtl = register(148), register(160), register(172), register(184)
	f.XPMTimer, f.XGPE0, f.XGPE1 = register(208), register(220), register(232)
	f.SleepCtl, f.SleepStat = register(244), register(256)
	f.Hypervisor = wide(268)
	return f, nil
}

// No8042 reports whether the firmware says that there is no PS/2 controller. Tables before
// revision 3 have zeros where that would be said.
func (f *FADT) No8042() bool { return f.revision >= 3 && f.BootArch&Has8042 == 0 }

// DSDTAddress returns the physical address of the DSDT, 0 without a DSDT.
func (f *FADT) DSDTAddress() uint64 {
	if f.XDSDT != nil && *f.XDSDT != 0 {
		return *f.XDSDT
	}
	return uint64(f.DSDT)
}

// choose returns the extended register if its address is not 0, else the I/O port
// of the old field, else nil.
func choose(x *GAS, port uint32, bytes uint8) *GAS {
	switch {
	case x != nil && x.Address != 0:
		return x
	case port != 0:
		return &GAS{Space: SpaceIO, BitWidth: bytes * 8, Address: uint64(port)}
	}
	return nil
}

// PM1Controls returns the one or two PM1 control registers; none where the
// hardware is reduced.
func (f *FADT) PM1Controls() (list []GAS) {
	for _, g := range []*GAS{choose(f.XPM1aCtl, f.PM1aControl, f.PM1CtlLen), choose(f.XPM1bCtl, f.PM1bControl, f.PM1CtlLen)} {
		if g != nil && f.Flags&FlagHardwareReduced == 0 {
			list = append(list, *g)
		}
	}
	return list
}

// EventBlock is a register of status bits, which a write of 1 clears, and the register of the same
// size that enables them.
type EventBlock struct{ Status, Enable GAS }

// halves returns the two registers of a block of some bytes; nil if the block is absent or odd.
func halves(g *GAS, bytes uint8) []EventBlock {
	if g == nil || bytes < 2 || bytes%2 != 0 {
		return nil
	}
	b := EventBlock{*g, *g}
	b.Status.BitWidth, b.Enable.BitWidth = bytes/2*8, bytes/2*8
	b.Enable.Address += uint64(bytes / 2)
	return []EventBlock{b}
}

// PM1Events returns the one or two blocks of fixed events; none where the hardware is reduced.
func (f *FADT) PM1Events() (list []EventBlock) {
	if f.Flags&FlagHardwareReduced != 0 || f.PM1EventLen < 4 {
		return nil
	}
	list = halves(choose(f.XPM1aEvent, f.PM1aEvent, f.PM1EventLen), f.PM1EventLen)
	return append(list, halves(choose(f.XPM1bEvent, f.PM1bEvent, f.PM1EventLen), f.PM1EventLen)...)
}

// GPEs returns the one or two blocks of general-purpose events, whose meaning only AML has.
func (f *FADT) GPEs() (list []EventBlock) {
	if f.Flags&FlagHardwareReduced != 0 {
		return nil
	}
	list = halves(choose(f.XGPE0, f.GPE0, f.GPE0Len), f.GPE0Len)
	return append(list, halves(choose(f.XGPE1, f.GPE1, f.GPE1Len), f.GPE1Len)...)
}

// Timer returns the power management timer's register, nil if there is none.
func (f *FADT) Timer() *GAS {
	if f.Flags&FlagHardwareReduced != 0 {
		return nil
	}
	return choose(f.XPMTimer, f.PMTimer, f.PMTimerLen)
}

// Reset returns the reset register and what to write, nil where there is none.
func (f *FADT) Reset() (reg *GAS, value uint8) {
	if f.Flags&FlagReset == 0 || f.ResetReg == nil || f.ResetReg.Address == 0 {
		return nil, 0
	}
	return f.ResetReg, *f.ResetValue
}
