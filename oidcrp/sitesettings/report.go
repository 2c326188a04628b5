package sitesettings

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Verdict says what became of a setting.
type Verdict string

// The verdicts.
const (
	Taken         Verdict = "taken"         // it does what it did
	Changed       Verdict = "changed"       // it does something else, or less, for safety
	Ignored       Verdict = "ignored"       // nothing depends on it here
	Contradictory Verdict = "contradictory" // it excludes another setting; an error
	Wrong         Verdict = "wrong"         // it cannot be read, or must not be; an error
	Default       Verdict = "default"       // it was not given: of [Settings.Defaults] alone
)

// Line is what became of one setting, and why.
type Line struct {
	Key     string // as it was given
	Value   string // as it was given; "[redacted]" for secrets, passwords in addresses, and settings nobody knows
	Verdict Verdict
	Reason  string // what it does, or why it does not, and what to do
}

// Report has one line for each setting, in the order of their names.
type Report []Line

// Count returns how many lines have one of verdicts.
func (r Report) Count(verdicts ...Verdict) int {
	n := 0
	for _, line := range r {
		if slices.Contains(verdicts, line.Verdict) {
			n++
		}
	}
	return n
}

// String has one line of text for each line, what needs attention first.
func (r Report) String() string {
	order := []Verdict{Wrong, Contradictory, Changed, Ignored, Taken, Default}
	lines := slices.SortedStableFunc(slices.Values(r), func(a, b Line) int {
		return cmp.Compare(slices.Index(order, a.Verdict), slices.Index(order, b.Verdict))
	})
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "%-13s  %s", line.Verdict, printable(line.Key))
		if line.Value != "" {
			fmt.Fprintf(&b, " = %s", short(line.Value))
		}
		fmt.Fprintf(&b, ": %s\n", printable(line.Reason))
	}
	return b.String()
}

// maxShown is how much of a value a report shows.
const maxShown = 80

// credentials are a user name and a password in an address.
var credentials = regexp.MustCompile(`://[^/?#,\s]*@`)

// withoutPasswords is text as a report may have it.
func withoutPasswords(value string) string {
	return credentials.ReplaceAllString(value, "://"+redacted+"@")
}

// short is a value on a line of its own.
func short(value string) string {
	if cut := []rune(value); len(cut) > maxShown {
		value = string(cut[:maxShown]) + "…"
	}
	return strconv.Quote(value)
}

// printable leaves out what would break a line, or a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}

const redacted = "[redacted]"

// setting is a [Line] in the making. A nil setting was not given: its methods do
// nothing.
type setting struct {
	Line
	value string
}

// text is the value, "" where nothing was given.
func (s *setting) text() string {
	if s == nil {
		return ""
	}
	return s.value
}

// is gives the verdict. The first counts, unless a later one is worse.
func (s *setting) is(v Verdict, format string, args ...any) {
	bad := v == Wrong || v == Contradictory
	if s != nil && (s.Verdict == "" || bad && s.Verdict != Wrong && s.Verdict != Contradictory) {
		s.Verdict, s.Reason = v, withoutPasswords(fmt.Sprintf(format, args...))
	}
}

func (s *setting) taken(format string, args ...any)   { s.is(Taken, format, args...) }
func (s *setting) changed(format string, args ...any) { s.is(Changed, format, args...) }
func (s *setting) ignored(format string, args ...any) { s.is(Ignored, format, args...) }
func (s *setting) wrong(format string, args ...any)   { s.is(Wrong, format, args...) }
func (s *setting) contradicts(format string, args ...any) {
	s.is(Contradictory, format, args...)
}
