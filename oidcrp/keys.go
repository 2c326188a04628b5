package oidcrp

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// ParseKeys reads keys for [Config.CookieKeys] from text, newest first: each
// in base64, as "openssl rand -base64 32" prints it, with commas or white
// space between them. No text is no keys. An error never contains a key.
func ParseKeys(text string) ([][]byte, error) {
	var keys [][]byte
	for i, field := range strings.FieldsFunc(text, func(c rune) bool { return c <= ' ' || c == ',' }) {
		enc := base64.RawStdEncoding
		if strings.ContainsAny(field, "-_") {
			enc = base64.RawURLEncoding
		}
		key, err := enc.DecodeString(strings.TrimRight(field, "="))
		if err != nil {
			return nil, fmt.Errorf("key %d: not base64: use the output of \"openssl rand -base64 32\"", i+1)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
