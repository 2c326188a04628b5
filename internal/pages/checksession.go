package pages

import (
	"html/template"
	"net/http"
)

// CheckSession is the page that asks a provider, in a frame, whether its
// session is still the one of the login (Session Management 1.0, 3).
type CheckSession struct {
	Frame   string // the provider's check_session_iframe; "" for a page that asks nobody
	Message string // client id, a space, session_state
}

// The page that frames this one, which is of our origin, is told "changed" or
// "error" once, and then nothing is asked any more.
const checkSessionScript = `(function(){` +
	`var d=document.currentScript.dataset,f=document.getElementById("provider"),t;` +
	`function ask(){f.contentWindow.postMessage(d.message,d.origin)}` +
	`f.onload=function(){clearInterval(t);ask();t=setInterval(ask,5000)};` +
	`addEventListener("message",function(e){` +
	`if(e.origin!==d.origin||e.source!==f.contentWindow||e.data==="unchanged")return;` +
	`clearInterval(t);f.onload=null;` +
	`parent.postMessage({oidcrp:e.data==="changed"?"changed":"error"},location.origin)` +
	`})})()`

var checkSessionPage = template.Must(template.New("checksession").Parse(`<!doctype html>
<html lang="en">
<title>Session</title>
{{if .Frame}}<iframe id="provider" src="{{.Frame}}" title="Session at the provider" hidden></iframe>
<script data-message="{{.Message}}" data-origin="{{.Origin}}">{{.Script}}</script>
{{end}}`))

// WriteCheckSession sends the page. Pages of our own origin may frame it.
func WriteCheckSession(w http.ResponseWriter, c CheckSession) error {
	at := origin(c.Frame)
	if at == "" {
		c.Frame = ""
	}
	policy := "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	if c.Frame != "" {
		policy += "; script-src " + hash(checkSessionScript) + "; frame-src " + at
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Referrer-Policy", "no-referrer")
	return checkSessionPage.Execute(w, struct {
		CheckSession
		Origin string
		Script template.JS
	}{c, at, checkSessionScript})
}
