//go:build !race

package oidcrp_test

const raceEnabled = false
