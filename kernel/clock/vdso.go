package clock

// UseVDSO makes time.Now and time.Since of the hosted runtime read the counter
// without a system call.
//
// Context: boot CPU, after Calibrate and before the runtime starts.
func UseVDSO()
