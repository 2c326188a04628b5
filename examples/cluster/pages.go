package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages has each page with the document around it.
var pages = func() map[string]*template.Template {
	out := make(map[string]*template.Template)
	for _, page := range []struct{ name, around, content string }{
		{"node", "layout", "node"}, {"api", "layout", "node"}, {"watch", "layout", "watch"}, {"notfound", "layout", "notfound"},
		{"down", "layout", "down"}, {"frame", "bare", "frame"}, {"downframe", "bare", "downframe"},
	} {
		out[page.name] = template.Must(template.ParseFS(pageFiles, "pages/"+page.around+".html", "pages/state.html", "pages/"+page.content+".html"))
	}
	return out
}()

const (
	refreshSeconds = 3
	readSeconds    = 10 // for what is shown once
)

// view is what the templates are given.
type view struct {
	Page string
	Node int    // who answered; 0: the balancer
	Down int    // who should have; 0: any
	At   string // address of the pages: "" for any node's, "/1" for node 1's
	Auth oidcrp.View

	Token         string
	Refreshes     int // at the provider
	RefreshedHere int
	Did           []string
	Answer        string // of the API; "": it was not called
	OK            bool

	EndSession string // address of the provider's sign-out page
	Nodes      []nodeState
	Call       bool // the frames call the API
	Still      bool // the frames do not load again
}

// page serves one of the pages, for a part of the address space.
func (p *process) page(name, at string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := view{
			Page: name, Node: p.number, At: at, Auth: p.rp.View(r),
			EndSession: p.cluster.provider.URL(oidcrptest.EndSessionEndpoint),
			Nodes:      p.cluster.states(), Call: r.URL.Query().Has("call"), Still: r.URL.Query().Has("still"),
		}
		if (name == "api" || name == "frame" && v.Call) && v.Auth.SignedIn() {
			v.Answer, v.OK = p.call(r.Context())
		}
		if name == "frame" && !v.Still {
			seconds := refreshSeconds
			if v.Answer != "" {
				seconds = readSeconds
			}
			reload(w, seconds, at+"/frame")
		}
		v.Token = p.token(r)
		v.RefreshedHere, v.Did = p.happened()
		v.Refreshes = p.cluster.refreshes()
		status := http.StatusOK
		if name == "notfound" {
			status = http.StatusNotFound
		}
		show(w, status, name, v)
	}
}

// reload has a frame load again, from here or from another address.
func reload(w http.ResponseWriter, seconds int, url string) {
	w.Header().Set("Refresh", fmt.Sprintf("%d; url=%s", seconds, url))
}

// token is the status of the visitor's access token.
func (p *process) token(r *http.Request) string {
	if oidcrp.FromContext(r.Context()) == nil {
		return "none"
	}
	status, err := p.rp.TokenStatus(r.Context())
	switch {
	case err != nil:
		slog.WarnContext(r.Context(), "no token status", "node", p.number, "err", err)
		return "not known just now"
	case status.State == "active":
		return fmt.Sprintf("active, for %d more seconds", int(time.Until(status.Expiry).Seconds()))
	case status.State == "expired" && status.HasRefresh:
		return "expired; the next call to the API refreshes it"
	}
	return status.State
}

func show(w http.ResponseWriter, status int, name string, v view) {
	var page bytes.Buffer // whole, or not at all
	if err := pages[name].ExecuteTemplate(&page, "document", v); err != nil {
		slog.Error("page not shown", "page", name, "err", err)
		http.Error(w, "This page cannot be shown just now.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// The sign-out buttons lead on to the provider.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'self'; form-action 'self' "+
		strings.Join(v.Auth.FormAction(), " "))
	h.Set("Cache-Control", "no-store") // it shows who is signed in
	w.WriteHeader(status)
	w.Write(page.Bytes())
}
