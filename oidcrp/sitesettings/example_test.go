package sitesettings_test

import (
	"fmt"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

func ExampleFromJSON() {
	s, err := sitesettings.FromJSON([]byte(`{
		"Authentication/OpenIdConnect/Contoso/Authority": "https://login.contoso.example",
		"Authentication/OpenIdConnect/Contoso/ClientId": "portal",
		"Authentication/OpenIdConnect/Contoso/ClientSecret": "from a vault, rather",
		"Authentication/OpenIdConnect/Contoso/RedirectUri": "https://portal.example/signin-contoso",
		"Authentication/OpenIdConnect/Contoso/NonceEnabled": "false",
		"Authentication/Registration/CaptchaEnabled": "true"
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Config.BaseURL, s.Config.Providers[0].ResponseType)
	for _, line := range s.Report {
		if line.Verdict != sitesettings.Taken {
			fmt.Printf("%s %s: %s\n", line.Verdict, line.Key, line.Reason)
		}
	}
	// Output:
	// https://portal.example code id_token
	// changed Authentication/OpenIdConnect/Contoso/NonceEnabled: cannot be turned off: every login has a nonce, which is checked
	// ignored Authentication/Registration/CaptchaEnabled: there are no passwords here: the provider signs people in
}

// Whatever is wrong is said at once, each with what to change.
func ExampleFromMap_mistakes() {
	_, err := sitesettings.FromMap(map[string]string{
		"Authentication/OpenIdConnect/Contoso/Authority":    "https://login.microsoftonline.com/common/",
		"Authentication/OpenIdConnect/Contoso/ClientSecrt":  "…",
		"Authentication/OpenIdConnect/Contoso/ResponseMode": "query",
	})
	fmt.Println(err)
	// Output:
	// sitesettings: Authentication/OpenIdConnect/Contoso/Authority: is of many tenants, and nothing says whose tokens to accept: set IssuerFilter to https://sts.windows.net/*/
	// sitesettings: Authentication/OpenIdConnect/Contoso/ClientId: is missing: give the id the provider registered for the site
	// sitesettings: Authentication/OpenIdConnect/Contoso/ClientSecrt: nothing is called ClientSecrt: did you mean ClientSecret?
	// sitesettings: Authentication/OpenIdConnect/Contoso/ResponseMode: ResponseMode "query": tokens must not be in a query, where logs keep them (OAuth Multiple Response Types 5): use "form_post" or "fragment"
}
