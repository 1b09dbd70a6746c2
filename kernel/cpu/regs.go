package cpu

// Control register bits (Intel SDM vol. 3A, "Control Registers").
const (
	CR0ProtectedMode = 1 << 0
	CR0MonitorFPU    = 1 << 1
	CR0ExtensionType = 1 << 4 // reads as one
	CR0NumericError  = 1 << 5
	CR0WriteProtect  = 1 << 16
	CR0AlignmentMask = 1 << 18 // with RFLAGS.AC, ring 3 gets #AC
	CR0Paging        = 1 << 31

	// CR0Wanted is CR0 on every CPU.
	CR0Wanted = CR0Paging | CR0AlignmentMask | CR0WriteProtect | CR0NumericError | CR0ExtensionType | CR0MonitorFPU | CR0ProtectedMode

	CR4PAE        = 1 << 5
	CR4Machine    = 1 << 6 // MCE: machine checks raise #MC
	CR4GlobalPage = 1 << 7
	CR4FXSR       = 1 << 9  // SSE and FXSAVE
	CR4XMMExcept  = 1 << 10 // #XM instead of #UD
	CR4UMIP       = 1 << 11 // no SGDT, SIDT, SLDT, SMSW, STR in ring 3
	CR4FSGSBase   = 1 << 16
	CR4XSave      = 1 << 18
	CR4SMEP       = 1 << 20
	CR4SMAP       = 1 << 21
	CR4CET        = 1 << 23

	// CR4Wanted is CR4 on a CPU that has all of it, without MCE and the mitigations:
	// Features.CR4 has the rest.
	CR4Wanted = CR4PAE | CR4GlobalPage | CR4FXSR | CR4XMMExcept | CR4FSGSBase | CR4XSave
)

// Debug registers (Intel SDM vol. 3B, "Debug Registers"): what they hold after a reset,
// and DR6's bit for a single step.
const (
	DR6Clear = 0xffff0ff0
	DR6Step  = 1 << 14
	DR7Clear = 0x400
)

// XCR0 components: x87, SSE and AVX. AVX-512 stays off, which keeps the save
// area at 832 bytes (docs/03-hosting-go.md).
const (
	XCR0X87    = 1 << 0
	XCR0SSE    = 1 << 1
	XCR0AVX    = 1 << 2
	XCR0Wanted = XCR0X87 | XCR0SSE | XCR0AVX
)

// Model-specific registers (Intel SDM vol. 4, "Architectural MSRs").
const (
	MSRAPICBase        = 0x01b
	MSRTSCAdjust       = 0x03b
	MSRSysenterCS      = 0x174
	MSRSysenterSP      = 0x175
	MSRSysenterIP      = 0x176
	MSRDebugCtl        = 0x1d9
	MSRSpecCtrl        = 0x048
	MSRPredCmd         = 0x049
	MSRMicrocode       = 0x08b
	MSRTSCDeadline     = 0x6e0
	MSRArchCaps        = 0x10a
	MSRMiscEnable      = 0x1a0
	MSRPAT             = 0x277
	MSRX2APIC          = 0x800 // + register offset / 16
	MSREFER            = 0xc0000080
	MSRStar            = 0xc0000081
	MSRLStar           = 0xc0000082
	MSRCStar           = 0xc0000083
	MSRFMask           = 0xc0000084
	MSRFSBase          = 0xc0000100
	MSRGSBase          = 0xc0000101
	MSRKernelGSBase    = 0xc0000102
	MSRTSCAux          = 0xc0000103
	MSRPlatformInfo    = 0x0ce      // Intel: ratios to the bus clock
	MSRPState0         = 0xc0010064 // AMD: the first of the P-states
	EFERSyscall        = 1 << 0
	EFERLongMode       = 1 << 8
	EFERLongModeActive = 1 << 10
	EFERNoExecute      = 1 << 11
	EFERAutoIBRS       = 1 << 21
	APICBaseBSP        = 1 << 8
	APICBaseX2APIC     = 1 << 10
	APICBaseEnable     = 1 << 11
	PredIBPB           = 1 << 0
	MiscLimitCPUID     = 1 << 22            // CPUID ends with leaf 2
	MiscNoXD           = 1 << 34            // no NX
	PATWanted          = 0x0007040600070106 // as after a reset, except that entry 1 (PWT alone) is write-combining, not write-through
	MXCSRDefault       = 0x1f80
	MXCSRDefaultMask   = 0xffbf
	FCWDefault         = 0x037f // x87 control word after FNINIT
)
