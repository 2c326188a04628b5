// Package proptest gives property tests their randomness.
package proptest

import (
	"math/rand/v2"
	"testing"
)

// again repeats a run that failed; 0: each run is another.
const again uint64 = 0

// New returns a source of randomness that a test which fails can be run with
// again: it logs its seed then.
func New(t testing.TB) *rand.Rand {
	seed := again
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the seed was %d: give it to proptest.again", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}
