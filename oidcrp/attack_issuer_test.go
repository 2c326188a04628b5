package oidcrp_test

// issuerAttacks are T022 to T032: one provider taken for another.
var issuerAttacks = []attack{}
