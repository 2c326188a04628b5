package transaction_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

func FuzzOpen(f *testing.F) {
	d, _ := newDesk(f)
	b := newBrowser()
	good := b.start(f, d, transaction.Begin{ReturnTo: "/reports"})
	for _, s := range []string{"", good.State, good.State[:50], good.State + "A", "state", strings.Repeat("A", 128)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, state string) {
		tx, err := d.Open(b.request(callback), state, callback)
		// Fuzzing processes start logins of their own, hence not state == good.
		if err == nil && tx.ReturnTo != "/reports" {
			t.Fatalf("%q opened to %+v", state, tx.Begin)
		}
		if errors.Is(err, transaction.ErrState) && tx != nil {
			t.Fatalf("%q: a transaction beside %v", state, err)
		}
	})
}

// What decodes has one encoding, so that nothing is read that we do not write.
func FuzzDecodeState(f *testing.F) {
	for _, begin := range []transaction.Begin{
		{Purpose: transaction.Login, ReturnTo: "/reports"},
		{Purpose: transaction.Consent, Scopes: []string{"a", "b"}, Identity: []byte{1}},
		{Purpose: transaction.StepUp, HasMaxAge: true, Identity: []byte{1}},
		{Purpose: transaction.StepUp, ACR: []string{"a"}, Scopes: []string{"b"}, Identity: []byte{1}},
		{Purpose: transaction.Link, Identity: []byte{1}},
		{Purpose: transaction.Silent, HasMaxAge: true, MaxAge: time.Hour, ACR: []string{"a", ""}, Identity: []byte{1}, Attempt: 3},
		{Purpose: transaction.Login, ReturnTo: strings.Repeat("/", 500)},
	} {
		content, _, err := transaction.EncodeState(transaction.Transaction{Begin: begin, Started: t0})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 156 {
			return // longer ones put the return URL elsewhere
		}
		tx, digest, long, err := transaction.DecodeState(content)
		if err != nil {
			if !errors.Is(err, transaction.ErrState) {
				t.Fatalf("%v, want ErrState", err)
			}
			return
		}
		if long {
			tx.ReturnTo = strings.Repeat("/", 500)
		}
		again, againLong, err := transaction.EncodeState(tx)
		if err != nil {
			t.Fatalf("%x reads as %+v, which does not encode: %v", content, tx, err)
		}
		copy(again[8:16], digest)
		if long != againLong || !bytes.Equal(again, content) {
			t.Fatalf("%x reads as %+v, which encodes to %x", content, tx, again)
		}
	})
}
