package accounts_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// A portal for customers: staff come by their own provider and get their role
// there; others need an invitation.
func Example() {
	cfg := oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{
			{Name: "staff", Issuer: "https://login.acme.example", ClientID: "portal", ClientSecret: "…", EmailDomains: []string{"acme.example"}},
			{Name: "google", Issuer: "https://accounts.google.com", ClientID: "portal", ClientSecret: "…"},
		},
	}
	contacts, err := accounts.New(accounts.NewMemoryStore(), accounts.Rules{
		RegistrationPath: "/register",
		Default:          accounts.ProviderRules{Gate: accounts.InviteOnly},
		ByProvider: map[string]accounts.ProviderRules{"staff": {
			MatchEmail: true,
			Login:      map[string]string{"name": "name"},
			Grant:      accounts.Grant{Organization: "Acme", Roles: []string{"staff"}},
		}},
	}, &cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	rp, err := oidcrp.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/register", contacts.RegistrationPage(rp))
	mux.Handle("/", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := contacts.Current(r.Context())
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Hello,", c.Fields["name"])
	})))
	_ = rp.Load(mux) // for http.ListenAndServe
}

// A rule that would let strangers in does not start.
func ExampleNew_incorrect() {
	cfg := oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{{
			Name: "entra", Issuer: "https://login.microsoftonline.com/organizations/v2.0", ClientID: "portal",
			IssuerTemplate: "https://login.microsoftonline.com/{tenantid}/v2.0",
		}},
	}
	_, err := accounts.New(accounts.NewMemoryStore(), accounts.Rules{
		Default: accounts.ProviderRules{MatchEmail: true, Login: map[string]string{"is_admin": "admin"}},
	}, &cfg)
	fmt.Println(err)
	// Output:
	// accounts: provider entra: Login: "is_admin" is not for claims to decide; use Grant, Roles or OnLogin
	// accounts: provider entra: MatchEmail: any tenant of this provider can write any address; configure each tenant as a provider of its own, or send invitations
}

// Settings kept as text, such as a portal's.
func ExampleParseMapping() {
	login, err := accounts.ParseMapping("firstname=given_name, city=userinfo./address/locality")
	if err != nil {
		fmt.Println(err)
		return
	}
	rules := accounts.Rules{Default: accounts.ProviderRules{
		Registration: map[string]string{"company": "organization"}, // once
		Login:        login,                                        // at each login
	}}
	fmt.Println(rules.Default.Login["city"])
	// Output: userinfo./address/locality
}

// An invitation for a customer who is in the books already: whoever has the
// code first gets that contact.
func ExampleAccounts_Invite() {
	ctx := context.Background()
	store := accounts.NewMemoryStore()
	cfg := oidcrp.Config{BaseURL: "http://localhost:3000"}
	contacts, err := accounts.New(store, accounts.Rules{RegistrationPath: "/register"}, &cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	customer := &accounts.Contact{ID: accounts.NewID(), Email: "ann@customer.example", Organization: "Customer"}
	if err := store.Create(ctx, customer, ""); err != nil {
		fmt.Println(err)
		return
	}
	code, err := contacts.Invite(ctx, accounts.Invitation{ContactID: customer.ID})
	if err != nil {
		fmt.Println(err)
		return
	}
	link := cfg.BaseURL + contacts.InvitationPath(code) // for the mail
	fmt.Println(len(link) > 60)
	// Output: true
}

// A handler under test, signed in as a contact.
func ExampleAccounts_Current() {
	store := accounts.NewMemoryStore()
	contacts, err := accounts.New(store, accounts.Rules{}, &oidcrp.Config{BaseURL: "http://localhost:3000"})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := &accounts.Contact{ID: accounts.NewID(), Organization: "Acme"}
	if err := store.Create(context.Background(), c, ""); err != nil {
		fmt.Println(err)
		return
	}
	ctx := oidcrptest.WithSession(context.Background(), oidcrptest.User{
		Subject: "ann", Values: map[string]string{accounts.ContactKey: c.ID},
	})
	current, err := contacts.Current(ctx)
	fmt.Println(current.Organization, err)
	// Output: Acme <nil>
}
