package oidcrp_test

import (
	"slices"
	"strings"
	"testing"
)

// attack is a row of the attack catalogue, or one of the row's inputs: its name
// begins with the row's number.
type attack struct {
	name string
	run  func(*testing.T)
}

// TestAttack tries every attack of the catalogue by its number. What is tried on
// accounts (T075 to T084) stands in the package accounts under the same name.
func TestAttack(t *testing.T) {
	for _, attack := range slices.Concat(
		bindingAttacks,
		issuerAttacks,
		tokenAttacks,
		keyAttacks,
		redirectAttacks,
		sessionAttacks,
		logoutAttacks,
		logAttacks,
	) {
		id, rest, _ := strings.Cut(attack.name, " ")
		t.Run(id+"/"+rest, attack.run)
	}
}
