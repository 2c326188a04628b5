package oidcrp_test

// logAttacks are T127 to T130: logs and robustness.
var logAttacks = []attack{}
