package sitesettings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxJSON  = 4 << 20
	maxDepth = 16
)

// parseJSON reads an object of JSON as people write it by hand: with comments,
// single quotes, names without quotes, and commas at the end. A value within
// objects is named by all their names, with "/" between them. Its errors say
// where, and nothing of what is there.
func parseJSON(b []byte) (entries []entry, err error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if len(b) > maxJSON {
		return nil, fmt.Errorf("JSON of more than %d bytes", maxJSON)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("JSON is no UTF-8")
	}
	p := &parser{in: string(b)}
	defer func() {
		switch mistake := recover().(type) {
		case nil:
		case syntaxError:
			entries, err = nil, mistake
		default:
			panic(mistake)
		}
	}()
	p.space()
	if p.peek() != '{' {
		p.fail("expected an object: {")
	}
	p.object("", 0)
	p.space()
	if p.at < len(p.in) {
		p.fail("expected the end")
	}
	return p.entries, nil
}

// syntaxError is a mistake, by its line.
type syntaxError struct {
	line int
	what string
}

func (e syntaxError) Error() string { return fmt.Sprintf("JSON, line %d: %s", e.line, e.what) }

type parser struct {
	in      string
	at      int
	entries []entry
}

func (p *parser) fail(what string) {
	panic(syntaxError{1 + strings.Count(p.in[:min(p.at, len(p.in))], "\n"), what})
}

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

// space skips white space and comments.
func (p *parser) space() {
	for p.at < len(p.in) {
		rest := p.in[p.at:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			p.at++
		case strings.HasPrefix(rest, "//"):
			p.at += len(rest)
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				p.at += end - len(rest)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 2 {
				p.fail("a comment does not end")
			}
			p.at += end + 2
		default:
			return
		}
	}
}

// members reads what stands between a bracket, where it is, and the one that
// closes it.
func (p *parser) members(closing byte, depth int, member func()) {
	if depth >= maxDepth {
		p.fail("objects within objects are too deep")
	}
	p.at++
	for {
		p.space()
		if p.peek() == closing {
			p.at++
			return
		}
		member()
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case closing:
		default:
			p.fail("expected a comma, or " + string(closing))
		}
	}
}

func (p *parser) object(prefix string, depth int) {
	p.members('}', depth, func() {
		name := p.name()
		p.space()
		if p.peek() != ':' {
			p.fail("expected a colon")
		}
		p.at++
		p.space()
		p.value(prefix+name, depth+1)
	})
}

// value reads whatever is there, under a name.
func (p *parser) value(name string, depth int) {
	before := len(p.entries)
	switch p.peek() {
	case '{':
		p.object(name+"/", depth)
		if len(p.entries) == before { // so that the report names it
			p.entries = append(p.entries, entry{name, ""})
		}
	case '[':
		var texts []string
		n := 0
		p.members(']', depth, func() {
			if c := p.peek(); c == '{' || c == '[' {
				p.value(name+"/"+strconv.Itoa(n), depth+1)
			} else {
				texts = append(texts, p.scalar())
			}
			n++
		})
		if texts != nil || len(p.entries) == before {
			p.entries = append(p.entries, entry{name, strings.Join(texts, ",")})
		}
	default:
		p.entries = append(p.entries, entry{name, p.scalar()})
	}
}

var (
	bareName  = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$-]*`)
	bareValue = regexp.MustCompile(`^(true|false|null|-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?)\b`)
)

func (p *parser) name() string {
	if c := p.peek(); c == '"' || c == '\'' {
		return p.quoted(c)
	}
	bare := bareName.FindString(p.in[p.at:])
	if bare == "" {
		p.fail("expected a name")
	}
	p.at += len(bare)
	return bare
}

func (p *parser) scalar() string {
	if c := p.peek(); c == '"' || c == '\'' {
		return p.quoted(c)
	}
	bare := bareValue.FindString(p.in[p.at:])
	if bare == "" {
		p.fail("expected a value: a text in quotes, a number, true, false or null")
	}
	p.at += len(bare)
	if bare == "null" {
		return ""
	}
	return bare
}

// quoted reads a string, in quotes of either kind.
func (p *parser) quoted(quote byte) string {
	start := p.at
	var b strings.Builder
	b.WriteByte('"')
	for p.at++; ; p.at++ {
		switch c := p.peek(); {
		case p.at >= len(p.in) || c == '\n' || c == '\r':
			p.at = start
			p.fail("a text does not end on its line")
		case c == quote:
			p.at++
			b.WriteByte('"')
			var text string
			if json.Unmarshal([]byte(b.String()), &text) != nil {
				p.at = start
				p.fail("a text has a control character, or an escape that is none")
			}
			return text
		case c == '"':
			b.WriteString(`\"`)
		case c == '\\' && strings.HasPrefix(p.in[p.at:], `\'`):
			p.at++
			b.WriteByte('\'')
		case c == '\\' && p.at+1 < len(p.in) && p.in[p.at+1] >= ' ':
			b.WriteString(p.in[p.at : p.at+2])
			p.at++
		default:
			b.WriteByte(c)
		}
	}
}
