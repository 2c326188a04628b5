package provider

import (
	"net/url"
	"slices"
	"strings"
)

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// shown is an address as it may be shown: a password in it is refused, and is
// one all the same.
func shown(address string) string {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		return u.Redacted()
	}
	return address
}

// splitScopes takes lists separated by spaces or commas apart.
func splitScopes(scopes []string) []string {
	var out []string
	for _, s := range scopes {
		out = append(out, strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })...)
	}
	return out
}

// requestScopes puts openid first and repeats nothing.
func requestScopes(scopes []string) []string {
	if scopes = splitScopes(scopes); len(scopes) == 0 {
		scopes = []string{"profile", "email"}
	}
	return union([]string{"openid"}, scopes)
}

// IsScope reports whether s is one scope-token of RFC 6749 3.3.
func IsScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// isPrompt reports whether s is a prompt of Core 3.1.2.1, or create.
func isPrompt(s string) bool {
	words := strings.Fields(s)
	for i, word := range words {
		if !slices.Contains(prompts, word) || slices.Contains(words[:i], word) {
			return false
		}
	}
	return len(words) > 0 && (len(words) == 1 || !slices.Contains(words, "none"))
}
