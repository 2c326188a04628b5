package provider_test

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

func TestEndSession(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	for _, tt := range []struct {
		name string
		e    provider.EndSession
		want url.Values
	}{
		{"with everything", provider.EndSession{IDTokenHint: "h", PostLogoutRedirectURL: "https://rp.example/out", State: "s", UILocales: "th"},
			url.Values{"client_id": {clientID}, "id_token_hint": {"h"}, "post_logout_redirect_uri": {"https://rp.example/out"}, "state": {"s"}, "ui_locales": {"th"}}},
		{"with nothing", provider.EndSession{}, url.Values{"client_id": {clientID}}},
		{"without an address to come back to", provider.EndSession{State: "s"}, url.Values{"client_id": {clientID}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			endpoint, params, err := p.EndSession(context.Background(), tt.e)
			if err != nil || endpoint != f.URL+"/logout" || params.Encode() != tt.want.Encode() {
				t.Errorf("got %s, %s, %v; want %s", endpoint, params.Encode(), err, tt.want.Encode())
			}
		})
	}
}

func TestEndSessionThatThereIsNot(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*fake, *provider.Settings)
		want   error
	}{
		{"because the provider has none", func(f *fake, _ *provider.Settings) { f.metadata = map[string]any{"end_session_endpoint": nil} }, provider.ErrNoEndSession},
		{"because it is blanked", func(_ *fake, s *provider.Settings) { s.Endpoints.EndSession = "-" }, provider.ErrNoEndSession},
		{"because the provider is down", func(f *fake, _ *provider.Settings) { f.handlers[discoveryPath] = respond(503, "", "") }, provider.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			p := f.new(t, func(s *provider.Settings) { tt.change(f, s) })
			if !p.EndsSessions() {
				t.Error("it is said to have none before anything is known of it")
			}
			if _, _, err := p.EndSession(context.Background(), provider.EndSession{}); !errors.Is(err, tt.want) {
				t.Errorf("got %v; want %v", err, tt.want)
			}
			if got, want := p.EndsSessions(), tt.want == provider.ErrUnavailable; got != want {
				t.Errorf("EndsSessions is %v afterwards", got)
			}
		})
	}
	t.Run("unless it is given by hand", func(t *testing.T) {
		f := newFake(t)
		f.metadata = map[string]any{"end_session_endpoint": nil}
		p := f.new(t, func(s *provider.Settings) { s.Endpoints.EndSession = "https://op.example/bye" })
		if endpoint, _, err := p.EndSession(context.Background(), provider.EndSession{}); err != nil || endpoint != "https://op.example/bye" {
			t.Errorf("got %s, %v", endpoint, err)
		}
	})
}
