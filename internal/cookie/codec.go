package cookie

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/gorilla/securecookie"
)

// Codec seals values that are written and read once per login or logout, with
// gorilla/securecookie. The name of the cookie is sealed with the value.
type Codec struct {
	codecs []*securecookie.SecureCookie // newest key first
}

// Codec returns the codec for values of a purpose at a site. Values older than
// maxAge do not open; 0 is no limit.
func (k *Keys) Codec(purpose, site string, maxAge time.Duration) *Codec {
	info := boxInfo(purpose, site, nil)
	c := &Codec{}
	for _, sk := range k.keys {
		hash, block := sk.derive(useHash, info, 0), sk.derive(useBlock, info, 0)
		// No length limit here: only Cookie.Set knows what fits.
		c.codecs = append(c.codecs, securecookie.New(hash[:], block[:]).
			SetSerializer(securecookie.NopEncoder{}).
			MaxAge(int(seconds(maxAge))).
			MaxLength(0))
	}
	return c
}

// Encode seals value for the cookie called name.
func (c *Codec) Encode(name string, value []byte) (string, error) {
	// A copy, since securecookie encrypts in place; with a byte in front,
	// since it does not open empty values.
	s, err := c.codecs[0].Encode(name, append([]byte{0}, value...))
	if err != nil {
		return "", fmt.Errorf("cookie: seal %s: %w", name, err)
	}
	return s, nil
}

// Decode opens a value of Encode, whichever of the keys sealed it. Every
// failure is ErrSealed.
func (c *Codec) Decode(name, value string) ([]byte, error) {
	if len(value) > MaxSize {
		return nil, ErrSealed
	}
	// securecookie forgives stray low bits; a value has one spelling.
	if _, err := base64.URLEncoding.Strict().DecodeString(value); err != nil {
		return nil, ErrSealed
	}
	for _, sc := range c.codecs {
		var plain []byte
		if err := sc.Decode(name, value, &plain); err == nil {
			return plain[1:], nil // less the first byte of Encode
		}
	}
	return nil, ErrSealed
}
