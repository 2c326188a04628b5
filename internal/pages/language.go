package pages

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxAccept = 1024 // bytes of an Accept-Language header that are looked at
	maxRanges = 32
	maxTag    = 35 // RFC 5646 4.4.1
)

// Language returns the best known language for an Accept-Language header
// (RFC 9110 12.5.4, looked up as in RFC 4647 3.4), or for a single tag. "pt"
// finds "pt-BR" where there is no "pt". Without a match it is "en".
func (p *Renderer) Language(accept string) string {
	ranges, never := parseAccept(accept)
	for _, r := range ranges {
		if tag, ok := p.lookUp(r, never); ok {
			return tag
		}
	}
	return "en"
}

// lookUp shortens the range from its end until it is a known tag.
func (p *Renderer) lookUp(r string, never []string) (string, bool) {
	for s := r; s != ""; s = shorten(s) {
		if tag, ok := p.tags[s]; ok && !slices.Contains(never, s) {
			return tag, true
		}
	}
	for _, s := range p.order {
		if strings.HasPrefix(s, r+"-") && !slices.Contains(never, s) {
			return p.tags[s], true
		}
	}
	return "", false
}

// shorten removes the last subtag.
func shorten(tag string) string {
	return tag[:max(0, strings.LastIndexByte(tag, '-'))]
}

// parseAccept returns the language ranges of the header in lower case, best
// first, and those refused with q=0. "*" says nothing we do not do anyway.
// What is malformed is left out.
func parseAccept(header string) (ranges, never []string) {
	type weighed struct {
		tag string
		q   float64
	}
	var all []weighed
	header = header[:min(len(header), maxAccept)]
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(part, ";")
		tag = strings.ToLower(strings.TrimSpace(tag))
		q, ok := quality(params)
		if !ok || !validTag(tag) {
			continue
		}
		if q == 0 {
			never = append(never, tag)
			continue
		}
		if all = append(all, weighed{tag, q}); len(all) == maxRanges {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b weighed) int { return cmp.Compare(b.q, a.q) })
	for _, w := range all {
		ranges = append(ranges, w.tag)
	}
	return ranges, never
}

// quality reads a weight: "q=" and 0 to 1 with at most three decimals (RFC
// 9110 12.4.2). None is 1.
func quality(params string) (float64, bool) {
	params = strings.TrimSpace(params)
	if params == "" {
		return 1, true
	}
	value, ok := strings.CutPrefix(strings.ToLower(params), "q=")
	if !ok || len(value) > len("0.000") || strings.Trim(value, "0123456789.") != "" {
		return 0, false
	}
	q, err := strconv.ParseFloat(value, 64)
	return q, err == nil && q <= 1
}

// validTag reports whether tag has the shape of a language tag: letters, then
// subtags of letters and digits (RFC 5646 2.1).
func validTag(tag string) bool {
	if len(tag) > maxTag {
		return false
	}
	first := true
	for sub := range strings.SplitSeq(tag, "-") {
		if len(sub) < 1 || len(sub) > 8 || first && len(sub) < 2 {
			return false
		}
		for _, c := range []byte(sub) {
			if !alphanumeric(c) || first && c <= '9' {
				return false
			}
		}
		first = false
	}
	return true
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// canonical writes a tag as RFC 5646 2.1.1 recommends: language in lower
// case, a script as "Hant", a region as "TW".
func canonical(tag string) string {
	subs := strings.Split(strings.ToLower(tag), "-")
	for i, sub := range subs[1:] {
		if len(subs[i]) == 1 {
			break // an extension, all in lower case
		}
		switch len(sub) {
		case 2:
			subs[i+1] = strings.ToUpper(sub)
		case 4:
			subs[i+1] = strings.ToUpper(sub[:1]) + sub[1:]
		}
	}
	return strings.Join(subs, "-")
}

// direction returns "rtl" for languages written from right to left: by the
// script, where the tag names one, else by the language.
func direction(tag string) string {
	subs := strings.Split(tag, "-")
	for _, sub := range subs[1:] {
		if len(sub) != 4 || sub[0] <= '9' {
			continue
		}
		if slices.Contains([]string{"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"}, sub) {
			return "rtl"
		}
		return "ltr"
	}
	if slices.Contains([]string{"ar", "arc", "ckb", "dv", "fa", "he", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"}, subs[0]) {
		return "rtl"
	}
	return "ltr"
}
