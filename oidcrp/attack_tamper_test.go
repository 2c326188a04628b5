package oidcrp_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// other is a letter that b is not.
func other(b byte) string {
	if b == 'B' {
		return "C"
	}
	return "B"
}

// tamperedCookie: what is wrong with a cookie is not told to whoever sent it.
func tamperedCookie(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			b := a.signIn()
			c := a.sessionCookie(b)
			ended := a.sessionCookie(a.signIn())
			others := a.sessionCookie(a.signIn()).Value
			second := a.browse()
			a.plant(second, ended.Name, ended.Value)
			second.Get(a.URL + "/")
			second.PostForm(a.URL+"/auth/logout", nil)

			answer := func(path, value string) string {
				header := []string{"Sec-Fetch-Mode", "cors"}
				if value != "" {
					header = append(header, "Cookie", c.Name+"="+value)
				}
				res := a.with(nil, "GET", path, header...)
				body, _ := io.ReadAll(res.Body)
				var doc map[string]any
				if json.Unmarshal(body, &doc) == nil {
					delete(doc, "id")
					body = []byte(fmt.Sprint(doc))
				}
				res.Header.Del("Date")
				res.Header.Del("Content-Length")
				return fmt.Sprint(res.StatusCode, res.Header, string(body))
			}
			for _, path := range []string{"/", "/reports", "/auth/me"} {
				want := answer(path, "")
				for name, value := range map[string]string{
					"flipped": flip(c.Value), "first byte": other(c.Value[0]) + c.Value[1:], "truncated": c.Value[:len(c.Value)-1], "longer": c.Value + "A",
					"other alphabet": strings.Replace(c.Value, c.Value[5:6], "+", 1), "padded": c.Value + "=", "twice": c.Value + c.Value,
					"re-encoded": reencoded(c.Value), "in hexadecimal": hex.EncodeToString([]byte(c.Value)), "escaped": strings.ReplaceAll(url.QueryEscape(c.Value), c.Value[:1], fmt.Sprintf("%%%02X", c.Value[0])),
					"halves swapped": c.Value[len(c.Value)/2:] + c.Value[:len(c.Value)/2], "half of another": c.Value[:len(c.Value)/2] + others[len(c.Value)/2:],
					"short": "A", "quoted": `"` + c.Value[1:] + `"`, "ended": ended.Value, "rubbish": strings.Repeat("x", 4000),
				} {
					if got := answer(path, value); got != want {
						t.Errorf("%s, %s:\n%s\nwithout a cookie:\n%s", path, name, got, want)
					}
				}
			}
			if a.whoHas(c) != "alice" {
				t.Error("the cookie itself does not work")
			}
		})
	}
}

// reencoded is the same bytes in the other alphabet, with padding.
func reencoded(value string) string {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return err.Error()
	}
	if s := base64.StdEncoding.EncodeToString(b); s != value {
		return s
	}
	return value + "===="
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// flippedBits: each bit counts, those too that only pad the last character.
func flippedBits(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			good := a.sessionCookie(a.signIn())
			h := a.rp.Load(a.handler())
			answer := func(header ...string) string {
				w := ask(a.rp, h, nil, "GET", a.URL+"/", header...)
				return fmt.Sprint(w.Code, w.Header(), w.Body)
			}
			none, events := answer(), len(a.told())
			if answer("Cookie", cookieHeader(good)) == none {
				t.Fatal("the cookie itself does not work")
			}
			for i := range good.Value {
				for bit := range 6 {
					c := base64url[strings.IndexByte(base64url, good.Value[i])^1<<bit]
					if got := answer("Cookie", good.Name+"="+good.Value[:i]+string(c)+good.Value[i+1:]); got != none {
						t.Fatalf("character %d, bit %d: %s", i, bit, got)
					}
				}
				if got := answer("Cookie", good.Name+"="+good.Value[:i]); got != none {
					t.Fatalf("the first %d characters: %s", i, got)
				}
			}
			if n := len(a.told()) - events; n != 0 {
				t.Errorf("%d events: strangers could fill the log", n)
			}
		})
	}
}

// cookieOfAnotherPurpose: nothing else that we seal is a session, nor is one under
// a key that is not ours, or of another address under ours.
func cookieOfAnotherPurpose(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			var onLogin hook[*oidcrp.Login]
			onLogin.set(func(*oidcrp.Login) error { return nil })
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { store(c); c.OnLogin = onLogin.call })
			b := a.signIn()
			session := a.sessionCookie(b)
			ticket := mustParse(t, a.ticket(a.signIn(), "/leave")).Query().Get("ticket")
			onLogin.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} })
			long := "/auth/login?return_to=/" + strings.Repeat("long", 200)
			callback := mustParse(t, a.stopAtCallback(b, long))
			b.Get(a.URL + "/auth/login?return_to=/reports")
			made := func(change func(*oidcrp.Config)) string {
				return oidcrptest.Cookie(a.later(change), "", oidcrptest.User{Subject: "alice"}).Value
			}
			values := map[string]string{
				"state": callback.Query().Get("state"), "ticket": ticket,
				"another key":      made(func(c *oidcrp.Config) { c.CookieKeys = [][]byte{key(2)} }),
				"another base URL": made(func(c *oidcrp.Config) { c.BaseURL = "http://localhost:1" }),
			}
			for _, path := range []string{"/", "/auth/logout", "/auth/callback/test"} {
				for _, c := range b.Cookies(a.URL + path) {
					if c.Name != session.Name {
						values[c.Name] = c.Value
					}
				}
			}
			if len(values) != 4+4 { // of the login, the pause, the return URL and the ID token
				t.Errorf("tried %d: %v", len(values), values)
			}
			for name, value := range values {
				if who := a.whoHas(&http.Cookie{Name: session.Name, Value: value}); who != "nobody" {
					t.Errorf("%s as session: %s", name, who)
				}
			}
			if who := a.whoHas(session); who != "alice" {
				t.Errorf("the session itself is %s's", who)
			}
		})
	}
}

// weakKeys are refused when the application starts.
func weakKeys(t *testing.T) {
	for name, tt := range map[string]struct {
		key  []byte
		says string
	}{
		"31 bytes":                  {key(1)[:31], "fewer than 32"},
		"zeros":                     {make([]byte, 32), "repeats"},
		"one letter":                {[]byte(strings.Repeat("a", 64)), "repeats"},
		"a short text repeated":     {[]byte(strings.Repeat("0123456789abcdef", 2)), "repeats"},
		"counted":                   {[]byte("0123456789:;<=>?@ABCDEFGHIJKLMNO"), "counts"},
		"a passphrase":              {[]byte("correct horse battery staple and more"), "passphrase"},
		"a word for a placeholder":  {[]byte("CHANGEME-0123456789-abcdefghijklmn"), "sample"},
		"the command of the manual": {[]byte("openssl rand -base64 32 | tee key.txt"), "sample"},
		"the client secret":         {key(7), "use a key of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, keys := range [][][]byte{{tt.key}, {key(1), tt.key}} { // an old one is no better
				cfg := goodConfig()
				cfg.CookieKeys = keys
				cfg.Providers[0].ClientSecret = oidcrp.Secret(key(7))
				_, err := oidcrp.New(cfg)
				if err == nil || !strings.Contains(err.Error(), "CookieKeys") || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v", err)
				} else if strings.Contains(err.Error(), string(tt.key)) {
					t.Errorf("the key is in the error: %v", err)
				}
			}
		})
	}
}

// nonces: of a million values no two have one nonce, though two nodes share their
// key; and that key is another one each day, long before 2^32 of them. A hundredth
// of it under the race detector, and of whole sessions.
func nonces(t *testing.T) {
	n := 500_000
	if raceEnabled {
		n /= 100
	}
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	keys, err := cookie.NewKeys([][]byte{key(1)})
	if err != nil {
		t.Fatal(err)
	}
	other := a.later(func(*oidcrp.Config) {})
	box := keys.Box("session cookie", a.siteID())
	sealed := func(rp *oidcrp.RelyingParty) cookie.Seal {
		c := oidcrptest.Cookie(rp, "", oidcrptest.User{Subject: "alice"})
		_, seal, err := box.Open(nil, c.Value, []byte(c.Name))
		if err != nil {
			t.Fatal(err)
		}
		return seal
	}
	again, err := cookie.NewKeys([][]byte{key(1)})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[[12]byte]struct{}, 2*n)
	all, now := 0, time.Now()
	once := func(s cookie.Seal) { seen[s.Nonce] = struct{}{}; all++ }
	for _, box := range []*cookie.Box{box, again.Box("session cookie", a.siteID())} {
		for i := range n {
			if i%100 == 0 {
				once(sealed(a.rp))
				once(sealed(other))
			}
			_, seal, err := box.SealBytes(nil, nil, nil, now)
			if err != nil {
				t.Fatal(err)
			}
			once(seal)
		}
	}
	if len(seen) != all {
		t.Errorf("%d nonces of %d values", len(seen), all)
	}
	today := sealed(a.rp).Period
	a.clock.advance(24 * time.Hour)
	if tomorrow := sealed(a.rp).Period; tomorrow == today {
		t.Error("the key is the same the next day")
	}
}
