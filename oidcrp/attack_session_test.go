package oidcrp_test

// sessionAttacks are T098 to T116: cookies and sessions.
var sessionAttacks = []attack{}
