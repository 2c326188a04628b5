module github.com/seed-78edd7da/go-oidcrp/internal/interop

go 1.26.0

replace github.com/seed-78edd7da/go-oidcrp => ../..

require (
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/seed-78edd7da/go-oidcrp v0.0.0-00010101000000-000000000000
	golang.org/x/oauth2 v0.37.0
)

require (
	github.com/go-jose/go-jose/v4 v4.1.4 // indirect
	github.com/gorilla/securecookie v1.1.2 // indirect
)
