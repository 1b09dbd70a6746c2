package ktest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The checks of the demonstration notice each kind of wrong result.
func TestSorted(t *testing.T) {
	var parts [][]uint32
	var sums []uint64
	for i := range 7 {
		list, sum := numbers(i, 100)
		slices.Sort(list)
		parts, sums = append(parts, list), append(sums, sum)
	}
	list := mergeAll(parts)
	require.NoError(t, sorted(list, 700, sums))
	require.EqualError(t, sorted(list[1:], 700, sums), "700 numbers became 699")
	wrong := slices.Clone(list)
	wrong[699]++
	require.EqualError(t, sorted(wrong, 700, sums), "the sorted numbers are not those that were to be sorted")
	wrong = slices.Clone(list)
	wrong[300], wrong[301] = wrong[301], wrong[300]
	require.EqualError(t, sorted(wrong, 700, sums), "number 301 of 700 is out of order")
}

func TestDemonstrationFaults(t *testing.T) {
	require.NoError(t, exchange(false))
	require.ErrorContains(t, exchange(true), " sent ")
	require.NoError(t, collectAll(false))
	require.ErrorContains(t, collectAll(true), "a node at depth 11 was overwritten")
}
