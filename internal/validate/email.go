package validate

import "strings"

// Email splits an address that is exactly one ordinary mailbox (RFC 5321
// 4.1.2): a dot-string, "@", and a host name of two labels or more, in ASCII. It
// gives both in lower case, and nothing else is changed: a tag behind "+" or a
// dot makes another address, and a domain in Unicode is none, though its xn--
// form is. Quoted local parts, address literals, comments, lists and final dots
// are refused: what two parsers read differently belongs to nobody.
func Email(s string) (address, domain string, ok bool) {
	local, domain, _ := strings.Cut(s, "@")
	if len(s) > 254 || len(local) > 64 || !dotString(local) || !hostName(domain) {
		return "", "", false
	}
	return lower(s), lower(domain), true
}

// EmailDomain is Email for the part behind "@" alone.
func EmailDomain(s string) (domain string, ok bool) { return lower(s), hostName(s) }

func dotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			if !alphanumeric(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

func hostName(s string) bool {
	labels := strings.Split(s, ".")
	if len(labels) < 2 || len(s) > 253 {
		return false
	}
	digits := true
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		digits = true
		for _, c := range []byte(label) {
			if !alphanumeric(c) && c != '-' {
				return false
			}
			digits = digits && c <= '9' && c != '-'
		}
	}
	return !digits // an IPv4 address, or taken for one
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// lower is strings.ToLower for ASCII, the only letters whose case a mail domain
// ignores: the Kelvin sign is no k.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
