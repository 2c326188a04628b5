package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/connectors"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const (
	pageOfConnections = 50
	checkTime         = 10 * time.Second // for a provider to say what it is
)

// connectionsData is what the page with the connections shows.
type connectionsData struct {
	Connections []connectors.Connector
	Next        string // address of the next page, "" for none
	connectionForm
}

// connectionForm is the form of one connection, as it is or was filled in.
type connectionForm struct {
	connectors.Connector
	New     bool
	Taken   string   // field whose value is another connection's: "name" or "domains"
	Wrong   []string // what is wrong with the others, as oidcrp says it
	Domains string
	Sites   []oidcrp.Addresses // to be registered, of each site; without Provider while there is no name
}

// connectionData is what the page of one connection shows.
type connectionData struct {
	connectionForm
	Problems []oidcrp.Problem
}

// shown is what a connection is called.
func shown(c connectors.Connector) string {
	if c.DisplayName != "" {
		return c.DisplayName
	}
	return c.Name
}

func (p *portal) form(c connectors.Connector) connectionForm {
	f := connectionForm{Connector: c, Domains: strings.Join(c.EmailDomains, " ")}
	for _, s := range p.sites {
		f.Sites = append(f.Sites, oidcrp.Addresses{Provider: c.Name, Redirect: s.redirectURL(c.Name), PostLogout: s.postLogoutURL()})
	}
	return f
}

// place is where oidcrp finds a mistake, of which an administrator knows nothing.
var place = regexp.MustCompile(`^oidcrp: Config\.(Providers\[\d+\]( \([^)]*\))?\.)?`)

// refused puts what is wrong with a connection on its form; an error that is
// about something else it returns.
func (f *connectionForm) refused(err error) error {
	switch {
	case errors.Is(err, connectors.ErrExists):
		f.Taken = "name"
	case errors.Is(err, connectors.ErrDomain):
		f.Taken = "domains"
	default:
		if f.Connector.ClientSecret == "" && !errors.Is(err, connectors.ErrSecret) {
			f.Connector.ClientSecret = "kept" // Check need not ask for it
		}
		check := f.Connector.Check()
		if check == nil {
			return err
		}
		for line := range strings.Lines(check.Error()) {
			f.Wrong = append(f.Wrong, place.ReplaceAllString(strings.TrimSpace(line), ""))
		}
	}
	return nil
}

// sent is the connection that a form has.
func sent(r *http.Request, name string) connectors.Connector {
	value := func(name string) string { return oneLine(r.PostForm.Get(name)) }
	return connectors.Connector{
		Name: name, DisplayName: value("display_name"), Issuer: value("issuer"), ClientID: value("client_id"),
		ClientSecret: oidcrp.Secret(strings.TrimSpace(r.PostForm.Get("client_secret"))),
		EmailDomains: strings.FieldsFunc(r.PostForm.Get("domains"), func(c rune) bool { return strings.ContainsRune(" ,;\r\n\t", c) }),
		Listed:       value("listed") == "yes",
		Scopes:       value("scopes"), TenantSupplied: value("tenant_supplied") == "yes",
	}
}

func (p *portal) adminConnections(w http.ResponseWriter, r *http.Request) error {
	return p.showConnections(w, r, http.StatusOK, p.form(connectors.Connector{}))
}

func (p *portal) showConnections(w http.ResponseWriter, r *http.Request, status int, form connectionForm) error {
	form.New = true
	data := connectionsData{connectionForm: form}
	var err error
	if data.Connections, err = p.db.connected.All(r.Context(), r.URL.Query().Get("after"), pageOfConnections); err != nil {
		return err
	}
	if n := len(data.Connections); n == pageOfConnections {
		data.Next = "/admin/connections?" + url.Values{"after": {data.Connections[n-1].Name}}.Encode()
	}
	return p.showStatus(w, r, status, "connections", data)
}

func (p *portal) addConnection(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errBadForm
	}
	c := sent(r, oneLine(r.PostForm.Get("name")))
	form := p.form(c)
	form.New = true
	for _, provider := range p.providers {
		if provider.Name == c.Name {
			form.Taken = "name"
			return p.showConnections(w, r, http.StatusUnprocessableEntity, form)
		}
	}
	if err := p.db.connected.Add(r.Context(), c); err != nil {
		if err := form.refused(err); err != nil {
			return err
		}
		return p.showConnections(w, r, http.StatusUnprocessableEntity, form)
	}
	return done(w, r, "/admin/connections/"+url.PathEscape(c.Name), "connected")
}

// adminConnection shows a connection, and what its provider says of itself.
func (p *portal) adminConnection(w http.ResponseWriter, r *http.Request) error {
	c, err := p.db.connected.Find(r.Context(), r.PathValue("name"))
	if errors.Is(err, connectors.ErrMissing) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	provider, err := p.db.connected.Provider(r.Context(), c.Name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTime)
	defer cancel()
	report := oidcrp.Check(ctx, oidcrp.Config{BaseURL: p.here(ctx).baseURL, Prefix: prefix, ProviderSource: p.db.connected}, provider)
	return p.show(w, r, "connection", connectionData{connectionForm: p.form(c), Problems: report.Problems})
}

// changeConnection does what the button that was pressed says.
func (p *portal) changeConnection(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errBadForm
	}
	c := sent(r, r.PathValue("name"))
	switch r.PostForm.Get("action") {
	case "remove":
		if r.PostForm.Get("sure") != "yes" {
			return errStillConnected
		}
		if err := p.db.connected.Remove(r.Context(), c.Name); err != nil {
			return err
		}
		return done(w, r, "/admin/connections", "disconnected")
	case "change":
	default:
		return errBadForm
	}
	err := p.db.connected.Change(r.Context(), c)
	if errors.Is(err, connectors.ErrMissing) {
		return errNotFound
	}
	if err != nil {
		form := p.form(c)
		if err := form.refused(err); err != nil {
			return err
		}
		return p.showStatus(w, r, http.StatusUnprocessableEntity, "connection", connectionData{connectionForm: form})
	}
	return done(w, r, "/admin/connections/"+url.PathEscape(c.Name), "reconnected")
}
