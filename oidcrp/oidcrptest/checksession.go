package oidcrptest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
)

// SetSessionManagement turns Session Management 1.0 on or off. When on, the
// metadata has check_session_iframe, authorization responses have
// session_state, and browsers keep a cookie that tells the frame whose session
// there is. It starts off, for a session_state is one parameter more that a
// relying party must survive. Between sites the frame sees its cookie only in
// a browser that lets third-party cookies through; without, it always answers
// "changed".
func (p *Provider) SetSessionManagement(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.managing = on
}

func (p *Provider) managesSessions() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.managing
}

// sessionState is the session_state of an authorization response (Session
// Management 2). Like the example there it is a salted hash.
func sessionState(clientID, redirectURL, browserState string) string {
	u, err := url.Parse(redirectURL)
	if err != nil {
		return "" // no page there could ask
	}
	salt := random()
	sum := sha256.Sum256([]byte(clientID + " " + origin(u) + " " + browserState + " " + salt))
	return hex.EncodeToString(sum[:]) + "." + salt
}

func (p *Provider) stateCookieName() string { return p.cookieName() + "_state" }

// setStateCookie sets what the frame compares; "" where nobody is signed in.
func (p *Provider) setStateCookie(w http.ResponseWriter, browserState string) {
	maxAge := 0
	if browserState == "" {
		maxAge = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name:     p.stateCookieName(),
		Value:    browserState,
		Path:     p.base + "/",
		MaxAge:   maxAge,
		Secure:   true, // browsers accept it from loopback by http
		SameSite: http.SameSiteNoneMode,
	})
}

// checkSessionScript answers "unchanged", "changed" or "error" to messages of
// a client ID, a space and a session_state (Session Management 3.2). The name
// of the cookie comes with the element, so that the script has one hash.
const checkSessionScript = `
const cookie = document.currentScript.dataset.cookie + "="
addEventListener("message", async event => {
	if (!event.source || event.source === window || event.origin === "null") return
	const answer = text => event.source.postMessage(text, event.origin)
	const message = String(event.data), space = message.lastIndexOf(" ")
	const [hash, salt] = message.slice(space + 1).split(".")
	if (space < 1 || !hash || !salt) return answer("error")
	const kept = document.cookie.split("; ").find(pair => pair.startsWith(cookie)) || cookie
	const text = [message.slice(0, space), event.origin, kept.slice(cookie.length), salt].join(" ")
	const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))
	const hex = Array.from(sum, byte => byte.toString(16).padStart(2, "0")).join("")
	answer(hex === hash ? "unchanged" : "changed")
})
`

// serveCheckSession is the page that clients frame to ask whether the session
// has changed.
func (p *Provider) serveCheckSession(w http.ResponseWriter, r *http.Request) {
	if !p.managesSessions() {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src "+hashSource(checkSessionScript)+"; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Session</title>\n<script data-cookie=\"%s\">%s</script>\n", p.stateCookieName(), checkSessionScript)
}
