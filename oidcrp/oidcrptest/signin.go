package oidcrptest

import (
	"net/http"
	"net/url"
)

// serveSignIn takes what the sign-in page posts: the authorization request it
// was shown for, and a user or a refusal.
func (p *Provider) serveSignIn(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		p.writeProblem(w, r, "", http.StatusForbidden, "this form was not sent by the sign-in page")
		return
	}
	params, err := url.ParseQuery(r.PostForm.Get("request"))
	if err != nil {
		p.writeProblem(w, r, "", http.StatusBadRequest, "cannot read the authorization request")
		return
	}
	req, ok := p.parseRequest(w, r, params)
	if !ok {
		return
	}
	if r.PostForm.Has("cancel") {
		p.respondError(w, r, req, &oauthError{code: "access_denied", description: "the user cancelled"})
		return
	}
	name := r.PostForm.Get("user")
	u, ok := p.lookUpUser(name)
	if !ok {
		p.writeSignIn(w, r, req, p.currentSession(r), name, http.StatusUnprocessableEntity)
		return
	}
	s := p.startSession(w, r, u.Subject, req.acr)
	p.grant(w, r, req, s)
}
