//go:build !debug

package mem

// quarantined is the number of objects in a cache's quarantine.
const quarantined = 0
