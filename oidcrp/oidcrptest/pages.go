package oidcrptest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var languages = []string{"en", "th"}

// texts has what pages say, by language.
var texts = map[string]map[string]string{
	"en": {
		"banner":      "For development only. Anybody can sign in as anybody here.",
		"signin":      "Sign in",
		"to":          "to continue to",
		"choose":      "Choose a demo user",
		"continue":    "Continue as",
		"or":          "Or type a user name",
		"username":    "User name or e-mail",
		"cancel":      "Cancel",
		"unknown":     "There is no such user.",
		"scopes":      "The application asks for:",
		"sending":     "Going back to the application",
		"sendingmore": "If nothing happens, press the button.",
		"go":          "Continue",
		"signout":     "Sign out?",
		"signoutmore": "You are signed in here as",
		"signoutyes":  "Sign out",
		"signedout":   "You are signed out",
		"telling":     "Signs you out of an application",
		"problem":     "The application sent a wrong request",
		"problemmore": "This page is for whoever develops the application:",
		"home":        "Development OpenID provider",
		"homemore":    "Configure an application with this issuer:",
		"users":       "Demo users",
		"unverified":  "e-mail not verified",
		"other":       "ภาษาไทย",
	},
	"th": {
		"banner":      "สำหรับการพัฒนาเท่านั้น ที่นี่ใครก็เข้าสู่ระบบเป็นใครก็ได้",
		"signin":      "เข้าสู่ระบบ",
		"to":          "เพื่อไปยัง",
		"choose":      "เลือกผู้ใช้ตัวอย่าง",
		"continue":    "ดำเนินการต่อในชื่อ",
		"or":          "หรือพิมพ์ชื่อผู้ใช้",
		"username":    "ชื่อผู้ใช้หรืออีเมล",
		"cancel":      "ยกเลิก",
		"unknown":     "ไม่พบผู้ใช้นี้",
		"scopes":      "แอปพลิเคชันขอข้อมูล:",
		"sending":     "กำลังกลับไปยังแอปพลิเคชัน",
		"sendingmore": "หากไม่มีอะไรเกิดขึ้น โปรดกดปุ่ม",
		"go":          "ดำเนินการต่อ",
		"signout":     "ออกจากระบบหรือไม่",
		"signoutmore": "คุณเข้าสู่ระบบที่นี่ในชื่อ",
		"signoutyes":  "ออกจากระบบ",
		"signedout":   "คุณออกจากระบบแล้ว",
		"telling":     "กำลังออกจากระบบของแอปพลิเคชัน",
		"problem":     "แอปพลิเคชันส่งคำขอไม่ถูกต้อง",
		"problemmore": "หน้านี้มีไว้สำหรับผู้พัฒนาแอปพลิเคชัน:",
		"home":        "ผู้ให้บริการ OpenID สำหรับการพัฒนา",
		"homemore":    "ตั้งค่าแอปพลิเคชันด้วย issuer นี้:",
		"users":       "ผู้ใช้ตัวอย่าง",
		"unverified":  "อีเมลยังไม่ได้ยืนยัน",
		"other":       "English",
	},
}

const styles = `
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6676;--paper:#fff;--back:#eef1f6;--line:#c9d1dc;--main:#2247b8;--on:#fff;--warn:#7a4a00;--warnback:#fff3d6;--bad:#a3121f}
@media (prefers-color-scheme:dark){:root{--ink:#e9edf3;--soft:#a9b4c2;--paper:#1a212c;--back:#10151d;--line:#3a4656;--main:#8fb0ff;--on:#0b1222;--warn:#ffd58a;--warnback:#3a2c0c;--bad:#ff9aa2}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:1rem/1.6 system-ui,"Noto Sans Thai",sans-serif}
.banner{margin:0;padding:.6rem 1rem;background:var(--warnback);color:var(--warn);text-align:center;font-size:.9rem}
main{width:calc(100% - 2rem);max-width:26rem;margin:2rem auto;padding:1.75rem;background:var(--paper);border:1px solid var(--line);border-radius:.9rem}
h1{margin:0 0 .25rem;font-size:1.5rem;line-height:1.3}
h2{margin:1.5rem 0 .5rem;font-size:1rem}
p{margin:.25rem 0}
.soft,.mail{color:var(--soft);font-size:.9rem}
.bad{color:var(--bad)}
code{overflow-wrap:anywhere}
ul{margin:.25rem 0;padding-left:1.25rem}
form{margin:.75rem 0 0}
button,input{width:100%;min-height:2.9rem;padding:.5rem .9rem;border:1px solid var(--line);border-radius:.6rem;font:inherit;color:inherit;background:transparent}
button{cursor:pointer;margin:0 0 .5rem;text-align:left}
button span{display:block}
button:hover{border-color:var(--main)}
.main{background:var(--main);border-color:var(--main);color:var(--on);text-align:center;margin-top:.6rem}
.quiet{text-align:center}
:focus-visible{outline:3px solid var(--main);outline-offset:2px}
label{display:block;font-weight:600}
footer{max-width:26rem;margin:0 auto 2rem;text-align:center;font-size:.9rem}
a{color:var(--main)}
`

const submitScript = `document.forms[0].submit()`

// onwardScript follows the page's link once its frames have loaded, which the
// window's load event waits for, or after five seconds.
const onwardScript = `const go=()=>location.replace(document.querySelector("main a").href);addEventListener("load",go);setTimeout(go,5000)`

var styleHash = hashSource(styles)

// hashSource allows one inline script or style (CSP 3, 2.3.1).
func hashSource(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var pages = template.Must(template.New("").Parse(`
{{define "head"}}<!doctype html>
<html lang="{{.Lang}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
{{with .Onward}}<meta http-equiv="refresh" content="5; url={{.}}">
{{end}}<style>{{.Style}}</style>
</head>
<body>
<p class="banner" role="note">{{.T.banner}}</p>
<main>
{{end}}
{{define "foot"}}</main>
{{with .Other}}<footer><a href="{{.URL}}" lang="{{.Lang}}" hreflang="{{.Lang}}">{{$.T.other}}</a></footer>
{{end}}</body>
</html>
{{end}}

{{define "signin"}}{{template "head" .}}
<h1>{{.T.signin}}</h1>
<p>{{.T.to}} <strong>{{.Client}}</strong></p>
{{if .Scopes}}<p class="soft">{{.T.scopes}} {{range $i, $s := .Scopes}}{{if $i}}, {{end}}{{$s}}{{end}}</p>{{end}}
<form method="post" action="{{.Action}}" aria-labelledby="choose">
<h2 id="choose">{{.T.choose}}</h2>
<input type="hidden" name="request" value="{{.Request}}">
{{range .Users}}<button name="user" value="{{.Subject}}"><span>{{if eq .Subject $.Current}}{{$.T.continue}} {{end}}{{or .Name .Subject}}</span>{{with .Email}}<span class="mail">{{.}}</span>{{end}}{{if and .Email (not .EmailVerified)}}<span class="mail">({{$.T.unverified}})</span>{{end}}</button>
{{end}}</form>
<form method="post" action="{{.Action}}">
<h2><label for="user">{{.T.or}}</label></h2>
<input type="hidden" name="request" value="{{.Request}}">
{{if .Unknown}}<p class="bad" id="unknown" role="alert">{{.T.unknown}}</p>{{end}}
<input id="user" name="user" value="{{.Hint}}" placeholder="{{.T.username}}" autocomplete="username" autocapitalize="none" spellcheck="false" required{{if .Unknown}} aria-invalid="true" aria-describedby="unknown"{{end}}>
<button class="main">{{.T.signin}}</button>
</form>
<form method="post" action="{{.Action}}">
<input type="hidden" name="request" value="{{.Request}}">
<button class="quiet" name="cancel" value="1">{{.T.cancel}}</button>
</form>
{{template "foot" .}}{{end}}

{{define "formpost"}}{{template "head" .}}
<h1>{{.T.sending}}</h1>
<p>{{.T.sendingmore}}</p>
<form method="post" action="{{.Action}}">
{{range .Fields}}<input type="hidden" name="{{.Name}}" value="{{.Value}}">
{{end}}<button class="main">{{.T.go}}</button>
</form>
</main>
<script>{{.Script}}</script>
</body>
</html>
{{end}}

{{define "signout"}}{{template "head" .}}
<h1>{{.T.signout}}</h1>
<p>{{.T.signoutmore}} <strong>{{.User}}</strong>.</p>
<form method="post" action="{{.Action}}">
<input type="hidden" name="request" value="{{.Request}}">
<button class="main" name="confirm" value="1">{{.T.signoutyes}}</button>
</form>
{{template "foot" .}}{{end}}

{{define "signedout"}}{{template "head" .}}
<h1>{{.T.signedout}}</h1>
{{with .Onward}}<p><a href="{{.}}">{{$.T.go}}</a></p>
{{end}}{{range .Frames}}<iframe src="{{.}}" title="{{$.T.telling}}" hidden></iframe>
{{end}}{{with .Script}}<script>{{.}}</script>
{{end}}{{template "foot" .}}{{end}}

{{define "problem"}}{{template "head" .}}
<h1>{{.T.problem}}</h1>
<p>{{.T.problemmore}}</p>
<p><code>{{.Problem}}</code></p>
{{template "foot" .}}{{end}}

{{define "home"}}{{template "head" .}}
<h1>{{.T.home}}</h1>
<p>{{.T.homemore}}</p>
<p><code>{{.Issuer}}</code></p>
<p class="soft"><a href="{{.Discovery}}">{{.Discovery}}</a></p>
<h2>{{.T.users}}</h2>
<ul>{{range .Users}}<li>{{or .Name .Subject}} <span class="mail">{{.Subject}}</span></li>{{end}}</ul>
{{template "foot" .}}{{end}}
`))

type field struct{ Name, Value string }

type languageLink struct {
	Lang, URL string
}

// page is what the templates see.
type page struct {
	Lang  string
	Title string
	T     map[string]string
	Style template.CSS
	Other *languageLink

	Client, Action, Request, Current, Hint string
	Unknown                                bool
	Scopes                                 []string
	Users                                  []User
	Fields                                 []field
	Script                                 template.JS
	Onward                                 string         // where the page leads by itself
	Frames                                 []template.URL // http and https
	User, Problem, Issuer, Discovery       string
}

// language picks what the client asks for, else what the browser prefers.
func language(r *http.Request, uiLocales string) string {
	wanted := strings.Fields(uiLocales)
	for _, item := range strings.Split(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(item, ";")
		wanted = append(wanted, strings.TrimSpace(tag))
	}
	for _, tag := range wanted {
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if slices.Contains(languages, primary) {
			return primary
		}
	}
	return languages[0]
}

// writePage writes a page whose forms may lead on to formAction (browsers
// apply form-action to redirects too).
func (p *Provider) writePage(w http.ResponseWriter, r *http.Request, status int, name, uiLocales, title string, data page, formAction ...string) {
	data.Lang = language(r, uiLocales)
	data.T = texts[data.Lang]
	data.Title = data.T[title]
	data.Style = template.CSS(styles)
	csp := "default-src 'none'; style-src " + styleHash + "; form-action 'self'"
	for _, rawURL := range formAction {
		csp += cspOrigin(rawURL)
	}
	if len(data.Frames) > 0 {
		csp += "; frame-src"
		for _, src := range data.Frames {
			csp += cspOrigin(string(src))
		}
	}
	switch {
	case name == "formpost":
		data.Script = submitScript
	case data.Onward != "":
		data.Script = onwardScript
	}
	if data.Script != "" {
		csp += "; script-src " + hashSource(string(data.Script))
	}
	csp += "; base-uri 'none'; frame-ancestors 'none'"
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", data.Lang)
	h.Set("Content-Security-Policy", csp)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// Not no-referrer, which would make the form's Origin "null".
	h.Set("Referrer-Policy", "strict-origin")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

// cspOrigin is the origin of a URL as a source of a policy, after a space.
func cspOrigin(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return " " + u.Scheme + "://" + u.Host
}

func (p *Provider) writeSignIn(w http.ResponseWriter, r *http.Request, req *authRequest, s *session, unknown string, status int) {
	data := page{
		Client:  req.client.displayName(),
		Action:  p.base + SignInEndpoint,
		Request: req.params.Encode(),
		Hint:    req.loginHint,
		Unknown: unknown != "",
		Scopes:  req.scopes,
		Users:   p.Users(),
	}
	if unknown != "" {
		data.Hint = unknown
	}
	if s != nil {
		data.Current = s.subject
	}
	other := url.Values{}
	for name, values := range req.params {
		other[name] = values
	}
	lang := languages[1]
	if language(r, req.uiLocales) == lang {
		lang = languages[0]
	}
	if !req.params.Has("request_uri") {
		other.Set("ui_locales", lang)
		data.Other = &languageLink{lang, p.base + AuthorizeEndpoint + "?" + other.Encode()}
	}
	p.writePage(w, r, status, "signin", req.uiLocales, "signin", data, req.redirectURL)
}

// writeFormPost answers by a form that submits itself (OAuth 2.0 Form Post
// Response Mode), with a button for browsers without JavaScript.
func (p *Provider) writeFormPost(w http.ResponseWriter, r *http.Request, req *authRequest, res *Response) {
	data := page{Action: res.RedirectURL}
	for _, name := range slices.Sorted(maps.Keys(res.Params)) {
		for _, v := range res.Params[name] {
			data.Fields = append(data.Fields, field{name, v})
		}
	}
	p.writePage(w, r, http.StatusOK, "formpost", req.uiLocales, "sending", data, res.RedirectURL)
}

func (p *Provider) writeSignOut(w http.ResponseWriter, r *http.Request, params url.Values, c Client, s *session) {
	data := page{Action: p.base + EndSessionEndpoint, Request: params.Encode(), User: s.subject}
	p.writePage(w, r, http.StatusOK, "signout", params.Get("ui_locales"), "signout", data, slices.Concat(c.PostLogoutRedirectURLs, c.RedirectURLs)...)
}

// writeSignedOut loads these frames, and then leads onward, if anywhere.
func (p *Provider) writeSignedOut(w http.ResponseWriter, r *http.Request, uiLocales string, frames []template.URL, onward string) {
	p.writePage(w, r, http.StatusOK, "signedout", uiLocales, "signedout", page{Frames: frames, Onward: onward})
}

// writeProblem tells the developer of a relying party what it did wrong.
func (p *Provider) writeProblem(w http.ResponseWriter, r *http.Request, uiLocales string, status int, problem string) {
	p.writePage(w, r, status, "problem", uiLocales, "problem", page{Problem: problem})
}

func (p *Provider) serveHome(w http.ResponseWriter, r *http.Request) {
	data := page{Issuer: p.issuer, Discovery: p.URL(DiscoveryEndpoint), Users: p.Users()}
	p.writePage(w, r, http.StatusOK, "home", r.URL.Query().Get("ui_locales"), "home", data)
}
