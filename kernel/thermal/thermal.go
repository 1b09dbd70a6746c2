// Package thermal decodes the temperature sensors of Intel's CPUs.
//
// Layer: pure.
// Context: one goroutine at a time.
// Locks: none.
// Manual: Intel SDM vol. 2A, "CPUID", leaf 06H; vol. 3B, "Digital Thermal Sensors" and "Package
// Level Thermal Management"; vol. 4, MSR_TEMPERATURE_TARGET.
// Chapter: docs/12-shell-and-tests.md.
// Left out: AMD's sensor, which takes accesses by PCI; thresholds and interrupts.
package thermal

// Sensor is the sensor of the CPU that runs a call.
type Sensor struct {
	CPUID func(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
	MSR   func(number uint32) (uint64, error)

	broken bool // a register could not be read: it is not tried again
}

// Bits of leaf 06H, EAX.
const (
	leafThermal = 6
	hasCore     = 1 << 0
	hasPackage  = 1 << 6
)

// Registers. A sensor counts degrees below the limit.
const (
	msrCore    = 0x19c // IA32_THERM_STATUS
	msrLimit   = 0x1a2 // MSR_TEMPERATURE_TARGET, which the first CPUs with a sensor do not have
	msrPackage = 0x1b1 // IA32_PACKAGE_THERM_STATUS

	below     = 16 // bits 22:16
	belowMask = 1<<7 - 1
	limit     = 16 // bits 23:16
	limitMask = 1<<8 - 1
	coreValid = 1 << 31
)

// Celsius returns the temperature of the package, or else that of the core, in degrees; 0 if
// the CPU does not tell it.
func (s *Sensor) Celsius() int {
	if most, _, _, _ := s.CPUID(0, 0); s.broken || most < leafThermal {
		return 0
	}
	has, _, _, _ := s.CPUID(leafThermal, 0)
	if has&hasCore == 0 {
		return 0
	}
	target := s.read(msrLimit)
	status := uint64(0)
	if has&hasPackage != 0 {
		status = s.read(msrPackage)
	} else if status = s.read(msrCore); status&coreValid == 0 {
		return 0
	}
	if s.broken {
		return 0
	}
	return celsius(status, target)
}

// celsius returns 0 if the limit is not known or cannot be.
func celsius(status, target uint64) int {
	return max(int(target>>limit&limitMask)-int(status>>below&belowMask), 0)
}

func (s *Sensor) read(number uint32) uint64 {
	if s.broken {
		return 0
	}
	v, err := s.MSR(number)
	s.broken = err != nil
	return v
}
