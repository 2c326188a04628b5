// Doctor examines a provider before anybody signs in there: it prints what the
// provider says of itself, what logins would use of it, what to register, and
// every problem with its remedy:
//
//	go -C examples run ./doctor -issuer https://login.example.com -base-url https://app.example.com
//
// Flags say what the application is going to ask for. A secret is not needed, for
// none is sent: a client with one is assumed, unless -client-auth says otherwise.
// It exits with status 1 if logins would fail, and 2 if it was called wrongly,
// of which "go run" makes 1 too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run returns the exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	var p oidcrp.Provider
	var scopes, baseURL string
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&p.Issuer, "issuer", "", "the provider's issuer, such as https://login.example.com")
	flags.StringVar(&p.MetadataURL, "metadata-url", "", "where its metadata is, if not below the issuer")
	flags.StringVar(&p.ClientID, "client-id", "doctor", "client id")
	flags.StringVar(&p.ClientAuth, "client-auth", "", "how the client authenticates, such as client_secret_post or none (default chosen from the metadata)")
	flags.StringVar(&baseURL, "base-url", "http://localhost:3000", "where browsers find the application")
	flags.StringVar(&p.Name, "name", "default", "name of the provider in the application, which is in its redirect URI")
	flags.StringVar(&p.ResponseType, "response-type", "code", "response type")
	flags.StringVar(&p.ResponseMode, "response-mode", "", "response mode, such as form_post")
	flags.StringVar(&scopes, "scope", "openid profile email", "scopes")
	flags.BoolVar(&p.KeepTokens, "keep-tokens", false, "the application is to call APIs")
	flags.BoolVar(&p.BackchannelLogout, "backchannel-logout", false, "the provider is to end sessions")
	flags.BoolVar(&p.LocalLogoutOnly, "local-logout-only", false, "a sign-out is to leave the provider's session alone")
	flags.BoolVar(&p.InsecureAllowHTTP, "insecure-allow-http", false, "the provider is reached by plain http")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case p.Issuer == "" || flags.NArg() > 0:
		fmt.Fprintln(errs, "usage: doctor -issuer URL [flags]; -help lists them")
		return 2
	}
	p.Scopes = []string{scopes}
	if p.ClientAuth != "none" {
		p.ClientSecret = "none is sent" // so that the way to send one is chosen
	}
	cfg := oidcrp.Config{BaseURL: baseURL, Store: oidcrp.NewMemoryStore()}
	report := oidcrp.Check(ctx, cfg, p)
	fmt.Fprint(out, report)
	if report.Fatal() {
		return 1
	}
	return 0
}
