package validate

import (
	"strings"
	"unicode"
)

// MailDomain is the one form of a mail domain that somebody wrote: lower case, in
// ASCII, without the final dot of the DNS. Labels in Unicode become their xn--
// form (RFC 3492) where their letters have one form only; what would need the
// tables of UTS 46 to be read is refused.
func MailDomain(s string) (domain string, ok bool) {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for i, label := range labels {
		if labels[i], ok = asciiLabel(label); !ok {
			return "", false
		}
	}
	domain = strings.Join(labels, ".")
	if !hostName(domain) {
		return "", false
	}
	return domain, true
}

// AddressDomain finds the domain of an address that somebody else wrote, such as
// an email claim, whatever its local part is. It is "" for what is of no domain:
// without "@", or at a single label. plain is false for what two parsers could
// read as two domains.
func AddressDomain(s string) (domain string, plain bool) {
	if strings.ContainsFunc(s, compatible) {
		return "", false
	}
	local, host, _ := strings.Cut(s, "@")
	if !strings.ContainsAny(host, "@.\u3002\uff0e\uff61") {
		return "", true
	}
	if local == "" || strings.ContainsAny(local, "\"<>(),;: \t\r\n") {
		return "", false
	}
	return MailDomain(host)
}

// compatible are what some parsers take for "@".
func compatible(c rune) bool { return c == '\uff20' || c == '\ufe6b' }

// oneForm are letters that no normalization or mapping turns into others, once
// they are in lower case.
var oneForm = &unicode.RangeTable{R16: []unicode.Range16{
	{0x00e0, 0x00f6, 1}, {0x00f8, 0x0131, 1}, {0x0134, 0x013e, 1}, {0x0141, 0x0148, 1}, {0x014a, 0x017e, 1}, // Latin
	{0x03ac, 0x03c1, 1}, {0x03c3, 0x03ce, 1}, {0x0430, 0x045f, 1}, // Greek without its final sigma, Cyrillic
	{0x0e01, 0x0e32, 1}, {0x0e34, 0x0e3a, 1}, {0x0e40, 0x0e4e, 1}, // Thai
	{0x3041, 0x3096, 1}, {0x30a1, 0x30fa, 1}, {0x30fc, 0x30fc, 1}, {0x4e00, 0x9fff, 1}, {0xac00, 0xd7a3, 1},
}}

// asciiLabel is a label's form in the DNS.
func asciiLabel(label string) (string, bool) {
	ascii := true
	var runes []rune
	for _, c := range label {
		if c < 0x80 {
			runes = append(runes, rune(lower(string(c))[0]))
			continue
		}
		ascii = false
		if c = unicode.ToLower(c); !unicode.Is(oneForm, c) {
			return "", false
		}
		runes = append(runes, c)
	}
	if ascii {
		return lower(label), true
	}
	if len(runes) > 63 || runes[0] == '-' || runes[len(runes)-1] == '-' {
		return "", false
	}
	return "xn--" + punycode(runes), true
}

// punycode encodes a label (RFC 3492 6.3).
func punycode(label []rune) string {
	const base, tmin, tmax, skew, damp = 36, 1, 26, 38, 700
	var out []byte
	for _, c := range label {
		if c < 0x80 {
			out = append(out, byte(c))
		}
	}
	basic := len(out)
	done := basic
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(0x80), 0, 72
	for done < len(label) {
		next := rune(unicode.MaxRune)
		for _, c := range label {
			if c >= n && c < next {
				next = c
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, c := range label {
			if c < n {
				delta++
			}
			if c != n {
				continue
			}
			q := delta
			for k := base; ; k += base {
				t := min(max(k-bias, tmin), tmax)
				if q < t {
					break
				}
				out = append(out, digit(t+(q-t)%(base-t)))
				q = (q - t) / (base - t)
			}
			out = append(out, digit(q))
			if done == basic {
				delta /= damp
			} else {
				delta /= 2
			}
			delta += delta / (done + 1)
			k := 0
			for delta > (base-tmin)*tmax/2 {
				delta /= base - tmin
				k += base
			}
			bias = k + (base-tmin+1)*delta/(delta+skew)
			delta = 0
			done++
		}
		delta++
		n++
	}
	return string(out)
}

func digit(d int) byte {
	if d < 26 {
		return byte('a' + d)
	}
	return byte('0' + d - 26)
}
