//go:build race

package oidcrp_test

const raceEnabled = true
