// Coming from oauth2-proxy: this program takes its place in front of an
// upstream that is told by headers who is there.
//
// Run it as ../usage.go says, with the redirect URI
// http://localhost:3000/oauth2/callback, the post-logout redirect URI
// http://localhost:3000/oauth2/logout, and UPSTREAM such as
// http://localhost:8080. Open http://localhost:3000/ as somebody of
// example.com.
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(baseURL, upstream string, provider oidcrp.Provider) (http.Handler, error) {
	provider.RedirectPath = "/oauth2/callback" // as registered for oauth2-proxy
	provider.RolesClaim = "groups"             // --oidc-groups-claim
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Prefix:    "/oauth2", // --proxy-prefix
		Providers: []oidcrp.Provider{provider},
	})
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		identify(r.Out, oidcrp.FromContext(r.In.Context()))
	}}
	allowed := rp.Require(oidcrp.EmailDomain("example.com")) // --email-domain
	return rp.Load(allowed(proxy)), nil
}

// identify sets every header, also to "": what a visitor sent of them must
// not get through.
func identify(r *http.Request, s *oidcrp.Session) {
	r.Header.Set("X-Forwarded-User", s.Subject())
	r.Header.Set("X-Forwarded-Preferred-Username", s.Name())
	r.Header.Set("X-Forwarded-Groups", strings.Join(s.Roles(), ","))
	r.Header.Set("X-Forwarded-Email", s.Email()) // verified, as the policy demands
	r.Header.Del("Cookie")                       // the session is none of the upstream's business
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID", "UPSTREAM")
	handler, err := app("http://localhost:3000", os.Getenv("UPSTREAM"), oidcrp.Provider{
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
