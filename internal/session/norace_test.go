//go:build !race

package session_test

// raceAllocs is how many more allocations the race detector makes a load have:
// under it, sync.Pool forgets on purpose.
const raceAllocs = 0
