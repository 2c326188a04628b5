// Portal is a members' portal: visitors sign in with one of several providers
// and register on the way, or by invitation; they see and change their profile,
// add further ways to sign in, and sign out here, everywhere and at the
// provider. Administrators look after contacts, sessions and invitations. It
// brings two development providers along, and is at two addresses, each with a
// name and sessions of its own: Riverside at http://localhost:3000 and Hillside
// at http://hillside.localhost:3000, which browsers find on this machine.
//
//	go -C examples run ./portal
//	go -C examples run ./portal -db portal.db
//	go -C examples run ./portal -db postgres://localhost/portal -keys portal.keys
//	go -C examples run ./portal -settings sitesetting.yml -base-url http://localhost:3000
//	go -C examples run ./portal -providers providers.json
//
// Files are relative to examples. The last has real providers, of which the
// names and the addresses are needed, and secrets may be in the environment:
//
//	[{"name": "acme", "issuer": "https://login.acme.example", "client_id": "portal", "client_secret_env": "ACME_SECRET"}]
//
// What else may be said of a provider is in providers.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/run"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

type options struct {
	addr, providerAddr string
	db, keys           string
	registration       string
	providers          string
	settings           string
	baseURL            string // one, or several between commas
	tlsCert, tlsKey    string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("portal: ")
	var o options
	flag.StringVar(&o.addr, "addr", "localhost:3000", "address of the portal")
	flag.StringVar(&o.providerAddr, "provider-addr", "127.0.0.1:4000", "loopback address of the first development provider; the second takes the next port")
	flag.StringVar(&o.db, "db", "", "SQLite `file`, or postgres:// URL, for contacts and sessions; several portals may share one (default in memory)")
	flag.StringVar(&o.keys, "keys", "", "`file` with the keys that seal sessions, made if it is not there (default beside the SQLite file)")
	flag.StringVar(&o.registration, "registration", "", "who may register: open, invited or closed (default open, or what -settings says)")
	flag.StringVar(&o.providers, "providers", "", "JSON `file` with real providers, instead of the development ones, such as\n"+
		`[{"name": "acme", "issuer": "https://login.acme.example", "client_id": "portal", "client_secret_env": "ACME_SECRET"}]`)
	flag.StringVar(&o.settings, "settings", "", "settings `file` of a Power Pages site, in JSON or YAML, instead of the development providers")
	flag.StringVar(&o.baseURL, "base-url", "", "where browsers find the portal, if not at -addr, such as behind a proxy; a `URL`, or one for each site between commas (default with the development providers, and -addr at localhost: there and at hillside.localhost)")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "PEM certificate, to serve https")
	flag.StringVar(&o.tlsKey, "tls-key", "", "PEM key of -tls-cert")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}

	ctx, stop := run.UntilInterrupted()
	defer stop()
	if err := serve(ctx, o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// serve runs the portal until ctx is done.
func serve(ctx context.Context, o options, out io.Writer) error {
	p, err := open(o)
	if err != nil {
		return err
	}
	if err := p.announce(out); err != nil {
		return errors.Join(err, p.close())
	}
	err = p.serve(ctx, o)
	fmt.Fprintln(out, "Portal ended.")
	return errors.Join(err, p.close())
}

// listen opens the portal's port, and says where browsers find it.
func (o options) listen() (net.Listener, []string, error) {
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return nil, nil, errors.New("-tls-cert and -tls-key go together")
	}
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return nil, nil, fmt.Errorf("-addr: %w", err)
	}
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return nil, nil, err
	}
	if o.baseURL != "" {
		return ln, strings.Split(o.baseURL, ","), nil
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(err, ln.Close())
	}
	scheme := "http"
	if o.tlsCert != "" {
		scheme = "https"
	}
	baseURLs := []string{scheme + "://" + net.JoinHostPort(host, port)}
	if host == "localhost" && o.providers == "" && o.settings == "" {
		baseURLs = append(baseURLs, scheme+"://"+net.JoinHostPort("hillside.localhost", port))
	}
	return ln, baseURLs, nil
}

func (p *portal) announce(out io.Writer) error {
	if p.settings != nil {
		fmt.Fprintln(out, p.settings.Report)
	}
	fmt.Fprintf(out, "Portal:    %s\n", p.sites[0].baseURL)
	fmt.Fprintf(out, "Listens:   %s\n", p.listener.Addr())
	for _, s := range p.sites[1:] {
		fmt.Fprintf(out, "%-10s %s (another site, with sessions of its own)\n", s.name+":", s.baseURL)
	}
	if p.dev == nil {
		if err := p.atEach(context.Background(), func(_ site, at *oidcrp.RelyingParty) error {
			toRegister(out, at.RedirectURLs())
			return nil
		}); err != nil {
			return err
		}
	} else {
		for i, d := range p.dev {
			fmt.Fprintf(out, "Provider:  %s  %s, answers by %s\n", d.Issuer(), developmentProviders[i].display, developmentProviders[i].mode)
		}
		fmt.Fprintf(out, "Users:     %s (no password)\n", users(p.dev[0]))
	}
	if p.invitation != "" {
		fmt.Fprintf(out, "Invited:   %s (the first administrator)\n", p.invitation)
	}
	fmt.Fprintln(out, "Ctrl-C ends it.")
	return nil
}

// toRegister says what the providers have to know of a site.
func toRegister(out io.Writer, all []oidcrp.Addresses) {
	for _, u := range all {
		fmt.Fprintf(out, "Register:  %s  %s and %s\n", u.Provider, u.Redirect, u.PostLogout)
		for _, address := range []string{u.BackchannelLogout, u.FrontchannelLogout} {
			if address != "" {
				fmt.Fprintf(out, "           %s  %s\n", u.Provider, address)
			}
		}
	}
}

func users(p *oidcrptest.Provider) string {
	var names []string
	for _, u := range p.Users() {
		name := u.Subject
		if hasRole(u, adminRole) {
			name += " (" + adminRole + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// serve ends, when ctx is done, without cutting off who is being served.
func (p *portal) serve(ctx context.Context, o options) error {
	server := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() {
		if o.tlsCert != "" {
			failed <- server.ServeTLS(p.listener, o.tlsCert, o.tlsKey)
			return
		}
		failed <- server.Serve(p.listener)
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(ctx), p.rp.Shutdown(ctx))
}
