package provider_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

const urlencoded = "application/x-www-form-urlencoded"

func get(query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/cb", nil)
	r.URL.RawQuery = query
	return r
}

func post(query, contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/cb", strings.NewReader(body))
	r.URL.RawQuery = query
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// checked is the reason code of a refusal.
func checked(err error) string {
	if e, ok := errors.AsType[*validate.Error](err); ok && errors.Is(err, provider.ErrInvalid) {
		return e.Check
	}
	return ""
}

func TestParseResponse(t *testing.T) {
	want := provider.Response{State: "s", Code: "c", Issuer: "https://op.example", HasIssuer: true}
	form := "state=s&code=c&iss=https://op.example"
	parsed := post("", urlencoded, form)
	if err := parsed.ParseForm(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		r    *http.Request
		mode string
	}{
		{"a query", get("state=s&code=c&iss=https%3A%2F%2Fop.example"), "query"},
		{"a form", post("", urlencoded, form), "form_post"},
		{"a form with a charset", post("x=y", urlencoded+"; charset=UTF-8", form), "form_post"},
		{"a fragment", post("", urlencoded, "response_fragment="+url.QueryEscape(form)), "fragment"},
		{"a form that was parsed before", parsed, "form_post"},
		{"with extra parameters", get("state=s&code=c&iss=https://op.example&session_state=a&x=1&x=2"), "query"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := provider.ParseResponse(tt.r)
			want.Mode, want.SessionState = tt.mode, ""
			if tt.name == "with extra parameters" {
				want.SessionState = "a"
			}
			if err != nil || *got != want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestParseResponseRefuses(t *testing.T) {
	big := strings.Repeat("a", 65<<10)
	noBody := post("", urlencoded, "")
	noBody.Body = nil
	for _, tt := range []struct {
		name, check string
		r           *http.Request
	}{
		{"two states", "duplicate", get("state=a&state=b&code=c")},
		{"the same state twice", "duplicate", get("state=a&state=a&code=c")},
		{"two codes", "duplicate", get("state=a&code=c&code=d")},
		{"two iss", "duplicate", get("state=a&code=c&iss=x&iss=y")},
		{"two ID tokens", "duplicate", get("state=a&id_token=x&id_token=y")},
		{"two errors", "duplicate", get("state=a&error=x&error=y")},
		{"two codes in a form", "duplicate", post("", urlencoded, "state=a&code=c&code=d")},
		{"a code in the query of a form post", "duplicate", post("code=c", urlencoded, "state=a")},
		{"a state in query and form", "duplicate", post("state=a", urlencoded, "state=a&code=c")},
		{"a form without a type", "content_type", post("", "", "state=a&code=c")},
		{"a multipart form", "content_type", post("", "multipart/form-data; boundary=x", "--x--")},
		{"JSON", "content_type", post("", "application/json", `{"state":"a"}`)},
		{"a fragment beside a code", "duplicate", post("", urlencoded, "response_fragment=state%3Ds&code=c")},
		{"a fragment beside anything", "duplicate", post("", urlencoded, "response_fragment=state%3Ds&x=1")},
		{"two fragments", "duplicate", post("", urlencoded, "response_fragment=state%3Ds&response_fragment=code%3Dc")},
		{"a fragment with a code in the query", "duplicate", post("code=c", urlencoded, "response_fragment=state%3Ds")},
		{"two codes in a fragment", "duplicate", post("", urlencoded, "response_fragment=code%3Dc%26code%3Dd")},
		{"a fragment with a broken escape", "syntax", post("", urlencoded, "response_fragment=code%3D%25zz")},
		{"two access tokens", "duplicate", get("state=a&access_token=x&access_token=y")},
		{"an access token with a line break", "syntax", get("state=a&access_token=x%0d%0a")},
		{"a form without a body", "syntax", noBody},
		{"a broken escape", "syntax", get("state=%zz&code=c")},
		{"a broken escape in a form", "syntax", post("", urlencoded, "state=%zz&code=c")},
		{"a semicolon", "syntax", get("state=a;code=c")},
		{"a control character", "syntax", get("state=a%00&code=c")},
		{"a line break in the code", "syntax", get("state=a&code=c%0d%0a")},
		{"a code beyond ASCII", "syntax", get("state=a&code=%e2%80%a8")},
		{"a huge query", "size", get("x=" + big)},
		{"a huge form", "size", post("", urlencoded, "x="+big)},
		{"a huge state", "size", get("state=" + strings.Repeat("a", 5000))},
		{"a huge code", "size", get("state=a&code=" + strings.Repeat("a", 9000))},
		{"a huge iss", "size", get("state=a&iss=" + strings.Repeat("a", 3000))},
		{"an empty error", "error", get("state=a&error=")},
		{"another method", "method", httptest.NewRequest(http.MethodHead, "/cb?state=a&code=c", nil)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := provider.ParseResponse(tt.r)
			if checked(err) != tt.check {
				t.Errorf("got %+v, %v; want check %q", got, err, tt.check)
			}
		})
	}
}

// A response that cannot be read still names the login it ends.
func TestParseResponseNamesTheState(t *testing.T) {
	big := strings.Repeat("a", 900<<10)
	for _, tt := range []struct {
		name, state string
		r           *http.Request
	}{
		{"a huge query", "s", get("id_token=" + big + "&state=s")},
		{"a huge form", "s", post("", urlencoded, "id_token="+big+"&state=s")},
		{"a huge form, the state first", "s", post("", urlencoded, "state=s&id_token="+big)},
		{"a huge form of many", "s", post("", urlencoded, strings.Repeat("a=b&", 50_000)+"st%61te=%73&"+strings.Repeat("&", 50_000))},
		{"a huge form with two states", "", post("", urlencoded, "state=s&id_token="+big+"&state=s")},
		{"a huge form with a state within", "", post("", urlencoded, "id_token="+strings.Repeat("state=s", 20_000))},
		{"a form beyond what is read", "", post("", urlencoded, "id_token="+strings.Repeat(big, 3)+"&state=s")},
		{"a broken escape", "s", get("state=s&code=%zz")},
		{"a broken escape in a form", "s", post("", urlencoded, "code=%zz&state=s")},
		{"a broken escape in a fragment", "s", post("", urlencoded, "response_fragment=code%3D%25zz%26state%3Ds")},
		{"thousands of parameters", "s", get("state=s&" + strings.Repeat("a&", 10_001))},
		{"thousands of parameters of a form", "s", post("", urlencoded, strings.Repeat("a&", 10_001)+"state=s")},
		{"a state behind a full buffer", "", post("", urlencoded, "a="+strings.Repeat("a", 4<<10-2)+"state=s&"+big)},
		{"two codes", "s", get("state=s&code=c&code=d")},
		{"two states", "", get("state=s&state=s")},
		{"a state in query and form", "", post("state=s", urlencoded, "state=s")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := provider.ParseResponse(tt.r)
			if err == nil || got.State != tt.state {
				t.Errorf("got state %q, %v; want %q", got.State, err, tt.state)
			}
		})
	}
}

func TestErrorTextsAreBounded(t *testing.T) {
	r, err := provider.ParseResponse(get("state=canary-state&code=&error=" + strings.Repeat("e", 10000) +
		"&error_description=a%0d%0ab%1b%5b31m" + strings.Repeat("%e0%b8%81", 1000) + "canary-state&error_uri=https://op.example/%00"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Error) > 64 || len(r.ErrorDescription) > 512 || len(r.ErrorURI) > 256 {
		t.Errorf("sizes %d, %d, %d", len(r.Error), len(r.ErrorDescription), len(r.ErrorURI))
	}
	for _, text := range []string{r.Error, r.ErrorDescription, r.ErrorURI} {
		if strings.ContainsAny(text, "\r\n\x00\x1b") || !validUTF8(text) {
			t.Errorf("%q has control characters or is cut in the middle", text)
		}
	}
	echo, err := provider.ParseResponse(get("state=canary-state&error=x&error_description=bad+canary-state"))
	if err != nil {
		t.Fatal(err)
	}
	noSecrets(t, echo.ErrorDescription)
}

func validUTF8(s string) bool { return strings.ToValidUTF8(s, "?") == s }

func TestParseResponseReadsNoMoreThanItNeeds(t *testing.T) {
	endless := &counter{}
	r := post("", urlencoded, "")
	r.Body = io.NopCloser(endless)
	if _, err := provider.ParseResponse(r); checked(err) != "size" {
		t.Errorf("got %v", err)
	}
	if endless.n > 2<<20 {
		t.Errorf("read %d bytes", endless.n)
	}
	form := strings.Repeat("state=s&", 1<<17)
	if allocs := testing.AllocsPerRun(1, func() { provider.ParseResponse(post("", urlencoded, form)) }); allocs > 1000 {
		t.Errorf("%v allocations for a form of states", allocs)
	}
}

type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	c.n += len(p)
	return len(p), nil
}

func TestCheckResponse(t *testing.T) {
	advertised := map[string]any{"authorization_response_iss_parameter_supported": true}
	formPost := func(s *provider.Settings) { s.ResponseMode = "form_post" }
	requireIss := func(s *provider.Settings) { s.RequireIss = true }
	for _, tt := range []struct {
		name     string
		metadata map[string]any
		change   func(*provider.Settings)
		method   string
		response string // OP stands for the issuer
		check    string // "" passes
	}{
		{"a code", nil, nil, "GET", "state=s&code=c", ""},
		{"a volunteered iss that is right", nil, nil, "GET", "state=s&code=c&iss=OP", ""},
		{"a volunteered iss that is wrong", nil, nil, "GET", "state=s&code=c&iss=https://evil.example", "iss"},
		{"an advertised iss that is right", advertised, nil, "GET", "state=s&code=c&iss=OP", ""},
		{"an advertised iss that is missing", advertised, nil, "GET", "state=s&code=c", "iss"},
		{"an advertised iss missing from an error", advertised, nil, "GET", "state=s&error=access_denied", "iss"},
		{"a required iss that is missing", nil, requireIss, "GET", "state=s&code=c", "iss"},
		{"an iss with a slash more", nil, nil, "GET", "state=s&code=c&iss=OP/", "iss"},
		{"an iss in another case", nil, nil, "GET", "state=s&code=c&iss=HTTP" + "%3A//127.0.0.1", "iss"},
		{"an empty iss", nil, nil, "GET", "state=s&code=c&iss=", "iss"},
		{"an iss escaped twice", nil, nil, "GET", "state=s&code=c&iss=http%253A%252F%252F127.0.0.1", "iss"},
		{"a wrong iss in an error", nil, nil, "GET", "state=s&error=access_denied&iss=https://evil.example", "iss"},
		{"an error", nil, nil, "GET", "state=s&error=access_denied", ""},
		{"an ID token beside the code", nil, nil, "GET", "state=s&code=c&id_token=canary", "response_type"},
		{"an access token beside the code", nil, nil, "GET", "state=s&code=c&access_token=canary", "response_type"},
		{"an ID token in a form", nil, formPost, "POST", "state=s&code=c&id_token=canary", "response_type"},
		{"code and error", nil, nil, "GET", "state=s&code=c&error=x", "response_type"},
		{"neither code nor error", nil, nil, "GET", "state=s", "code"},
		{"a form where a query was asked for", nil, nil, "POST", "state=s&code=c", "response_mode"},
		{"a query where a form was asked for", nil, formPost, "GET", "state=s&code=c", "response_mode"},
		{"a form as asked for", nil, formPost, "POST", "state=s&code=c", ""},
		{"an error by query where a form was asked for", nil, formPost, "GET", "state=s&error=access_denied", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.metadata = tt.metadata
			p := f.new(t, func(s *provider.Settings) {
				if tt.change != nil {
					tt.change(s)
				}
			})
			params := strings.ReplaceAll(tt.response, "OP", f.URL)
			r := get(params)
			if tt.method == http.MethodPost {
				r = post("", urlencoded, params)
			}
			resp, err := provider.ParseResponse(r)
			if err != nil {
				t.Fatal(err)
			}
			err = p.CheckResponse(context.Background(), resp)
			if checked(err) != tt.check || (tt.check == "") != (err == nil) {
				t.Errorf("got %v; want check %q", err, tt.check)
			}
			if err != nil {
				noSecrets(t, err.Error())
			}
			if n := f.count("/token"); n != 0 {
				t.Errorf("the token endpoint was called %d times", n)
			}
		})
	}
}

// A node that was restarted in the middle of a login knows no metadata; while
// it cannot be had nobody knows whether iss may be missing.
func TestCheckResponseWithoutMetadata(t *testing.T) {
	f := newFake(t)
	f.handle(discoveryPath, respond(503, "", ""))
	p := f.new(t)
	err := p.CheckResponse(context.Background(), &provider.Response{State: "s", Code: "c", Mode: "query"})
	if !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
	err = p.CheckResponse(context.Background(), &provider.Response{State: "s", Code: "c", Issuer: f.URL, HasIssuer: true, Mode: "query"})
	if err != nil {
		t.Errorf("with iss: %v", err)
	}
}

// FuzzParseResponse: what is accepted is within the limits, and repeats
// nothing that came twice.
func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{
		"state=s&code=c", "state=s&code=c&iss=https%3A%2F%2Fop.example", "error=access_denied&error_description=no&state=s",
		"state=a&state=b", "state=%00", "id_token=x&code=c", "a;b", "%", "code=c&code=c", "error=&state=s", "error=%ff%fe&state=s",
	} {
		f.Add(true, "", s)
		f.Add(false, "", s)
	}
	f.Add(false, "code=c", "state=s")
	f.Add(false, "", "response_fragment=state%3Ds%26code%3Dc%26id_token%3Da.b.c%26access_token%3Dt%26token_type%3DBearer")
	f.Add(false, "", "response_fragment=state%3Ds&code=c")
	f.Add(true, "", "response="+sign(map[string]any{"state": "s", "code": "c", "expires_in": 1}))
	f.Add(true, "", "response="+sign(map[string]any{"state": "s", "code": []string{"\x00"}})+"&state=s")
	f.Fuzz(func(t *testing.T, isGet bool, query, body string) {
		r := post(query, urlencoded, body)
		if isGet {
			r = get(body)
		}
		got, err := provider.ParseResponse(r)
		if err != nil {
			if !errors.Is(err, provider.ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			return
		}
		for _, v := range []string{got.State, got.Code, got.Issuer, got.IDToken, got.AccessToken} {
			if len(v) > 64<<10 || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("accepted %q", v)
			}
		}
		for _, v := range []string{got.Error, got.ErrorDescription, got.ErrorURI} {
			if len(v) > 512 || !validUTF8(v) || strings.ContainsAny(v, "\r\n\x00\x1b") {
				t.Errorf("accepted %q", v)
			}
		}
		again, err := provider.ParseResponse(get("state=" + got.State + "&state=" + got.State))
		if err == nil {
			t.Errorf("a repeated state was accepted: %+v", again)
		}
	})
}
