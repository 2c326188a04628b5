package oidcrp_test

// tokenAttacks are T033 to T060: ID tokens, access tokens and UserInfo.
var tokenAttacks = []attack{}
