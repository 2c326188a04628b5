package oidcrptest

import "github.com/seed-78edd7da/go-oidcrp/oidcrp"

// CheckStore is TestStore with somewhere else for the failures to go.
func CheckStore(r storeReport, store oidcrp.Store) { checkStore(r, store) }
