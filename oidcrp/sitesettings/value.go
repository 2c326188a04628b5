package sitesettings

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// bool reads a switch; def where it was not given. given is false, too, for what
// is no boolean, which is wrong.
func (s *setting) bool(def bool) (on, given bool) {
	switch strings.ToLower(s.text()) {
	case "":
		return def, false
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	s.wrong("is no boolean: write true or false")
	return def, false
}

// timeSpan is how .NET writes a duration: [days.]hours:minutes[:seconds].
var timeSpan = regexp.MustCompile(`^(?:(\d{1,5})\.)?(\d{1,5}):(\d{1,2})(?::(\d{1,2})(?:\.\d{1,7})?)?$`)

// span reads a duration; a plain number is of unit. ok is false where nothing
// was given, and for what is no duration, which is wrong.
func (s *setting) span(unit time.Duration, remedy string) (d time.Duration, ok bool) {
	if s.text() == "" {
		return 0, false
	}
	if n, err := strconv.ParseUint(s.value, 10, 31); err == nil {
		if n > uint64(100*365*24*time.Hour/unit) {
			s.wrong("is more than a hundred years: %s", remedy)
			return 0, false
		}
		return time.Duration(n) * unit, true
	}
	m := timeSpan.FindStringSubmatch(s.value)
	if m == nil {
		s.wrong("is no duration: %s", remedy)
		return 0, false
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(m[i+1]) // "" is 0
		if i >= 2 && n > 59 {
			s.wrong("has more than 59 minutes or seconds: %s", remedy)
			return 0, false
		}
		d += time.Duration(n) * unit
	}
	return d, true
}

// human is a duration as people say it.
func human(d time.Duration) string {
	for _, unit := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		switch n := d / unit.d; {
		case n < 1 || d%unit.d != 0:
		case n == 1:
			return "1 " + unit.name
		default:
			return strconv.Itoa(int(n)) + " " + unit.name + "s"
		}
	}
	return d.String()
}

// list splits a value at commas.
func list(value string) []string {
	var out []string
	for member := range strings.SplitSeq(value, ",") {
		if member = strings.TrimSpace(member); member != "" {
			out = append(out, member)
		}
	}
	return out
}

// placeholder is what documentation has where a value belongs.
var placeholder = regexp.MustCompile(`<[^<>]*>`)

// nearest finds the one of names that name was meant to be; "" if none is near.
func nearest(name string, names []string) string {
	best, least := "", 3+len(name)/10
	for _, other := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(other)); d < least && d < len(other)/2 {
			best, least = other, d
		}
	}
	return best
}

// distance is how many letters have to be added, removed or changed (Levenshtein).
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
