//go:build debug

package lock

// Checked says whether this build compares every acquire with the ranks.
const Checked = true
