package oidcrp_test

var injectionAttacks, robustnessAttacks []attack
