package oidcrp_test

// keyAttacks are T061 to T074: keys, discovery and calls that go out.
var keyAttacks = []attack{}
