package start

// Version is the kernel's version.
const Version = "0.1"

func version() string { return "Muster " + Version }
