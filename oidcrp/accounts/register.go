package accounts

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// paramInvitation is the name of an invitation's code in forms and addresses.
const paramInvitation = "invitation"

// maxForm is the most a filled-in registration page may send.
const maxForm = 64 << 10

// RegistrationPage serves the page a new visitor registers on: the fields of
// Rules.Ask, and an invitation's code where one is needed or came with the
// address. Mount it at Rules.RegistrationPath for GET and POST, reachable for
// visitors who are not signed in. It is one of the package's pages: template
// "register" of Config.Pages, texts "register.…" of Config.Messages, no script.
// Without a paused login it starts one; who is signed in goes home.
func (a *Accounts) RegistrationPage(rp *oidcrp.RelyingParty) http.Handler {
	// It may stand where nothing has found the site and the session yet.
	return rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			a.submitted(rp, w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD, POST")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		code := r.URL.Query().Get(paramInvitation)
		login, err := rp.Paused(r)
		switch {
		case err == nil:
			if k, ok := pending(login); ok {
				a.show(rp, w, r, login, k, code)
				return
			}
			fallthrough
		case errors.Is(err, oidcrp.ErrLoginExpired):
			a.elsewhere(rp, w, r, code)
		default:
			a.log.ErrorContext(r.Context(), "registration page", "err", err)
			w.Header().Set("Retry-After", "5")
			a.write(w, r, pages.Page{Name: "error", Status: http.StatusServiceUnavailable, MessageKey: "error.store_unavailable", Lang: rp.View(r).Language()})
		}
	}))
}

// elsewhere sends on who is here without a login that waits.
func (a *Accounts) elsewhere(rp *oidcrp.RelyingParty, w http.ResponseWriter, r *http.Request, code string) {
	at := a.at(r.Context())
	if oidcrp.FromContext(r.Context()) != nil {
		http.Redirect(w, r, at+"/", http.StatusSeeOther)
		return
	}
	back := a.rules.RegistrationPath
	if code != "" {
		back = a.InvitationPath(code)
	}
	rp.Login(w, r, oidcrp.LoginOptions{ReturnTo: at + back})
}

// pending is what was kept of a login that waits for this page.
func pending(login *oidcrp.Login) (candidate, bool) {
	var k candidate
	err := json.Unmarshal([]byte(login.Value(pendingKey)), &k)
	k.id = login.Identity()
	return k, err == nil
}

// show writes the page, with what was entered before and what is wrong with it.
func (a *Accounts) show(rp *oidcrp.RelyingParty, w http.ResponseWriter, r *http.Request, login *oidcrp.Login, k candidate, code string) {
	page := pages.Page{
		Name: "register", Lang: rp.View(r).Language(), User: cmp.Or(k.Email, login.Text("name")),
		Action: a.at(r.Context()) + a.rules.RegistrationPath, Providers: []pages.Link{a.linkTo(r.Context(), login.Provider)},
		FormAction: pages.LeadingOn(rp.View(r).FormAction()),
	}
	if k.Reason == NeedsInvitation {
		page.MessageKey = "register.invitation_only"
	}
	gate := a.rules.of(login.Provider).Gate
	if entered, ok := k.Answers[paramInvitation]; ok {
		code = entered
	}
	if gate == InviteOnly || code != "" {
		in := pages.Input{
			Name: paramInvitation, Label: a.pages.Text(page.Lang, "register.invitation"),
			Value: code, Required: gate == InviteOnly,
		}
		if k.Reason == WrongInvitation {
			in.Error = a.pages.Text(page.Lang, "register.invitation_wrong")
		}
		page.Inputs = append(page.Inputs, in)
	}
	for _, f := range a.rules.Ask {
		in := pages.Input{Name: f.Name, Label: f.label(page.Lang), Required: f.Required, Autocomplete: f.Autocomplete}
		value, entered := k.Answers[f.Name]
		if in.Value = value; !entered {
			in.Value = cmp.Or(k.Fields[f.Name], k.New[f.Name])
		} else if problem := f.problem(value); problem != "" {
			in.Error = a.pages.Text(page.Lang, problem)
		}
		page.Inputs = append(page.Inputs, in)
	}
	for _, in := range page.Inputs {
		if in.Error != "" {
			page.MessageKey = "register.again"
		}
	}
	a.write(w, r, page)
}

func (a *Accounts) write(w http.ResponseWriter, r *http.Request, page pages.Page) {
	page.SiteName, page.Home = a.siteName, a.at(r.Context())+"/"
	if site, _ := oidcrp.SiteFromContext(r.Context()); site.SiteName != "" {
		page.SiteName = site.SiteName
	}
	if err := a.pages.Write(w, page); err != nil {
		a.log.ErrorContext(r.Context(), "page template failed", "page", page.Name, "err", err)
	}
}

// label is the field's in a language, by its tag.
func (f Field) label(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return cmp.Or(f.Labels[tag], f.Labels[base], f.Labels["en"], f.Name)
}

// problem is the key of what is wrong with an answer, "" for nothing.
func (f Field) problem(value string) string {
	switch {
	case f.Required && value == "":
		return "register.missing"
	case len(value) > maxField:
		return "register.too_long"
	}
	return ""
}

// submitted takes the filled-in page.
func (a *Accounts) submitted(rp *oidcrp.RelyingParty, w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		a.write(w, r, pages.Page{Name: "error", Status: http.StatusBadRequest, MessageKey: "error.bad_request", Lang: rp.View(r).Language()})
		return
	}
	rp.Resume(w, r, func(login *oidcrp.Login) error {
		k, ok := pending(login)
		if !ok {
			return oidcrp.ErrLoginExpired // it waits for another page
		}
		code, wrong := clean(r.PostForm.Get(paramInvitation)), false
		answers := map[string]string{}
		for _, f := range a.rules.Ask {
			answers[f.Name] = clean(r.PostForm.Get(f.Name))
			wrong = wrong || f.problem(answers[f.Name]) != ""
		}
		k.Answers = a.remembered(answers, code)
		if wrong {
			return a.ask(r.Context(), login, k)
		}
		return a.then(r.Context(), login, a.admit(r.Context(), login, k, code, answers))
	})
}

// maxRemembered is how many bytes of answers are shown again: they wait in a
// cookie where there is no Store.
const maxRemembered = 1500

// remembered is what the page shows again. An answer that is too long is cut,
// so that it still shows as too long.
func (a *Accounts) remembered(answers map[string]string, code string) map[string]string {
	kept := map[string]string{paramInvitation: cut(code, 100)}
	left := maxRemembered
	for _, f := range a.rules.Ask {
		value := cut(answers[f.Name], maxField+utf8.UTFMax)
		if len(value) > left {
			value = ""
		}
		kept[f.Name] = value
		left -= len(value)
	}
	return kept
}

// clean makes one line of valid text of what was typed.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == utf8.RuneError || unicode.Is(unicode.Bidi_Control, c) {
			return -1
		}
		return c
	}, s))
}

// cut shortens s to at most n bytes of whole characters.
func cut(s string, n int) string {
	for len(s) > n {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
