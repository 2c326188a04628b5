package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// numbered is a source of providers c0, c1 and so on, all of one server.
type numbered struct{ server string }

func (s numbered) Provider(_ context.Context, name string) (oidcrp.Provider, error) {
	number, ok := strings.CutPrefix(name, "c")
	if !ok {
		return oidcrp.Provider{}, oidcrp.ErrNoProvider
	}
	return oidcrp.Provider{
		Name: name, Version: "1", Issuer: s.server + "/" + number,
		ClientID: "app", ClientSecret: "a secret of a customer",
		EmailDomains: []string{name + ".example"},
	}, nil
}

func (s numbered) ByIssuer(ctx context.Context, issuer string) ([]oidcrp.Provider, error) {
	p, err := s.Provider(ctx, "c"+strings.TrimPrefix(issuer, s.server+"/"))
	return []oidcrp.Provider{p}, err
}

func (s numbered) ByEmailDomain(ctx context.Context, domain string) ([]oidcrp.Provider, error) {
	p, err := s.Provider(ctx, strings.TrimSuffix(domain, ".example"))
	return []oidcrp.Provider{p}, err
}

func (s numbered) List(context.Context) ([]oidcrp.Provider, error) { return nil, nil }

// providersOfASource begins a login at each of most providers.
func providersOfASource(most int) {
	fetched := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		issuer := "http://" + r.Host + strings.TrimSuffix(r.URL.Path, "/.well-known/openid-configuration")
		fetched++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer": %q, "authorization_endpoint": "%[2]s/authorize", "token_endpoint": "%[2]s/token", "jwks_uri": "%[2]s/jwks",
			"response_types_supported": ["code"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]}`, issuer, issuer)
	}))
	defer server.Close()

	w := table("Providers of a source", "providers", "New", "first login at one", "login at the one used last", "heap")
	for _, n := range steps(most) {
		begun := time.Now()
		rp := must(oidcrp.New(oidcrp.Config{
			BaseURL: baseURL, CookieKeys: [][]byte{key()},
			ProviderSource: numbered{server.URL}, SingleSignOn: true,
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}))
		start := time.Since(begun)
		begin := func(i int) {
			res := answer(rp, navigate(fmt.Sprintf("%s/auth/login?provider=c%d", baseURL, i)))
			if !strings.HasPrefix(res.Header.Get("Location"), fmt.Sprintf("%s/%d/authorize?", server.URL, i)) {
				check(fmt.Errorf("provider %d: status %d, Location %q", i, res.StatusCode, res.Header.Get("Location")))
			}
		}
		before := fetched
		begun = time.Now()
		for i := range n {
			begin(i)
		}
		first := time.Since(begun) / time.Duration(n)
		if fetched-before != n {
			check(fmt.Errorf("%d fetches for %d providers", fetched-before, n))
		}
		const again = 2000
		begun = time.Now()
		for range again {
			begin(n - 1)
		}
		row(w, n, start.Round(time.Microsecond), first.Round(time.Microsecond), (time.Since(begun) / again).Round(100*time.Nanosecond), mega(heap()))
		check(rp.Shutdown(context.Background()))
	}
	check(w.Flush())
}
