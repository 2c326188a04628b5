package oidcrptest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const issuerRelation = "http://openid.net/specs/connect/1.0/issuer"

// hostEndpoint returns which endpoint outside the issuer's path is at path:
// both are at the root of the host (RFC 7033 4, RFC 8414 3.1). "" for none.
func (p *Provider) hostEndpoint(path string) string {
	if path == WebFingerEndpoint {
		return WebFingerEndpoint
	}
	if below, ok := strings.CutPrefix(path, OAuthMetadataEndpoint); ok && strings.TrimRight(below, "/") == p.base {
		return OAuthMetadataEndpoint
	}
	return ""
}

// serveWebFinger tells who the provider of somebody is (Discovery 2): this
// one, for accounts and addresses at its host.
func (p *Provider) serveWebFinger(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Query().Get("resource")
	if resource == "" {
		http.Error(w, "no resource", http.StatusBadRequest) // RFC 7033 4.2
		return
	}
	if !p.isHost(resource) {
		http.NotFound(w, r)
		return
	}
	links := []any{}
	if rels := r.URL.Query()["rel"]; len(rels) == 0 || slices.Contains(rels, issuerRelation) {
		links = append(links, map[string]any{"rel": issuerRelation, "href": p.issuer})
	}
	doc := map[string]any{"subject": resource, "links": links}
	for _, f := range p.activeFaults() {
		if f.WebFinger != nil {
			f.WebFinger(doc)
		}
	}
	h := w.Header()
	h.Set("Content-Type", "application/jrd+json")
	h.Set("Access-Control-Allow-Origin", "*") // RFC 7033 5
	w.Write(mustJSON(doc))
}

// isHost reports whether a resource, acct: or a URL, is of the issuer's host.
func (p *Provider) isHost(resource string) bool {
	own, err := url.Parse(p.issuer)
	if err != nil {
		return false
	}
	if account, ok := strings.CutPrefix(resource, "acct:"); ok {
		host := account[strings.LastIndexByte(account, '@')+1:]
		return strings.Contains(account, "@") && (host == own.Host || host == own.Hostname())
	}
	u, err := url.Parse(resource)
	return err == nil && u.Host == own.Host && (u.Scheme == "https" || u.Scheme == "http")
}

// InitiateLoginURL is where the provider, or anybody, sends a browser to start
// a login at an application (Core 4). initiate is the application's
// initiate_login_uri; the other two may be empty.
func (p *Provider) InitiateLoginURL(initiate, loginHint, targetLink string) string {
	params := url.Values{"iss": {p.issuer}}
	if loginHint != "" {
		params.Set("login_hint", loginHint)
	}
	if targetLink != "" {
		params.Set("target_link_uri", targetLink)
	}
	return withQuery(initiate, params)
}
