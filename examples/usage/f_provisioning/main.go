// At every login the application updates its own user table and may say no.
// Who is new accepts the terms first: the verified login waits, for ten
// minutes, and goes on where it was to lead. The session carries the
// application's own user id, where no claim can reach it.
//
// Run it as ../usage.go says, and open http://localhost:3000/. Its users are in
// users.db.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	_ "modernc.org/sqlite"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const schema = `CREATE TABLE IF NOT EXISTS users (
	id INTEGER PRIMARY KEY,
	issuer TEXT NOT NULL,
	subject TEXT NOT NULL,
	name TEXT NOT NULL,
	blocked BOOLEAN NOT NULL DEFAULT FALSE,
	UNIQUE (issuer, subject))`

var closed = map[string]string{
	"en": "Your account is closed. Write to help@example.com if that is a mistake.",
	"th": "บัญชีของคุณถูกปิดแล้ว หากเป็นความผิดพลาด โปรดเขียนถึง help@example.com",
}

type users struct{ db *sql.DB }

// onLogin finds the user by issuer and subject; an e-mail address may change
// hands.
func (u users) onLogin(ctx context.Context, login *oidcrp.Login) error {
	var id string
	var blocked bool
	err := u.db.QueryRowContext(ctx, `SELECT id, blocked FROM users WHERE issuer = ? AND subject = ?`,
		login.Issuer, login.Subject).Scan(&id, &blocked)
	if errors.Is(err, sql.ErrNoRows) {
		return &oidcrp.Pause{Path: "/terms"}
	}
	if err != nil {
		return err
	}
	if blocked {
		return &oidcrp.Refusal{Message: closed[login.Language]}
	}
	login.Set("user_id", id)
	return nil
}

// register adds the user of a login whose terms were accepted.
func (u users) register(ctx context.Context, login *oidcrp.Login) error {
	var claims struct {
		Name string `json:"name"`
	}
	if err := login.Claims(&claims); err != nil {
		return err
	}
	var id string
	err := u.db.QueryRowContext(ctx, `INSERT INTO users (issuer, subject, name) VALUES (?, ?, ?)
		ON CONFLICT (issuer, subject) DO UPDATE SET name = excluded.name RETURNING id`,
		login.Issuer, login.Subject, claims.Name).Scan(&id)
	if err != nil {
		return err
	}
	login.Set("user_id", id)
	return nil
}

func app(baseURL string, provider oidcrp.Provider, db *sql.DB) (http.Handler, error) {
	users := users{db}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
		OnLogin:   users.onLogin,
	})
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec(schema); err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "You are user %s\n", oidcrp.FromContext(r.Context()).Value("user_id"))
	})))
	mux.HandleFunc("GET /terms", func(w http.ResponseWriter, r *http.Request) {
		if _, err := rp.Paused(r); err != nil { // somebody just walked in
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		io.WriteString(w, `<!doctype html><html lang="en"><title>Terms</title>
<h1>Terms</h1><p>Be kind.</p><form method="post"><button>I accept</button></form></html>`)
	})
	mux.HandleFunc("POST /terms", func(w http.ResponseWriter, r *http.Request) {
		rp.Resume(w, r, func(login *oidcrp.Login) error { return users.register(r.Context(), login) })
	})
	return rp.Load(mux), nil
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID")
	db, err := sql.Open("sqlite", "users.db")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	handler, err := app("http://localhost:3000", oidcrp.Provider{
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	}, db)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
