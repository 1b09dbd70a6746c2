package cpu

// Control register bits (Intel SDM vol. 3A, "Control Registers").
const (
	CR0ProtectedMode = 1 << 0
	CR0MonitorFPU    = 1 << 1
	CR0EmulateFPU    = 1 << 2
	CR0TaskSwitched  = 1 << 3
	CR0NumericError  = 1 << 5
	CR0WriteProtect  = 1 << 16
	CR0NotThrough    = 1 << 29 // NW, set by reset and INIT
	CR0CacheDisable  = 1 << 30 // CD, likewise
	CR0Paging        = 1 << 31

	CR4PAE        = 1 << 5
	CR4GlobalPage = 1 << 7
	CR4FXSR       = 1 << 9  // SSE and FXSAVE
	CR4XMMExcept  = 1 << 10 // #XM instead of #UD
	CR4UMIP       = 1 << 11 // no SGDT, SIDT, SLDT, SMSW, STR in ring 3
	CR4FSGSBase   = 1 << 16
	CR4XSave      = 1 << 18
	CR4SMEP       = 1 << 20
	CR4SMAP       = 1 << 21
	CR4CET        = 1 << 23
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
	MSRAPICBase      = 0x01b
	MSRSpecCtrl      = 0x048
	MSRArchCaps      = 0x10a
	MSRPAT           = 0x277
	MSRX2APIC        = 0x800 // + register offset / 16
	MSREFER          = 0xc0000080
	MSRStar          = 0xc0000081
	MSRLStar         = 0xc0000082
	MSRFMask         = 0xc0000084
	MSRFSBase        = 0xc0000100
	MSRGSBase        = 0xc0000101
	MSRKernelGSBase  = 0xc0000102
	EFERSyscall      = 1 << 0
	EFERLongMode     = 1 << 8
	EFERNoExecute    = 1 << 11
	EFERAutoIBRS     = 1 << 21
	APICBaseBSP      = 1 << 8
	APICBaseX2APIC   = 1 << 10
	APICBaseEnable   = 1 << 11
	MXCSRDefault     = 0x1f80
	MXCSRDefaultMask = 0xffbf
)
