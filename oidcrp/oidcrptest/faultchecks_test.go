package oidcrptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func all(checks ...func(*testing.T, *wire)) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		for _, check := range checks {
			check(t, w)
		}
	}
}

// expected resolves a value that depends on the provider.
func expected(w *wire, v any) string {
	if f, ok := v.(func(*wire) any); ok {
		v = f(w)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func isField(t *testing.T, w *wire, what string, m map[string]any, name string, want any) {
	t.Helper()
	got, present := m[name]
	b, _ := json.Marshal(got)
	if want == nil && present || string(b) != expected(w, want) {
		t.Errorf("%s: %s = %s, want %s", what, name, b, expected(w, want))
	}
}

func claimIs(name string, want any) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		token := w.idToken()
		isField(t, w, "ID token", token.claims, name, want)
		if err := w.verify(token); err != nil {
			t.Errorf("signature must be right: %v", err)
		}
	}
}

// frontClaimIs is claimIs for the ID token of a hybrid response.
func frontClaimIs(name string, want any) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		_, front, _ := w.hybrid()
		isField(t, w, "front ID token", front.claims, name, want)
		if err := w.verify(front); err != nil {
			t.Errorf("signature must be right: %v", err)
		}
	}
}

// wrongHash expects a hash that is not the one of this parameter, and only
// where there was to be one.
func wrongHash(name, param string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		v, front, back := w.hybrid()
		got, _ := front.claims[name].(string)
		if right := halfSHA256(v.Get(param)); got == right || len(got) != len(right) || back.claims[name] != nil {
			t.Errorf("%s = %q, must be another of the length of %q; back %v", name, got, right, back.claims[name])
		}
	}
}

func claimIsAbout(name string, d time.Duration) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		now := time.Unix(2_000_000_000, 0)
		w.p.SetNow(func() time.Time { return now })
		isField(t, w, "ID token", w.idToken().claims, name, now.Add(d).Unix())
	}
}

func headerIs(name string, want any) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) { isField(t, w, "header", w.idToken().header, name, want) }
}

func payload(ok func(string) bool) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		token := w.idToken()
		if !ok(token.payload) {
			t.Errorf("payload is %s", token.payload)
		}
		if err := w.verify(token); err != nil {
			t.Errorf("signature must be right: %v", err)
		}
	}
}

func tokenFieldIs(name string, want any, present bool) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		m := w.tokens()
		if got, ok := m[name]; got != want || ok != present {
			t.Errorf("token response has %s = %v (%v), want %v (%v)", name, got, ok, want, present)
		}
	}
}

func tokenAnswer(status int, contentType, prefix string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		a := w.token()
		if a.status != status || a.header.Get("Content-Type") != contentType || !strings.HasPrefix(a.body, prefix) {
			t.Errorf("answered %d %q %q", a.status, a.header.Get("Content-Type"), a.body)
		}
	}
}

func parAnswer(status int, prefix string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		if a := w.post(oidcrptest.PAREndpoint, w.request()); a.status != status || !strings.HasPrefix(a.body, prefix) {
			t.Errorf("answered %d %q", a.status, a.body)
		}
	}
}

// kidAbsent expects so many RSA keys that could have signed, one of which did,
// and so many keys.
func kidAbsent(fitting, total int) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		w.p.SetAlgorithm("ES256")
		token, keys := w.idToken(), w.jwks()
		jws, err := jose.ParseSignedCompact(token.raw, []jose.SignatureAlgorithm{"RS256"})
		if err != nil || token.header["kid"] != nil {
			t.Fatalf("header %v, %v", token.header, err)
		}
		rsa, right, curve := 0, 0, false
		for _, k := range keys {
			m := k.(map[string]any)
			if m["kid"] != nil || m["use"] == "sig" && m["alg"] != nil {
				t.Errorf("key %v has a name", m)
			}
			curve = curve || m["crv"] == "secp256k1"
			if m["kty"] != "RSA" || m["use"] != "sig" {
				continue
			}
			rsa++
			b, _ := json.Marshal(m)
			var jwk jose.JSONWebKey
			if err := json.Unmarshal(b, &jwk); err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify(jwk.Key); err == nil {
				right++
			}
		}
		if rsa != fitting || right != 1 || len(keys) != total || !curve {
			t.Errorf("%d RSA keys of which %d signed, %d keys in all", rsa, right, len(keys))
		}
	}
}

// userInfoWays expects these answers to an access token in header and form.
func userInfoWays(header, form int) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		access := w.tokens()["access_token"].(string)
		if a := w.userInfoBy(access); a.status != header {
			t.Errorf("header answered %d", a.status)
		}
		r := w.postRequest(oidcrptest.UserInfoEndpoint, url.Values{"access_token": {access}})
		r.Header.Del("Authorization")
		if a, err := w.do(r); err != nil || a.status != form {
			t.Errorf("form answered %d, %v", a.status, err)
		}
	}
}

func metadataIs(name string, want any) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) { isField(t, w, "metadata", w.metadata(), name, want) }
}

func userInfoIs(name string, want any) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) { isField(t, w, "UserInfo", w.userInfo().json(t), name, want) }
}

func responseIs(name string, want ...string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		if got := w.authorize()[name]; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("response has %s = %q, want %q", name, got, want)
		}
	}
}

func getAnswer(endpoint string, status int, location string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		if a := w.get(w.p.URL(endpoint)); a.status != status || a.header.Get("Location") != location {
			t.Errorf("answered %d to %q", a.status, a.header.Get("Location"))
		}
	}
}

func rubbish(endpoint string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		if a := w.get(w.p.URL(endpoint)); a.status != 200 || json.Valid([]byte(a.body)) {
			t.Errorf("answered %d %q", a.status, a.body)
		}
	}
}

func huge(get func(*wire) answer) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		a := get(w)
		if a.status != 200 || len(a.body) < 32<<20 || !json.Valid([]byte(a.body)) {
			t.Errorf("answered %d with %d bytes", a.status, len(a.body))
		}
	}
}

// hangs shows that a request is under way until its caller gives up.
func hangs(endpoint string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error)
		go func() {
			r := w.postRequest(endpoint, nil).WithContext(ctx)
			_, err := w.do(r)
			done <- err
		}()
		for w.p.Calls(endpoint) == 0 {
			select {
			case err := <-done:
				t.Fatalf("answered: %v", err)
			default:
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended by %v", err)
		}
	}
}

func signedOutWith(query string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		token := w.idToken()
		a := w.get(w.p.URL(oidcrptest.EndSessionEndpoint) + "?" + url.Values{
			"id_token_hint": {token.raw}, "post_logout_redirect_uri": {signedOut}, "state": {"the-state"}}.Encode())
		want := strings.TrimSuffix(signedOut+"?"+query, "?")
		if a.header.Get("Location") != want {
			t.Errorf("answered %d to %q, want %q: %s", a.status, a.header.Get("Location"), want, a.body)
		}
	}
}
