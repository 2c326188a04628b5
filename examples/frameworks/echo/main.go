// With Echo: Load goes around it, and WrapMiddleware makes a guard fit a route
// or a group. Echo 4 differs in how handlers are written, not in this.
//
//	go -C examples run ./frameworks/echo
package main

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v5"

	"github.com/seed-78edd7da/go-oidcrp/examples/run"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func main() { run.Main("echo", app) }

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	provider.RolesClaim = "roles"
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: baseURL, Providers: []oidcrp.Provider{provider}})
	if err != nil {
		return nil, err
	}

	e := echo.New()
	e.GET("/", func(c *echo.Context) error { return show(c, rp.View(c.Request())) })
	signedIn := echo.WrapMiddleware(rp.RequireLogin)
	e.GET("/reports", reports, signedIn)
	e.POST("/reports", report, signedIn)
	e.GET("/events", events, signedIn)
	e.GET("/socket", socket, signedIn)
	admin := e.Group("/admin", echo.WrapMiddleware(rp.Require(oidcrp.HasRole("admin"))))
	admin.GET("/", controls)
	admin.GET("/users", users)
	return rp.Load(e), nil // answers /auth/ and loads the session, once
}

// home is for everybody.
var home = template.Must(template.New("home").Parse(`<!doctype html>
<html lang="en"><title>Home</title>
{{if .SignedIn}}Hello {{.User.Name}} {{.SignOutButton}}{{else}}Hello stranger {{.SignInButton}}{{end}}
`))

func show(c *echo.Context, v oidcrp.View) error {
	var page strings.Builder
	if err := home.Execute(&page, v); err != nil {
		return err
	}
	return c.HTML(http.StatusOK, page.String())
}

// visitor is the session behind a guard, and nil without one.
func visitor(c *echo.Context) *oidcrp.Session { return oidcrp.FromContext(c.Request().Context()) }

func reports(c *echo.Context) error {
	return c.String(http.StatusOK, "The reports of "+visitor(c).Name())
}

// report comes from a page of ours: the guard has looked at its origin.
func report(c *echo.Context) error {
	_, err := io.Copy(c.Response(), http.MaxBytesReader(c.Response(), c.Request().Body, 1024))
	return err
}

func controls(c *echo.Context) error {
	return c.String(http.StatusOK, "The controls of "+visitor(c).Name())
}

func users(c *echo.Context) error { return c.String(http.StatusOK, "The users") }

// events are sent until the request or the session ends.
func events(c *echo.Context) error {
	ctx, cancel := whileSignedIn(c)
	defer cancel()
	w := c.Response()
	w.Header().Set(echo.HeaderContentType, "text/event-stream")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		fmt.Fprintf(w, "data: %s\n\n", time.Now().Format(time.TimeOnly))
		if err := http.NewResponseController(w).Flush(); err != nil {
			return nil // nobody listens
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// socket says what it is told. The guard has refused foreign origins already,
// by BaseURL; the Host header, which a proxy may change, need not match.
func socket(c *echo.Context) error {
	ctx, cancel := whileSignedIn(c)
	defer cancel()
	conn, err := websocket.Accept(c.Response(), c.Request(), &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil // it has answered
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil || conn.Write(ctx, kind, message) != nil {
			return nil
		}
	}
}

// whileSignedIn is done when the request is, or when the session ends: a guard
// asks once, when a request begins.
func whileSignedIn(c *echo.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(c.Request().Context(), visitor(c).Expires())
}
