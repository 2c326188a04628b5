package main

import (
	"crypto/rand"
	"errors"
	"log"
	"net/http"
)

// problem is something that a visitor is told. Its texts are problem.NAME.title
// and problem.NAME.text.
type problem struct {
	status int
	name   string
	back   string // where to go from there
}

func (e *problem) Error() string { return e.name }

// What pages answer instead of what was asked for.
var (
	errNotFound       = &problem{http.StatusNotFound, "notfound", "/"}
	errBadForm        = &problem{http.StatusBadRequest, "form", "/"}
	errNotYours       = &problem{http.StatusNotFound, "notyours", "/profile"}
	errLastIdentity   = &problem{http.StatusConflict, "last", "/profile"}
	errSelf           = &problem{http.StatusConflict, "self", "/admin/contacts"}
	errDeleted        = &problem{http.StatusConflict, "deleted", "/admin/contacts"}
	errNotSure        = &problem{http.StatusUnprocessableEntity, "notsure", "/admin/contacts"}
	errStillConnected = &problem{http.StatusUnprocessableEntity, "connection", "/admin/connections"}
	errOutage         = &problem{http.StatusServiceUnavailable, "outage", "/"}
)

// problemData is what the page about a problem shows.
type problemData struct{ Name, Back, ID string }

// fail shows what went wrong. What the visitor can do nothing about is logged,
// under a reference that the page has too.
func (p *portal) fail(w http.ResponseWriter, r *http.Request, err error) {
	var known *problem
	var data problemData
	if !errors.As(err, &known) {
		known, data.ID = errOutage, rand.Text()[:12]
		log.Printf("%s %s: %v (reference %s)", r.Method, r.URL.Path, err, data.ID)
		w.Header().Set("Retry-After", "5")
	}
	data.Name, data.Back = known.name, known.back
	if err := p.showStatus(w, r, known.status, "problem", data); err != nil {
		log.Printf("page about a problem: %v", err)
		http.Error(w, http.StatusText(known.status), known.status)
	}
}
