module github.com/seed-78edd7da/go-oidcrp/internal/e2e

go 1.26.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.22.0
	github.com/nlnwa/whatwg-url v0.6.2
	github.com/seed-78edd7da/go-oidcrp v0.0.0-00010101000000-000000000000
	github.com/seed-78edd7da/go-oidcrp/internal/interop v0.0.0-00010101000000-000000000000
)

require (
	github.com/bits-and-blooms/bitset v1.20.0 // indirect
	github.com/coreos/go-oidc/v3 v3.21.0 // indirect
	github.com/go-jose/go-jose/v4 v4.1.4 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/gorilla/securecookie v1.1.2 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/text v0.44.0 // indirect
)

replace (
	github.com/seed-78edd7da/go-oidcrp => ../..
	github.com/seed-78edd7da/go-oidcrp/internal/interop => ../interop
)
