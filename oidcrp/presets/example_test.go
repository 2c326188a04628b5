package presets_test

import (
	"fmt"
	"log"
	"net/url"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/presets"
)

// Two vendors side by side: their own staff by Entra ID, and a customer's by
// Google Workspace.
func Example() {
	staff := presets.Entra(os.Getenv("ENTRA_TENANT"), os.Getenv("ENTRA_CLIENT_ID"), oidcrp.Secret(os.Getenv("ENTRA_SECRET")))
	staff.DisplayName = "Staff"
	customer := presets.Google("example.com", os.Getenv("GOOGLE_CLIENT_ID"), oidcrp.Secret(os.Getenv("GOOGLE_SECRET")))

	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		Providers: []oidcrp.Provider{staff, customer},
		Claims:    []string{"name", "email", "tid", "oid"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, address := range rp.RedirectURLs() {
		fmt.Println(address.Provider, address.Redirect)
	}
}

// An argument that cannot be right is a complaint of New.
func ExampleOkta() {
	_, err := oidcrp.New(oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		Providers: []oidcrp.Provider{presets.Okta("https://acme.okta.com", "", "client", "secret")},
	})
	fmt.Println(err)
	// Output:
	// oidcrp: Config.Providers[0] (okta).Issuer: presets.Okta: host 'https://acme.okta.com': give the host alone, such as acme.okta.com
}

// A sign-out that ends the session at Cognito too.
func ExampleCognito() {
	p := presets.Cognito("eu-west-1", "eu-west-1_AbCdEf123", "client", "secret")
	p.LocalLogoutOnly = false
	p.Endpoints.EndSession = "https://acme.auth.eu-west-1.amazoncognito.com/logout?logout_uri=" +
		url.QueryEscape("https://app.example.com/auth/logout")
	fmt.Println(p.Issuer)
	// Output: https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123
}

// The key is the file that Apple lets one download once.
func ExampleApple() {
	p := presets.Apple("com.example.web", "TEAM123456", oidcrp.ClientKey{ID: "KEY1234567", File: "AuthKey_KEY1234567.p8"})
	fmt.Println(p.Issuer, p.ResponseMode)
	// Output: https://appleid.apple.com form_post
}
