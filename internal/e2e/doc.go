// Package e2e signs in at the example applications, the portal first, and where
// none has such a page at small ones of its own, with a real browser: Debian's Chromium, driven through
// its DevTools protocol; and it tries what scripts and frames of the
// development provider do there. Where return URLs lead is judged by it, and by
// a parser of the URL standard. It is a module of its own, so that nothing of
// the driver reaches a user of the library.
//
// The portal runs on localhost and the provider on 127.0.0.1: to a browser
// these are different sites, so that a cookie with the wrong SameSite is
// missed here as it would be missed in production. Every test leaves
// screenshots in the folder screenshots, to be looked at.
package e2e
