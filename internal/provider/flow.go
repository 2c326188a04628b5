package provider

import (
	"slices"
	"strings"
)

// A flow is what the browser brings back from the authorization endpoint
// (OAuth Multiple Response Types 3 and 5).
type flow struct {
	code    bool
	idToken bool
	token   bool // an access token
}

// responseTypes are those by which a visitor can be signed in: an ID token
// comes with each, by the browser or for the code.
var responseTypes = []string{
	"code", "code id_token", "id_token", "id_token token", "code id_token token", "code token",
}

// flowOf reads a response type, whose words may stand in any order; "" is
// code. It reports false for what is none of responseTypes.
func flowOf(responseType string) (flow, bool) {
	if responseType == "" {
		responseType = "code"
	}
	words := strings.Split(responseType, " ")
	slices.Sort(words)
	for _, known := range responseTypes {
		if slices.Equal(slices.Sorted(strings.SplitSeq(known, " ")), words) {
			return flow{
				code:    slices.Contains(words, "code"),
				idToken: slices.Contains(words, "id_token"),
				token:   slices.Contains(words, "token"),
			}, true
		}
	}
	return flow{}, false
}

// String is the response type as the specifications write it.
func (f flow) String() string {
	var words []string
	for _, part := range []struct {
		there bool
		word  string
	}{{f.code, "code"}, {f.idToken, "id_token"}, {f.token, "token"}} {
		if part.there {
			words = append(words, part.word)
		}
	}
	return strings.Join(words, " ")
}

// front reports whether tokens come by the browser.
func (f flow) front() bool { return f.idToken || f.token }

// defaultMode is how the answer comes unless another way is asked for (OAuth
// Multiple Response Types 2.1 and 5): tokens never in a query, which servers
// log and browsers pass on.
func (f flow) defaultMode() string {
	if f.front() {
		return modeFragment
	}
	return modeQuery
}

// flow is that of the settings, which were checked.
func (s *Settings) flow() flow {
	f, _ := flowOf(s.ResponseType)
	return f
}

// mode is how the answer has to come.
func (s *Settings) mode() string {
	if s.ResponseMode == "" || s.ResponseMode == modeJWT {
		return s.flow().defaultMode()
	}
	return strings.TrimSuffix(s.ResponseMode, "."+modeJWT)
}
