package provider_test

import (
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const serverMetadataPath = "/.well-known/oauth-authorization-server"

func TestServerMetadata(t *testing.T) {
	serve := func(f *fake, changes map[string]any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { writeJSON(w, change(f.document(), changes)) }
	}
	for _, tt := range []struct {
		name   string
		path   string // of the issuer
		at     string // where the document is
		openID int    // status of the OpenID metadata
		doc    map[string]any
		change func(*fake, *provider.Settings)
		ok     bool
		asked  bool
	}{
		{"without OpenID metadata", "", serverMetadataPath, 404, nil, nil, true, true},
		{"below a path", "/realm/a", serverMetadataPath + "/realm/a", 404, nil, nil, true, true},
		{"below a path with a slash", "/realm/", serverMetadataPath + "/realm", 404, nil, nil, true, true},
		{"of another issuer", "", serverMetadataPath, 404, map[string]any{"issuer": "https://evil.example"}, nil, false, true},
		{"without an issuer", "", serverMetadataPath, 404, map[string]any{"issuer": nil}, nil, false, true},
		{"while the OpenID metadata fails", "", serverMetadataPath, 500, nil, nil, false, false},
		{"while the OpenID metadata is forbidden", "", serverMetadataPath, 403, nil, nil, false, false},
		{"where the operator named the address", "", serverMetadataPath, 404, nil,
			func(f *fake, s *provider.Settings) { s.MetadataURL = f.URL + "/there" }, false, false},
		{"neither of them", "", "/elsewhere", 404, nil, nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			doc := map[string]any{"issuer": f.URL + tt.path}
			if tt.doc != nil {
				doc = tt.doc
			}
			f.handle(tt.path+discoveryPath, respond(tt.openID, "text/plain", ""))
			f.handle("/realm"+discoveryPath, respond(404, "text/plain", ""))
			f.handle(tt.at, serve(f, doc))
			p := f.new(t, func(s *provider.Settings) {
				s.Issuer += tt.path
				if tt.change != nil {
					tt.change(f, s)
				}
			})
			if err := p.Ready(t.Context()); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
			if asked := f.count(tt.at) > 0; asked != tt.asked {
				t.Errorf("asked %v, want %v", asked, tt.asked)
			}
		})
	}
}
