package oidcrp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// navigates reports whether a browser is going to show the answer as a page.
// Only then is a login started: fetch cannot follow it, and would leave a
// trail of abandoned logins.
func navigates(r *http.Request) bool {
	if !isSafe(r.Method) {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return acceptsHTML(r)
}

// formPosted reports whether a form of a page was sent.
func formPosted(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return r.Method == http.MethodPost && acceptsHTML(r)
}

func isSafe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func acceptsHTML(r *http.Request) bool {
	for _, line := range r.Header["Accept"] {
		if strings.Contains(line, "text/html") {
			return true
		}
	}
	return false
}

// sameOrigin refuses what pages of other origins must not send with the
// visitor's cookies: unsafe methods and WebSocket upgrades. A browser always
// says where such a request comes from, so one that does not is refused.
func (rp *RelyingParty) sameOrigin(r *http.Request) error {
	upgrade := r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !upgrade {
			return nil
		}
	}
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return fmt.Errorf("%w: %w: neither Sec-Fetch-Site nor Origin", ErrForbidden, errCrossOrigin)
	}
	as := *r
	as.Host = noHost
	if upgrade { // the standard check lets every GET pass
		as.Method = http.MethodPost
	}
	if rp.crossOrigin.Check(&as) != nil {
		return fmt.Errorf("%w: %w: Origin %.100q with Sec-Fetch-Site %.100q is neither BaseURL's nor one of Config.CrossOrigin",
			ErrForbidden, errCrossOrigin, r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site"))
	}
	return nil
}

// noHost equals no Origin's host: the standard check takes an origin of the
// request's Host for ours, be it http for https, or a name we do not have. Our
// own is among the trusted origins.
const noHost = " "

var errCrossOrigin = errors.New("cross-origin request")
