package main

import (
	"embed"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
)

//go:embed cluster.css
var assets embed.FS

// balancer gives every request to the next node that is up; below /1/ and /2/
// to that node. It has no sessions of its own and opens no cookie.
func (c *cluster) balancer() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { c.pass(c.next(), 0, w, r) })
	for _, n := range c.nodes {
		mux.HandleFunc("/"+strconv.Itoa(n.number)+"/", func(w http.ResponseWriter, r *http.Request) { c.pass(n.take(), n.number, w, r) })
	}
	mux.HandleFunc("POST /nodes/{number}/start", c.change((*node).start))
	mux.HandleFunc("POST /nodes/{number}/stop", c.change((*node).stop))
	mux.Handle("GET /cluster.css", http.FileServerFS(assets))
	mux.Handle("GET /favicon.ico", http.NotFoundHandler()) // it would take a node's turn
	return secure(mux)
}

// secure sets what every answer should have; pages say more.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// next takes the node whose turn it is, nil if all are down.
func (c *cluster) next() *process {
	for range c.nodes {
		if p := c.nodes[(c.turn.Add(1)-1)%uint64(len(c.nodes))].take(); p != nil {
			return p
		}
	}
	return nil
}

// pass gives a request to a node that was taken for it. Without one it says
// which is down; zero: all are.
func (c *cluster) pass(p *process, down int, w http.ResponseWriter, r *http.Request) {
	if p == nil {
		c.noNode(w, r, http.StatusServiceUnavailable, down)
		return
	}
	defer p.requests.Done()
	p.proxy.ServeHTTP(w, r)
}

// way leads to the server of a process.
func (p *process) way(to *url.URL) *httputil.ReverseProxy {
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	p.server.RegisterOnShutdown(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		// Host is then the node's own: the application goes by BaseURL alone.
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: transport,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			slog.WarnContext(r.Context(), "node does not answer", "node", p.number, "err", err)
			p.cluster.noNode(w, r, http.StatusBadGateway, p.number)
		},
	}
}

// noNode is the page of the balancer's own.
func (c *cluster) noNode(w http.ResponseWriter, r *http.Request, status, down int) {
	name := "down"
	if strings.HasSuffix(r.URL.Path, "/frame") {
		name = "downframe"
		reload(w, refreshSeconds, r.URL.EscapedPath())
	}
	w.Header().Set("Retry-After", strconv.Itoa(refreshSeconds))
	show(w, status, name, view{Nodes: c.states(), Down: down})
}

// change starts or stops a node, for pages of ours only.
func (c *cluster) change(what func(*node) error) http.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			http.Error(w, "This was not sent by a page of this site.", http.StatusForbidden)
			return
		}
		for _, n := range c.nodes {
			if strconv.Itoa(n.number) != r.PathValue("number") {
				continue
			}
			if err := what(n); err != nil {
				slog.ErrorContext(r.Context(), "node not changed", "node", n.number, "err", err)
				http.Error(w, "That did not work; the log says why.", http.StatusInternalServerError)
				return
			}
			http.Redirect(w, r, "/watch", http.StatusSeeOther)
			return
		}
		http.NotFound(w, r)
	}
}

// nodeState is a node as pages show it.
type nodeState struct {
	Number int
	Up     bool
}

func (c *cluster) states() []nodeState {
	var out []nodeState
	for _, n := range c.nodes {
		out = append(out, nodeState{n.number, n.up()})
	}
	return out
}
