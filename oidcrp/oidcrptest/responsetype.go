package oidcrptest

import (
	"slices"
	"strings"
)

// responseTypes are those of Core 3 and Multiple Response Types 5.
var responseTypes = []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}

// responseType returns which of responseTypes a parameter means, whose words
// may come in any order (RFC 6749 3.1.1); "" for none of them.
func responseType(parameter string) string {
	words := strings.Fields(parameter)
	slices.Sort(words)
	if asked := strings.Join(words, " "); slices.Contains(responseTypes, asked) {
		return asked
	}
	return ""
}

// defaultMode is how a response type is answered when nothing else was asked
// for (Multiple Response Types 2.1, 5).
func defaultMode(responseType string) string {
	if slices.ContainsFunc(strings.Fields(responseType), func(s string) bool { return s == "token" || s == "id_token" }) {
		return "fragment"
	}
	return "query"
}

// asksFor reports whether the response must have a "code", "id_token" or
// "token".
func (req *authRequest) asksFor(what string) bool {
	return slices.Contains(strings.Fields(req.response), what)
}
