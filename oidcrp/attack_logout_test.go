package oidcrp_test

// logoutAttacks are T117 to T126: sign-out.
var logoutAttacks = []attack{}
