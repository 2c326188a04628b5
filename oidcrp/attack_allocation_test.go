package oidcrp_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// allocated is how many bytes a call allocates, at the least of three times:
// others are at work beside it.
func allocated(call func()) (least uint64) {
	for i := range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		call()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; i == 0 || n < least {
			least = n
		}
	}
	return least
}

// sizeInMemory: a token is refused for its size before it is taken apart. What a
// refusal allocates is some times what came, which is read and logged, and does
// not grow with what is in it.
func sizeInMemory(t *testing.T) {
	token := ""
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, oidcrptest.TokenEndpoint) {
				return http.DefaultTransport.RoundTrip(r)
			}
			body := io.MultiReader(strings.NewReader(`{"access_token":"x","token_type":"Bearer","id_token":"`), strings.NewReader(token), strings.NewReader(`"}`))
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), Request: r}, nil
		})}
	})
	h := a.rp.Load(a.handler())
	var many strings.Builder
	for i := range 70_000 {
		fmt.Fprintf(&many, `"%x":0,`, i)
	}
	header := b64([]byte(`{"alg":"RS256","kid":"not asked for"}`)) + "."
	for name, text := range map[string]string{
		"1 MB": strings.Repeat("A", 1_000_000), "1000000 dots": strings.Repeat(".", 1_000_000),
		"100000 claims": header + b64([]byte("{"+many.String()+`"sub":"x"}`)) + ".AAAA",
		"200000 levels": header + b64([]byte(strings.Repeat("[", 200_000)+strings.Repeat("]", 200_000))) + ".AAAA",
	} {
		t.Run(name, func(t *testing.T) {
			a := a.in(t)
			token = text
			n := allocated(func() {
				b := a.browse()
				callback := a.stopAtCallback(b, "/reports")
				header := navigate
				for _, c := range b.Cookies(callback) {
					header = append(header[:len(header):len(header)], "Cookie", cookieHeader(c))
				}
				w := ask(a.rp, h, nil, http.MethodGet, callback, header...)
				if w.Code != http.StatusBadRequest || a.events.reason(oidcrp.LoginFailed) != "size" {
					t.Fatalf("%d %s", w.Code, a.events.reason(oidcrp.LoginFailed))
				}
			})
			if n > 8<<20 {
				t.Errorf("%d bytes are allocated for a token of %d", n, len(text))
			}
		})
	}
}

// chunksInMemory: a request is as much work whatever it says of chunks.
func chunksInMemory(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			own := a.sessionCookie(a.signIn())
			h := a.rp.Load(a.handler())
			half := len(own.Value) / 2
			first, second := "0="+own.Value[:half], "1="+own.Value[half:]
			var all strings.Builder
			for i := range 100_000 {
				fmt.Fprintf(&all, "; %s.%d=x", own.Name, i)
			}
			for name, header := range map[string]string{
				"a huge count": own.Name + "=99999999", "no count": own.Name + "=-1", "an odd count": own.Name + "=1e9",
				"count and chunks": own.Name + "=99999999; " + own.Name + first + "; " + own.Name + second,
				"a huge number":    own.Name + ".99999999=x; " + own.Name + ".1e9=x", "100000 chunks": own.Name + "=100000" + all.String(),
				"100000 times one": strings.Repeat(own.Name+".0=x; ", 100_000),
			} {
				var body string
				n := allocated(func() { body = ask(a.rp, h, nil, "GET", a.URL+"/", "Cookie", header).Body.String() })
				if body != "home of nobody" || n > 64<<10 {
					t.Errorf("%s: %d bytes are allocated for %d, and it is the %s", name, n, len(header), body)
				}
			}
		})
	}
}
