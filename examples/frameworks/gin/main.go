// With Gin: Load goes around it, and ten lines make a guard fit a route or a
// group.
//
//	go -C examples run ./frameworks/gin
package main

import (
	"context"
	"html/template"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"

	"github.com/seed-78edd7da/go-oidcrp/examples/run"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func main() { run.Main("gin", app) }

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	provider.RolesClaim = "roles"
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: baseURL, Providers: []oidcrp.Provider{provider}})
	if err != nil {
		return nil, err
	}

	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(gin.Recovery())
	e.SetHTMLTemplate(home)
	e.GET("/", func(c *gin.Context) { c.HTML(http.StatusOK, "home", rp.View(c.Request)) })
	signedIn := guard(rp.RequireLogin)
	e.GET("/reports", signedIn, reports)
	e.POST("/reports", signedIn, report)
	e.GET("/events", signedIn, events)
	e.GET("/socket", signedIn, socket)
	admin := e.Group("/admin", guard(rp.Require(oidcrp.HasRole("admin"))))
	admin.GET("/", controls)
	admin.GET("/users", users)
	return rp.Load(e), nil // answers /auth/ and loads the session, once
}

// guard makes a guard middleware of Gin's. Where it answers itself, with a way
// to sign in or a refusal, the handlers behind it are not called.
func guard(g func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		g(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

// home is for everybody.
var home = template.Must(template.New("home").Parse(`<!doctype html>
<html lang="en"><title>Home</title>
{{if .SignedIn}}Hello {{.User.Name}} {{.SignOutButton}}{{else}}Hello stranger {{.SignInButton}}{{end}}
`))

// visitor is the session behind a guard, and nil without one. It is asked of
// the request's context: Gin's own knows it only with ContextWithFallback.
func visitor(c *gin.Context) *oidcrp.Session { return oidcrp.FromContext(c.Request.Context()) }

func reports(c *gin.Context) { c.String(http.StatusOK, "The reports of %s\n", visitor(c).Name()) }

// report comes from a page of ours: the guard has looked at its origin.
func report(c *gin.Context) {
	io.Copy(c.Writer, http.MaxBytesReader(c.Writer, c.Request.Body, 1024))
}

func controls(c *gin.Context) { c.String(http.StatusOK, "The controls of %s\n", visitor(c).Name()) }

func users(c *gin.Context) { c.String(http.StatusOK, "The users\n") }

// events are sent until the request or the session ends.
func events(c *gin.Context) {
	ctx, cancel := whileSignedIn(c)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		c.SSEvent("time", time.Now().Format(time.TimeOnly))
		c.Writer.Flush()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// socket says what it is told. The guard has refused foreign origins already,
// by BaseURL; the Host header, which a proxy may change, need not match.
func socket(c *gin.Context) {
	ctx, cancel := whileSignedIn(c)
	defer cancel()
	conn, err := websocket.Accept(c.Writer, c.Request, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil || conn.Write(ctx, kind, message) != nil {
			return
		}
	}
}

// whileSignedIn is done when the request is, or when the session ends: a guard
// asks once, when a request begins.
func whileSignedIn(c *gin.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(c.Request.Context(), visitor(c).Expires())
}
