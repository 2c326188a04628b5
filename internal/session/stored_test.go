package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// What cannot be an id costs the store nothing, be it almost one.
func TestStoreIsNotAskedForWhatIsNoID(t *testing.T) {
	h := newHouse(t, true, nil)
	name, id, _ := strings.Cut(startedCookie(h), "=")
	h.store.before = func(op, _ string) error { t.Errorf("%s for what is no id", op); return nil }
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for what, value := range map[string]string{
		"cut":                 id[:42],
		"longer":              id + "A",
		"no base64":           "*" + id[1:],
		"no base64 to an end": id[:42] + "*",
		"a line break":        id[:42] + "\n",
		"other spare bits":    id[:42] + digits[strings.Index(digits, id[42:])+1:][:1],
	} {
		if _, err := h.load(&browser{[]string{name + "=" + value}}, true); !errors.Is(err, session.ErrUnreadable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
