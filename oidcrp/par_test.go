package oidcrp_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestPushedLogin(t *testing.T) {
	for _, tt := range []struct {
		name string
		par  oidcrp.Usage
		want int
	}{
		{"where advertised", oidcrp.WhenAdvertised, 1},
		{"required", oidcrp.Required, 1},
		{"refused", oidcrp.Refused, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].PAR = tt.par })
			a.signIn()
			a.calls(oidcrptest.PAREndpoint, tt.want)
		})
	}
}

// A provider that only takes pushed requests gets them.
func TestProviderThatRequiresPAR(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, nil)
	client := op.Clients()[0]
	client.RequirePAR = true
	op.AddClient(client)
	a.signIn()
}

func TestLoginThatCannotBePushed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  oidcrptest.Fault
		change func(*oidcrp.Provider)
		status int
		reason string
	}{
		{"a provider without the endpoint", oidcrptest.Fault{Name: "no PAR", Metadata: func(m map[string]any) { delete(m, "pushed_authorization_request_endpoint") }},
			func(p *oidcrp.Provider) { p.PAR = oidcrp.Required }, http.StatusInternalServerError, "misconfigured"},
		{"a secret that is wrong", oidcrptest.Fault{}, func(p *oidcrp.Provider) { p.ClientSecret = "wrong" }, http.StatusInternalServerError, "misconfigured"},
		{"an endpoint that is gone", oidcrptest.Fault{}, func(p *oidcrp.Provider) { p.Endpoints.PAR = p.Issuer + "/gone" }, http.StatusServiceUnavailable, "provider_unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, tt.fault), func(c *oidcrp.Config) { tt.change(&c.Providers[0]) })
			page := a.browse().Get(a.URL + "/reports")
			a.refused(page, tt.status, tt.reason)
			a.calls(oidcrptest.AuthorizeEndpoint, 0)
			if tt.status == http.StatusServiceUnavailable && page.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

// A stranger's odd wish is no mistake of the operator's.
func TestPushedWishThatIsNotTaken(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.Fault{Name: "no wishes", Endpoint: oidcrptest.PAREndpoint, Handler: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_request"}`)
	}}), nil)
	a.refused(a.browse().Get(a.URL+"/auth/login?login_hint=x"), http.StatusBadRequest, "invalid_request")
	a.refused(a.browse().Get(a.URL+"/auth/login"), http.StatusInternalServerError, "misconfigured")
}

// Visitors of a public page do not wait for the provider again and again.
func TestSilentLoginThatCannotBePushed(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, nil)
	op.SetFaults(oidcrptest.Fault{Name: "PAR is down", Endpoint: oidcrptest.PAREndpoint, Handler: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}})
	silent := newSilentApp(t, a)
	b := a.browse()
	for range 3 {
		a.shows(b.Get(silent+"/"), "home of nobody")
	}
	a.calls(oidcrptest.PAREndpoint, 1)
}
