package validate

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner walks over one JSON text (RFC 8259). Its methods return what is
// wrong, in words that quote nothing, or "".
type scanner struct {
	b     []byte
	i     int
	names int
}

// peek is the byte at hand, 0 at the end: no JSON text has a bare 0.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// next skips white space and then c, if it is there.
func (s *scanner) next(c byte) bool {
	s.space()
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) value(depth int) string {
	switch c := s.peek(); c {
	case '{':
		return s.object(depth+1, nil)
	case '[':
		return s.array(depth + 1)
	case '"':
		return s.text()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// object reads an object and, if members is not nil, puts its members there.
func (s *scanner) object(depth int, members Claims) string {
	if depth > maxDepth {
		return "nested too deeply"
	}
	s.i++
	if s.next('}') {
		return ""
	}
	var seen nameSet // where members does not tell
	for {
		s.space()
		name, detail := s.name()
		if detail != "" {
			return detail
		}
		if s.names++; s.names > maxNames {
			return "too many members"
		}
		_, twice := members[string(name)]
		if twice || members == nil && !seen.add(name) {
			return "the same name twice in one object"
		}
		if !s.next(':') {
			return "malformed"
		}
		s.space()
		start := s.i
		if detail := s.value(depth); detail != "" {
			return detail
		}
		if members != nil {
			members[string(name)] = json.RawMessage(s.b[start:s.i:s.i])
		}
		if s.next('}') {
			return ""
		}
		if !s.next(',') {
			return "malformed"
		}
	}
}

func (s *scanner) array(depth int) string {
	if depth > maxDepth {
		return "nested too deeply"
	}
	s.i++
	if s.next(']') {
		return ""
	}
	for {
		s.space()
		if detail := s.value(depth); detail != "" {
			return detail
		}
		if s.next(']') {
			return ""
		}
		if !s.next(',') {
			return "malformed"
		}
	}
}

// name reads the name of a member, with its escapes resolved, because "sub"
// and "\u0073ub" are one name.
func (s *scanner) name() (name []byte, detail string) {
	if s.peek() != '"' {
		return nil, "malformed"
	}
	start := s.i
	if detail := s.text(); detail != "" {
		return nil, detail
	}
	quoted := s.b[start:s.i]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], ""
	}
	text, ok := unquote(quoted)
	if !ok {
		return nil, "malformed"
	}
	return []byte(text), ""
}

func (s *scanner) text() string {
	s.i++
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return ""
		case c == '\\':
			if !s.escape() {
				return "malformed string"
			}
		case c < ' ':
			return "malformed string"
		case c < utf8.RuneSelf:
			s.i++
		default:
			r, n := utf8.DecodeRune(s.b[s.i:])
			if r == utf8.RuneError && n == 1 {
				return "not valid UTF-8"
			}
			s.i += n
		}
	}
	return "malformed string"
}

// escape reads one escape sequence. A surrogate that is not one of a pair names
// no character: readers replace it, each in its own way, so it is refused.
func (s *scanner) escape() bool {
	s.i++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return true
	case 'u':
	default:
		return false
	}
	r, ok := s.hex4()
	if !ok || !utf16.IsSurrogate(r) {
		return ok
	}
	if s.peek() != '\\' || s.i+1 >= len(s.b) || s.b[s.i+1] != 'u' {
		return false
	}
	s.i++
	low, ok := s.hex4()
	return ok && utf16.DecodeRune(r, low) != unicode.ReplacementChar
}

// hex4 reads uXXXX.
func (s *scanner) hex4() (rune, bool) {
	if s.i+5 > len(s.b) {
		return 0, false
	}
	var r rune
	for _, c := range s.b[s.i+1 : s.i+5] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	s.i += 5
	return r, true
}

func (s *scanner) word(w string) string {
	if !bytes.HasPrefix(s.b[s.i:], []byte(w)) {
		return "malformed"
	}
	s.i += len(w)
	return ""
}

func (s *scanner) number() string {
	start := s.i
	if s.peek() == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if !s.digits() {
		return "malformed"
	}
	if s.peek() == '.' {
		s.i++
		if !s.digits() {
			return "malformed number"
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return "malformed number"
		}
	}
	// Beyond 64 bits readers part: an error, infinity, the largest number.
	if _, err := strconv.ParseFloat(string(s.b[start:s.i]), 64); err != nil {
		return "a number out of range"
	}
	return ""
}

func (s *scanner) digits() bool {
	start := s.i
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.i++
	}
	return s.i > start
}

// A nameSet holds the names of one object. Most objects are small, and need no
// map for it.
type nameSet struct {
	few  [][]byte
	many map[string]struct{}
}

// add reports whether name was not there yet.
func (n *nameSet) add(name []byte) bool {
	if n.many != nil {
		before := len(n.many)
		n.many[string(name)] = struct{}{}
		return len(n.many) > before
	}
	for _, other := range n.few {
		if bytes.Equal(other, name) {
			return false
		}
	}
	if n.few = append(n.few, name); len(n.few) < fewNames {
		return true
	}
	n.many = make(map[string]struct{}, 4*fewNames)
	for _, other := range n.few {
		n.many[string(other)] = struct{}{}
	}
	n.few = nil
	return true
}
