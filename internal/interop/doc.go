// Package interop runs the library against providers that other people wrote,
// and the development provider of oidcrptest against their relying parties. It
// is a module of its own, so that nothing of theirs reaches a user of the
// library.
//
// TestMatrix signs in with each feature at each provider and prints what came
// of it. A provider is one value of type column in a file of its own, a
// feature one of type feature.
//
// A process is started by the test that needs it, on a free loopback port,
// and ends with it. Where it is not installed the test is skipped with the
// line that installs it; with OIDCRP_REQUIRE=1, as in CI, it fails instead.
package interop
