package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func TestReportsOfUsersWhoAreNotHere(t *testing.T) {
	var served atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			served.Add(1)
		}
	}))
	t.Cleanup(api.Close)
	var rp *oidcrp.RelyingParty
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		var err error
		if rp, err = app(baseURL, api.URL, p); err != nil {
			return nil, err
		}
		return rp.Protect(http.NotFoundHandler()), nil
	})
	a.Provider.SetTokenLifetime(0) // each night finds an access token that ended
	a.SignIn("bob", "/")
	a.Browser.DropCookies()

	bob := oidcrp.Identity{Provider: "default", Issuer: a.Provider.Issuer(), Subject: "bob"}
	ctx, cancel := context.WithCancel(context.Background())
	nights := make(chan struct{})
	go func() {
		defer close(nights)
		fetchReports(ctx, rp, api.URL, time.Millisecond, func() []oidcrp.Identity {
			if served.Load() == 3 {
				cancel()
				return nil
			}
			return []oidcrp.Identity{bob}
		})
	}()
	<-nights
	if served.Load() != 3 {
		t.Errorf("%d reports", served.Load())
	}

	// Bob withdraws what he granted.
	a.Provider.RevokeTokens()
	ctx = context.Background()
	if err := fetchReport(ctx, rp, api.URL, bob); err != nil {
		t.Error(err)
	}
	if _, err := rp.ClientFor(ctx, bob).Get(api.URL); err == nil || served.Load() != 3 {
		t.Errorf("still working: %v, %d reports", err, served.Load())
	}
	if err := rp.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
