package main

import (
	"bytes"
	"expvar"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestEventsAreLoggedAndCounted(t *testing.T) {
	var log bytes.Buffer
	counts := new(expvar.Map)
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		return app(baseURL, p, observer{
			audit:  slog.New(slog.NewJSONHandler(&log, nil)),
			counts: counts,
			tracer: noop.NewTracerProvider().Tracer(""),
		})
	})
	a.SignIn("alice", "/")
	a.Provider.SetFaults(oidcrptest.WrongNonce)
	a.Browser = oidcrptest.NewBrowser(t)
	a.SignIn("alice", "/")

	for _, kind := range []oidcrp.EventKind{oidcrp.LoginSucceeded, oidcrp.LoginFailed} {
		if n := counts.Get(string(kind)); n == nil || n.String() != "1" {
			t.Errorf("%q was counted %v times", kind, n)
		}
	}
	if !strings.Contains(log.String(), `"reason":"nonce"`) {
		t.Errorf("the log does not say which check failed:\n%s", &log)
	}
}
