package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The scopes of the calendar.
const (
	readScope  = "calendar.read"
	writeScope = "calendar.write"
)

// calendar is somebody else's API, a resource server. It knows nothing of the
// application, of its sessions and cookies: a request is whose access token it
// brings, and may do what that token's scopes say.
type calendar struct {
	http.Handler
	ask string // where to ask about a token

	mu      sync.Mutex
	entries map[string][]string // by subject
}

func newCalendar(ask string) *calendar {
	c := &calendar{ask: ask, entries: make(map[string][]string)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", c.with(readScope, c.list))
	mux.HandleFunc("POST /events", c.with(writeScope, c.add))
	c.Handler = mux
	return c
}

// token is what the provider says of an access token.
type token struct {
	Subject string `json:"sub"`
	Scope   string `json:"scope"`
}

// with serves requests whose token has a scope (RFC 6750 3.1).
func (c *calendar) with(scope string, serve func(http.ResponseWriter, *http.Request, token)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, err := c.check(r)
		switch {
		case errors.Is(err, errInvalidToken):
			w.Header().Set("WWW-Authenticate", `Bearer realm="calendar", error="invalid_token"`)
			http.Error(w, "no access token that is good", http.StatusUnauthorized)
		case err != nil:
			http.Error(w, "access tokens cannot be checked just now", http.StatusServiceUnavailable)
		case !slices.Contains(strings.Fields(t.Scope), scope):
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="calendar", error="insufficient_scope", scope=%q`, scope))
			http.Error(w, "this takes the scope "+scope, http.StatusForbidden)
		default:
			serve(w, r, t)
		}
	}
}

var errInvalidToken = errors.New("invalid token")

// asking is done at every request, so that a revoked token is refused at once.
var asking = &http.Client{Timeout: 5 * time.Second}

// check asks the provider, whose access tokens mean nothing to others. Many
// real ones have an endpoint for that question (RFC 7662). Where access tokens
// are JWTs (RFC 9068) nobody needs to be asked: go-oidc verifies them, with the
// API's own audience as the client id.
func (c *calendar) check(r *http.Request) (token, error) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || value == "" {
		return token{}, errInvalidToken
	}
	req, err := http.NewRequestWithContext(r.Context(), "GET", c.ask, nil)
	if err != nil {
		return token{}, err
	}
	req.Header.Set("Authorization", "Bearer "+value)
	res, err := asking.Do(req)
	if err != nil {
		return token{}, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return token{}, errInvalidToken
	default:
		return token{}, fmt.Errorf("the provider answered %s", res.Status)
	}
	var t token
	err = json.NewDecoder(http.MaxBytesReader(nil, res.Body, 64<<10)).Decode(&t)
	return t, err
}

func (c *calendar) list(w http.ResponseWriter, _ *http.Request, t token) {
	c.mu.Lock()
	entries := append([]string{"Lunch with Dana", "Dentist"}, c.entries[t.Subject]...)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(entries)
}

func (c *calendar) add(w http.ResponseWriter, r *http.Request, t token) {
	var entry string
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&entry); err != nil || strings.TrimSpace(entry) == "" {
		http.Error(w, "an entry is a JSON string that is not empty", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.entries[t.Subject] = append(c.entries[t.Subject], entry)
	c.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
}
