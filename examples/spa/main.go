// Spa is a single-page application that people sign in to: a page of plain
// HTML and JavaScript, with nothing to build, and the Go program that serves
// it. It brings a development provider along:
//
//	go -C examples run ./spa
//
// The usual way to sign in from such a page is to let its JavaScript be the
// client of the provider: it then holds the tokens, and whatever script gets
// into the page has them too, for as long as they live and from wherever it
// likes. Here the program behind the page is the client. It redeems the code,
// keeps the tokens, and gives the browser one cookie that no script can read.
// What the page has to know it asks:
//
//	GET  /auth/me      who is signed in, for how long, and where signing out is;
//	                   401, with the address to sign in at, if nobody is
//	POST /auth/logout  signs out, and says where to go on
//	/api/…             the application's own API, with the same cookie
//
// No anti-forgery token is needed. Every browser says with each request which
// site caused it (Sec-Fetch-Site, Origin), scripts cannot change that, and the
// guards read it: a POST from another origin is refused, and /auth/me tells
// other sites nothing. A program that is no browser sends the header
// "Sec-Fetch-Site: same-origin" along with its POSTs.
//
// In static, session.js is the whole of it for any page; app.js is the
// bookstore.
//
// # With a provider of your own
//
// The settings are those of a single-page application in the provider's
// console, by the names the guides have for them:
//
//	Authority              -authority                  https://your-tenant.logto.app/oidc
//	ClientId               -client-id                  your-app-id
//	RedirectUri            -redirect-uri               http://localhost:3000/callback
//	PostLogoutRedirectUri  -post-logout-redirect-uri   http://localhost:3000/
//	ResponseType           -response-type              code
//	Scope                  -scope                      openid profile
//
// A file that has them as the guide prints them will do as well: -settings.
//
// Register both addresses there. Since this program can keep a secret, register
// it as a traditional web application rather, and put the secret into the
// environment, see -client-secret-env.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/run"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

type options struct {
	addr, providerAddr string
	settings           settings
	api                string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("spa: ")
	var o options
	flag.StringVar(&o.addr, "addr", "localhost:3000", "address of the application, on this machine")
	flag.StringVar(&o.providerAddr, "provider-addr", "127.0.0.1:4000", "loopback address of the development provider")
	flag.StringVar(&o.settings.Authority, "authority", "", "issuer of a real provider, used instead of the development one")
	flag.StringVar(&o.settings.ClientID, "client-id", "", "what the provider calls the application")
	secret := flag.String("client-secret-env", "", "variable of the environment that has the client secret (default none, a public client)")
	flag.StringVar(&o.settings.RedirectURI, "redirect-uri", "", "where the provider sends people back to (default /callback of this application)")
	flag.StringVar(&o.settings.PostLogoutRedirectURI, "post-logout-redirect-uri", "", "where it sends them after signing out (default / of this application)")
	flag.StringVar(&o.settings.ResponseType, "response-type", "code", "of the authorization request; leave it")
	flag.StringVar(&o.settings.Scope, "scope", "openid profile", "what is asked for, with offline_access for a refresh token")
	file := flag.String("settings", "", "JSON `file` with these six, used instead of their flags")
	flag.StringVar(&o.api, "api", "", "API to call with the visitor's token, such as the UserInfo endpoint of -authority")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	if *file != "" {
		if err := o.settings.read(*file); err != nil {
			log.Fatalf("-settings: %v", err)
		}
	}
	if *secret != "" {
		value, ok := os.LookupEnv(*secret)
		if !ok {
			log.Fatalf("-client-secret-env: %s is not in the environment", *secret)
		}
		o.settings.ClientSecret = value
	}
	ctx, stop := run.UntilInterrupted()
	defer stop()
	if err := serve(ctx, o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// serve runs the application until ctx is done.
func serve(ctx context.Context, o options, out io.Writer) error {
	ln, baseURL, err := run.Listen(o.addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	defer ln.Close()
	o.settings.RedirectURI = cmp.Or(o.settings.RedirectURI, baseURL+"/callback")
	o.settings.PostLogoutRedirectURI = cmp.Or(o.settings.PostLogoutRedirectURI, baseURL+"/")

	var development *oidcrptest.Provider
	if o.settings.Authority == "" {
		if o.settings.ClientID != "" || o.settings.ClientSecret != "" || o.api != "" {
			return errors.New("-client-id, -client-secret-env and -api are for a real provider: give its -authority")
		}
		if development, err = oidcrptest.StartProvider(o.providerAddr); err != nil {
			return fmt.Errorf("-provider-addr: %w", err)
		}
		defer development.Close()
		o.settings.register(development, baseURL)
		o.api = development.URL(oidcrptest.ResourceEndpoint)
	}
	provider, err := o.settings.provider(baseURL, o.api)
	if err != nil {
		return err
	}
	store, err := newBookstore(baseURL, o.api, provider)
	if err != nil {
		return err
	}

	fmt.Fprintf(out, "Open:      %s\n", baseURL)
	if development != nil {
		run.AnnounceProvider(out, development)
	} else {
		for _, u := range store.rp.RedirectURLs() {
			fmt.Fprintf(out, "Register:  %s\n           %s\n           %s\n", u.Redirect, u.PostLogout, u.BackchannelLogout)
		}
	}
	fmt.Fprintln(out, "Ctrl-C ends it.")
	err = run.Serve(ctx, ln, store.handler())
	ended, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(err, store.rp.Shutdown(ended))
	fmt.Fprintln(out, "Example spa ended.")
	return err
}
