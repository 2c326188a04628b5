package validate

import "bytes"

// verifiedBy pairs a claim with the one that vouches for it. A pair is never
// made of two documents: an address of one, verified says the other.
var verifiedBy = map[string]string{
	"email":        "email_verified",
	"phone_number": "phone_number_verified",
}

// Pair mends out, in which the claims of two documents about one user are
// together, those of first where both have one.
func Pair(out, first, second Claims) {
	for name, flag := range verifiedBy {
		pair(out, first, second, name, flag)
	}
}

func pair(out, first, second Claims, name, flag string) {
	if value, ok := first[name]; ok {
		// The address of the first, vouched for by itself, or by the second if
		// that has the very same one.
		if _, said := first[flag]; !said && !bytes.Equal(value, second[name]) {
			delete(out, flag)
		}
		return
	}
	if _, ok := second[name]; !ok {
		return
	}
	if string(first[flag]) == "false" {
		return // that needs no address
	}
	delete(out, flag)
	if value, ok := second[flag]; ok {
		out[flag] = value
	}
}
