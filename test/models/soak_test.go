//go:build soak

package models

import "testing"

// The models with more of what takes its time: up to nine million states.
func TestSoakModels(t *testing.T) {
	correct(t, [][]string{{"tlb.pml", "-DROUNDS=2", "-DTRIPS=2"}, {"futex.pml", "-DREQUEUE"}, {"hotplug.pml", "-DTHREADS=2"},
		{"idle.pml", "-DLAST=0"}, {"idle.pml", "-DTHREADS=2"}, {"idle.pml", "-DTHREADS=2", "-DLAST=0"}})
}

// Negative controls that make test leaves out.
func TestSoakBrokenModels(t *testing.T) {
	broken(t, [][]string{
		{"tlb.pml", "-DBUG2"}, {"tlb.pml", "-DBUG3"}, {"tlb.pml", "-DBUG5"}, {"tlb.pml", "-DBUG11"},
		{"futex.pml", "-DBUG2"}, {"futex.pml", "-DBUG3"}, {"futex.pml", "-DBUG5"}, {"futex.pml", "-DBUG6"}, {"futex.pml", "-DBUG7"},
		{"futex.pml", "-DWAITERS=1", "-DREQUEUE", "-DBUG9"}, {"hotplug.pml", "-DBUG4"}, {"hotplug.pml", "-DTHREADS=2", "-DBUG8"},
		{"idle.pml", "-DLAST=0", "-DBUG3"}, {"idle.pml", "-DBUG8"},
		{"tlb.pml", "-DBUG6"}, {"tlb.pml", "-DBUG8"}, {"tlb.pml", "-DBUG9"}, {"tlb.pml", "-DBUG10"},
		{"hotplug.pml", "-DBUG2"}, {"hotplug.pml", "-DTHREADS=2", "-DBUG3"}, {"hotplug.pml", "-DBUG6"}, {"hotplug.pml", "-DTHREADS=2", "-DBUG7"},
		{"idle.pml", "-DBUG2"}, {"idle.pml", "-DBUG5"}, {"idle.pml", "-DBUG7"}, {"idle.pml", "-DBUG9"},
	})
}
