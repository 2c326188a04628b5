package oidcrp_test

// bindingAttacks are T001 to T021: state, nonce, PKCE and requests from other sites.
var bindingAttacks = []attack{}
