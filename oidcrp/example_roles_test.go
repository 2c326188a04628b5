package oidcrp_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// rolesOf asks whoever knows the groups, such as Microsoft Graph, with the application's
// own credentials, and makes roles of them.
func rolesOf(context.Context, string) ([]string, error) { return nil, nil }

// Groups become roles. Who has too many for a token has none that are known, until
// they are found out.
func ExampleLogin_rolesUnknown() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{{
			Name: "entra", Issuer: "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0",
			ClientID: "portal", ClientSecret: "…",
			RolesClaim: "groups",
			Roles:      map[string]string{"11112222-bbbb-3333-cccc-4444dddd5555": "editor"},
		}},
		OnLogin: func(ctx context.Context, login *oidcrp.Login) error {
			if !login.RolesUnknown {
				return nil
			}
			roles, err := rolesOf(ctx, login.Subject)
			if err != nil {
				return fmt.Errorf("%w: roles: %w", oidcrp.ErrProviderUnavailable, err)
			}
			login.Roles, login.RolesUnknown = roles, false
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/edit", rp.Require(oidcrp.HasRole("editor"))(http.NotFoundHandler()))
}

// Links and bookmarks that were made for a portal go on working.
func ExampleConfig_loginPath() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		LoginPath: "/Account/Login/ExternalLogin", LogoutPath: "/Account/Login/LogOff",
		Providers: []oidcrp.Provider{{
			Name: "contoso", Aliases: []string{"Contoso", "https://login.contoso.example/"},
			Issuer: "https://login.contoso.example", ClientID: "portal", ClientSecret: "…",
			RedirectPath:  "/signin-Contoso",
			DynamicParams: []string{"campaign"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	// /Account/Login/ExternalLogin?ReturnUrl=%2Freports&provider=Contoso&campaign=7
	log.Fatal(http.ListenAndServe("localhost:3000", rp.Load(http.NotFoundHandler())))
}
