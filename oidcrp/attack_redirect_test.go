package oidcrp_test

// redirectAttacks are T085 to T097: redirects, headers, pages and caches.
var redirectAttacks = []attack{}
