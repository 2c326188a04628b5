package session_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// full is a draft that has everything.
func full() session.Draft {
	d := typical()
	for i := range d.Handle {
		d.Handle[i] = byte(i + 1)
	}
	d.ACR = "urn:mace:incommon:iap:silver"
	d.AMR = []string{"pwd", "otp"}
	d.Scopes = []string{"openid", "profile"}
	d.Claims = append(d.Claims,
		session.Claim{Name: "email_verified", Value: json.RawMessage("true")},
		session.Claim{Name: "/realm_access/roles", Value: json.RawMessage(`["a","b"]`)},
		session.Claim{Name: "quote", Value: json.RawMessage(`"say \"no\" \\"`)},
		session.Claim{Name: "empty", Value: json.RawMessage(`""`)},
		session.Claim{Name: "", Value: json.RawMessage(`"of no name"`)},
	)
	d.Values = []session.Value{{Key: "user", Value: "42"}, {Key: "theme", Value: ""}}
	d.Began = epoch.Add(-1234 * time.Millisecond)
	d.AuthTime = epoch.Add(-400 * 24 * time.Hour)
	d.IssuedAt = epoch.Add(-time.Second)
	d.TokenExpiry = epoch.Add(time.Hour)
	d.Ceiling = epoch.Add(13 * time.Hour)
	return d
}

// record makes a record by way of its flat form.
func record(t testing.TB, d session.Draft) session.Record {
	t.Helper()
	rec, ok := session.Decode(string(session.Encode(d, epoch, 43200)))
	if !ok {
		t.Fatal("what was encoded does not decode")
	}
	return rec
}

// sameDraft compares drafts. Times are the same instant, to the second.
func sameDraft(t testing.TB, got, want session.Draft) {
	t.Helper()
	if want.Began.IsZero() { // as much as when it started
		want.Began = got.Began
	}
	for _, d := range []*session.Draft{&got, &want} {
		if !d.Began.IsZero() {
			d.Began = time.UnixMilli(d.Began.UnixMilli()).UTC()
		}
		for _, tm := range []*time.Time{&d.AuthTime, &d.IssuedAt, &d.TokenExpiry, &d.Ceiling} {
			if !tm.IsZero() {
				*tm = time.Unix(tm.Unix(), 0).UTC()
			}
		}
		for _, l := range []*[]string{&d.AMR, &d.Roles, &d.Scopes} {
			if len(*l) == 0 {
				*l = nil
			}
		}
		if len(d.Claims) == 0 {
			d.Claims = nil
		}
		for i := range d.Claims {
			if d.Claims[i].Value == nil {
				d.Claims[i].Value = json.RawMessage{}
			}
		}
		if len(d.Values) == 0 {
			d.Values = nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestRecordGivesBackItsDraft(t *testing.T) {
	for name, d := range map[string]session.Draft{
		"empty": {}, "typical": typical(), "full": full(),
		"year 2039":         {AuthTime: time.Date(2039, 1, 1, 0, 0, 0, 0, time.UTC), Ceiling: time.Date(2039, 6, 1, 0, 0, 0, 0, time.UTC)},
		"times before 1970": {AuthTime: time.Unix(-5, 0), IssuedAt: time.Unix(0, 0)},
		"values that no JSON encoder writes": {Claims: []session.Claim{
			{Name: "a", Value: json.RawMessage(`"`)}, {Name: "b", Value: json.RawMessage(`"x"y"`)},
			{Name: "c", Value: json.RawMessage(`"x\"`)}, {Name: "d", Value: json.RawMessage("\"\x01\"")},
			{Name: "e", Value: nil}, {Name: "f", Value: json.RawMessage(`"z"`)}, {Name: "g", Value: json.RawMessage(` "z"`)},
		}},
		"a control character after a string": {Claims: []session.Claim{
			{Name: "a", Value: json.RawMessage(`"x"`)}, {Name: "b", Value: json.RawMessage("\"\x01\"")},
		}},
		"long values": {Subject: strings.Repeat("s", 300), Values: []session.Value{{Key: strings.Repeat("k", 200), Value: strings.Repeat("v", 20000)}}},
	} {
		t.Run(name, func(t *testing.T) { sameDraft(t, record(t, d).Draft(), d) })
	}
}

func TestRecordAccessors(t *testing.T) {
	d := full()
	rec := record(t, d)
	for name, pair := range map[string][2]any{
		"provider":       {rec.Provider(), d.Provider},
		"issuer":         {rec.Issuer(), d.Issuer},
		"subject":        {rec.Subject(), d.Subject},
		"sid":            {rec.SID(), d.SID},
		"acr":            {rec.ACR(), d.ACR},
		"amr":            {slices.Collect(rec.AMR()), d.AMR},
		"roles":          {slices.Collect(rec.Roles()), d.Roles},
		"scopes":         {slices.Collect(rec.Scopes()), d.Scopes},
		"value":          {rec.Value("user"), "42"},
		"no value":       {rec.Value("User"), ""},
		"handle":         {rec.Handle(), "AQIDBAUGBwgJCgsM"},
		"started":        {rec.Started().UTC(), epoch},
		"checked":        {rec.Checked().UTC(), epoch},
		"expires":        {rec.Expires().UTC(), epoch.Add(12 * time.Hour)},
		"auth time":      {rec.AuthTime().UTC(), d.AuthTime},
		"issued at":      {rec.IssuedAt().UTC(), d.IssuedAt},
		"a role":         {rec.HasRole("admin"), true},
		"half a role":    {rec.HasRole("adm"), false},
		"a scope":        {rec.HasScope("openid"), true},
		"no scope":       {rec.HasScope(""), false},
		"zero":           {rec.IsZero(), false},
		"printed":        {fmt.Sprintf("%v %+v %s %#v", rec, rec, rec, rec), strings.TrimSpace(strings.Repeat("session AQIDBAUGBwgJCgsM ", 4))},
		"printed if not": {fmt.Sprint(session.Record{}), "no session"},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: got %v, want %v", name, pair[0], pair[1])
		}
	}
	for _, c := range d.Claims {
		if got, ok := rec.Claim(c.Name); !ok || got != string(c.Value) {
			t.Errorf("claim %q: got %s, %t", c.Name, got, ok)
		}
	}
	if got, ok := rec.Claim("nam"); ok || got != "" {
		t.Errorf("a claim it has not: %q", got)
	}
	for range rec.Claims() { // stops when told to
		break
	}
	for range rec.Values() {
		break
	}
	for range rec.Roles() {
		break
	}
}

func TestZeroRecordHasNothing(t *testing.T) {
	var rec session.Record
	if !rec.IsZero() || rec.Provider() != "" || rec.Subject() != "" || rec.Handle() != "" || rec.HasRole("") ||
		!rec.Began().IsZero() || !rec.Started().IsZero() || !rec.Expires().IsZero() || !rec.Checked().IsZero() || !rec.AuthTime().IsZero() ||
		rec.Value("") != "" || len(slices.Collect(rec.Roles())) != 0 || !reflect.DeepEqual(rec.Draft(), session.Draft{}) {
		t.Error("the zero record has something")
	}
	if _, ok := rec.Claim("name"); ok {
		t.Error("the zero record has a claim")
	}
	for range rec.Claims() {
		t.Error("the zero record has a claim")
	}
	for range rec.Values() {
		t.Error("the zero record has a value")
	}
}

// Random drafts survive, and no cut or extended record is one.
func TestRecordProperty(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, rnd.IntN(4)*rnd.IntN(60))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return string(b)
	}
	list := func() (l []string) {
		for range rnd.IntN(4) {
			l = append(l, text())
		}
		return l
	}
	when := func() time.Time {
		if rnd.IntN(2) == 0 {
			return time.Time{}
		}
		return epoch.Add(time.Duration(rnd.Int64N(2e9)-1e9) * time.Second)
	}
	for range 2000 {
		d := session.Draft{
			Provider: text(), Issuer: text(), Subject: text(), SID: text(), ACR: text(),
			AMR: list(), Roles: list(), Scopes: list(),
			AuthTime: when(), IssuedAt: when(), TokenExpiry: when(), Ceiling: when(),
		}
		for range rnd.IntN(6) {
			value, _ := json.Marshal(text())
			if rnd.IntN(3) == 0 {
				value = []byte(text())
			}
			d.Claims = append(d.Claims, session.Claim{Name: text(), Value: value})
			d.Values = append(d.Values, session.Value{Key: text(), Value: text()})
		}
		raw := string(session.Encode(d, epoch, rnd.Uint32()))
		rec, ok := session.Decode(raw)
		if !ok {
			t.Fatalf("%+v does not decode", d)
		}
		sameDraft(t, rec.Draft(), d)
		if _, ok := session.Decode(raw[:rnd.IntN(len(raw))]); ok {
			t.Fatal("a cut record decodes")
		}
		if _, ok := session.Decode(raw + text() + "\x00"); ok {
			t.Fatal("an extended record decodes")
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(session.Encode(typical(), epoch, 43200))
	claim := string(session.Encode(session.Draft{Claims: []session.Claim{{Name: "a", Value: json.RawMessage(`""`)}}}, epoch, 1))
	bare := string(session.Encode(session.Draft{}, epoch, 1))
	fixed, behind := bare[:25], bare[26:]
	for name, raw := range map[string]string{
		"nothing":                 "",
		"a head alone":            good[:20],
		"version 0":               "\x00" + good[1:],
		"a newer version":         string(good[0]+0x10) + good[1:],
		"trailing bytes":          good + "\x00",
		"more than the bound":     string(session.Encode(session.Draft{Subject: strings.Repeat("x", session.MaxRecord)}, epoch, 1)),
		"a huge count":            string(session.Encode(session.Draft{}, epoch, 1)[:32]) + "\xff\xff\xff\xff\x7f",
		"zeroes":                  strings.Repeat("\x00", 100),
		"a value without an end":  claim[:len(claim)-2] + "\x00",
		"a value that is no JSON": claim[:len(claim)-3] + "x" + claim[len(claim)-2:],
		"an end after 136 years":  fixed + "\x80\x80\x80\x80\x10" + behind,
		"a login of 50 days":      fixed + "\x01\x80\x80\x80\x80\x10" + behind[1:],
		"a time in many bytes":    fixed + "\x81\x00" + behind,
		"noise":                   strings.Repeat("\x1f\xff", 100),
	} {
		if _, ok := session.Decode(raw); ok {
			t.Errorf("%s: decodes", name)
		}
	}
}

// A value under a key of ours that we would not write is of no use, and no harm.
func TestRecordWithStrangeValueOfOurs(t *testing.T) {
	rec := record(t, session.Draft{Values: []session.Value{{Key: "\x00under", Value: "short"}}})
	if d := rec.Draft(); d.Under != 0 || len(d.Values) != 0 {
		t.Errorf("got %+v", d)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(string(session.Encode(session.Draft{}, epoch, 0)))
	f.Add(string(session.Encode(typical(), epoch, 43200)))
	f.Add(string(session.Encode(full(), epoch, 1<<31)))
	f.Add("")
	f.Fuzz(func(t *testing.T, raw string) {
		rec, ok := session.Decode(raw)
		if !ok {
			if !rec.IsZero() {
				t.Fatal("refused, and given all the same")
			}
			return
		}
		// Whatever decodes can be read, and says the same when written again.
		d := rec.Draft()
		for _, c := range d.Claims {
			if _, ok := rec.Claim(c.Name); !ok {
				t.Fatalf("claim %q is listed and not found", c.Name)
			}
		}
		for _, role := range d.Roles {
			if !rec.HasRole(role) {
				t.Fatalf("role %q is listed and not found", role)
			}
		}
		again, ok := session.Decode(string(session.Encode(d, rec.Started(), uint32(rec.Expires().Sub(rec.Started())/time.Second))))
		if !ok {
			if len(raw) > session.MaxRecord/2 {
				return // a quote more for each claim may be too much
			}
			t.Fatal("cannot be written again")
		}
		sameDraft(t, again.Draft(), d)
		if !again.Started().Equal(rec.Started()) || !again.Expires().Equal(rec.Expires()) {
			t.Fatal("times differ when written again")
		}
	})
}

// Sizes are held down by tests: they are most of what a request pays.
func TestRecordIsSmall(t *testing.T) {
	bare := len(session.Encode(session.Draft{}, epoch, 43200))
	if bare > 40 {
		t.Errorf("an empty record has %d bytes", bare)
	}
	d := session.Draft{}
	for _, name := range []string{"name", "email", "email_verified", "preferred_username"} {
		d.Claims = append(d.Claims, session.Claim{Name: name, Value: json.RawMessage(`"12345678"`)})
	}
	if got := len(session.Encode(d, epoch, 43200)) - bare; got > 4*(1+9)+1 {
		t.Errorf("four default claims of eight letters take %d bytes", got)
	}
}

func TestTimesOfLongSessions(t *testing.T) {
	for _, end := range []uint32{1, 43200, 1<<24 - 1, 1 << 24, 366 * 24 * 3600, 1<<32 - 1} {
		rec, ok := session.Decode(string(session.Encode(session.Draft{}, epoch, end)))
		if !ok || rec.Expires().Sub(rec.Started()) != time.Duration(end)*time.Second {
			t.Errorf("a session of %d s expires after %v", end, rec.Expires().Sub(rec.Started()))
		}
	}
}
