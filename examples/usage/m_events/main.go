// One hook for the audit log, metrics and spans: slog, expvar and
// OpenTelemetry.
//
// Run it as ../usage.go says, and open http://localhost:3000/debug/vars.
package main

import (
	"context"
	"expvar"
	"log"
	"log/slog"
	"net/http"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// observer turns events into an audit line, a count and a span each.
type observer struct {
	audit  *slog.Logger
	counts *expvar.Map
	tracer trace.Tracer
}

func (o observer) observe(ctx context.Context, e oidcrp.Event) {
	o.audit.InfoContext(ctx, "auth", "event", e)
	o.counts.Add(string(e.Kind), 1)

	_, span := o.tracer.Start(ctx, string(e.Kind),
		trace.WithTimestamp(e.Time.Add(-e.Duration)),
		trace.WithAttributes(
			attribute.String("oidc.provider", e.Provider),
			attribute.String("oidc.reason", e.Reason)))
	if e.Err != nil {
		span.SetStatus(codes.Error, e.Reason)
	}
	span.End(trace.WithTimestamp(e.Time))
}

func app(baseURL string, provider oidcrp.Provider, o observer) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
		Logger:    o.audit, // one line for each refusal and failure
		OnEvent:   o.observe,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /debug/vars", expvar.Handler())
	return rp.Protect(mux), nil
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID")
	handler, err := app("http://localhost:3000", oidcrp.Provider{
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	}, observer{
		audit:  slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		counts: expvar.NewMap("logins"),
		tracer: otel.Tracer("app/auth"), // sends nothing until a TracerProvider is set
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
