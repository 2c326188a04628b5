package sitesettings_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// registers signs somebody new in and says what came of it.
func (p *portal) registers(decision string) {
	p.t.Helper()
	p.person(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true})
	page := p.visit(signInLink)
	if !strings.Contains(p.log.String(), decision) {
		p.t.Errorf("want %s: %s\n%s", decision, page, p.log.String())
	}
}

var siteTests = map[string]func(*testing.T){
	"Registration/Enabled": func(t *testing.T) {
		startPortal(t, given{"Registration/Enabled": "true"}, nil).registers("register/open")
		p := startPortal(t, given{"Registration/Enabled": "false", "Registration/OpenRegistrationEnabled": "true"}, nil)
		p.registers("refuse/closed")
	},
	"Registration/ExternalLoginEnabled": func(t *testing.T) {
		const key = "Registration/ExternalLoginEnabled"
		says(t, given{key: "true"}, key, taken, "sign in at providers")
		says(t, given{key: "false"}, key, contradictory, "only way in")
	},
	"Registration/OpenRegistrationEnabled": func(t *testing.T) {
		startPortal(t, given{"Registration/OpenRegistrationEnabled": "true"}, nil).registers("register/open")
		startPortal(t, given{"Registration/OpenRegistrationEnabled": "false"}, nil).registers("ask/needs_invitation")
	},
	"Registration/InvitationEnabled": func(t *testing.T) {
		startPortal(t, given{"Registration/InvitationEnabled": "true"}, nil).registers("register/open")
		startPortal(t, given{"Registration/InvitationEnabled": "false", "Registration/OpenRegistrationEnabled": "false"}, nil).registers("refuse/closed")
	},
	"Registration/RequiresInvitation": func(t *testing.T) {
		startPortal(t, given{"Registration/RequiresInvitation": "true", "Registration/OpenRegistrationEnabled": "true"}, nil).registers("ask/needs_invitation")
		says(t, given{"Registration/RequiresInvitation": "true", "Registration/InvitationEnabled": "false"}, "Registration/RequiresInvitation", contradictory, "nobody could register")
	},
	"Registration/RequiresConfirmation": func(t *testing.T) {
		p := startPortal(t, given{"Registration/RequiresConfirmation": "true"}, nil)
		p.registers("ask/needs_invitation")
		line(t, p.settings, "Registration/RequiresConfirmation", changed, "no mail is sent")
	},
	"Registration/LoginButtonAuthenticationType": func(t *testing.T) {
		const key = "Registration/LoginButtonAuthenticationType"
		two := given{"OpenIdConnect/Another/Authority": "https://o.example", "OpenIdConnect/Another/ClientId": "x", "OpenIdConnect/Another/ClientSecret": "y"}
		p := startPortal(t, two, nil)
		p.shows(p.visit("/guarded"), "Sign in with")
		two[key] = "{issuer}/"
		p = startPortal(t, two, nil)
		p.shows(p.visit("/guarded"), "at /guarded")
		line(t, p.settings, key, taken, "goes to contoso")
		says(t, given{key: "https://nobody.example"}, key, wrong, "none of the providers")
	},
	"Registration/SignOutEverywhereEnabled": func(t *testing.T) {
		for value, ended := range map[string]bool{"true": true, "false": false} {
			p := startPortal(t, given{"Registration/SignOutEverywhereEnabled": value}, nil)
			one, two := oidcrptest.NewBrowser(t), oidcrptest.NewBrowser(t)
			p.shows(one.Get(p.URL+signInLink), "contact")
			p.shows(two.Get(p.URL+signInLink), "contact")
			one.Get(p.URL + "/Account/Login/LogOff")
			one.SubmitForm("Sign out", nil)
			if got := strings.Contains(two.Get(p.URL+"/").Text(), "nobody"); got != ended {
				t.Errorf("%s: the other session ended: %v", value, got)
			}
		}
	},
	"ApplicationCookie/ExpireTimeSpan": func(t *testing.T) {
		const key = "ApplicationCookie/ExpireTimeSpan"
		for _, test := range []struct {
			value          string
			idle, lifetime time.Duration
		}{{"-", 24 * time.Hour, 14 * 24 * time.Hour}, {"01:00:00", time.Hour, 14 * 24 * time.Hour}, {"24:00:00", 24 * time.Hour, 14 * 24 * time.Hour}, {"30", 30 * 24 * time.Hour, 30 * 24 * time.Hour}} {
			p := startPortal(t, given{key: test.value}, nil)
			if c := p.settings.Config; c.IdleTimeout != test.idle || c.SessionLifetime != test.lifetime {
				t.Errorf("%s: idle %v, lifetime %v", test.value, c.IdleTimeout, c.SessionLifetime)
			}
			var me struct {
				ExpiresIn int `json:"expires_in"`
			}
			b := oidcrptest.NewBrowser(t)
			b.Get(p.URL + signInLink)
			if err := b.Fetch(http.MethodGet, p.URL+"/auth/me", nil).JSON(&me); err != nil || (time.Duration(me.ExpiresIn)*time.Second-test.idle).Abs() > time.Minute {
				t.Errorf("%s: the session has %d seconds, %v", test.value, me.ExpiresIn, err)
			}
		}
		says(t, given{key: "01:00:00", "ApplicationCookie/SlidingExpiration": "false"}, key, taken, "Config.SessionLifetime")
		says(t, given{key: "00:00:10"}, key, changed, "from a minute")
		says(t, given{key: "900"}, key, changed, "400 days")
		says(t, given{key: "tomorrow"}, key, wrong, "no duration")
		says(t, given{key: "40000000"}, key, wrong, "hundred years")
	},
	"ApplicationCookie/SlidingExpiration": func(t *testing.T) {
		const key = "ApplicationCookie/SlidingExpiration"
		if s := says(t, given{key: "true"}, key, changed, "14 days all the same"); s.Config.IdleTimeout != 24*time.Hour {
			t.Errorf("idle %v", s.Config.IdleTimeout)
		}
		if s := says(t, given{key: "false"}, key, taken, "however active"); s.Config.IdleTimeout != 0 || s.Config.SessionLifetime != 24*time.Hour {
			t.Errorf("idle %v, lifetime %v", s.Config.IdleTimeout, s.Config.SessionLifetime)
		}
	},
	"ApplicationCookie/AbsoluteSlidingExpireTimeSpan": func(t *testing.T) {
		const key = "ApplicationCookie/AbsoluteSlidingExpireTimeSpan"
		if s := says(t, given{key: "2.00:00:00"}, key, taken, "2 days"); s.Config.SessionLifetime != 48*time.Hour || s.Config.IdleTimeout != 24*time.Hour {
			t.Errorf("idle %v, lifetime %v", s.Config.IdleTimeout, s.Config.SessionLifetime)
		}
		says(t, given{key: "2.00:00:00", "ApplicationCookie/SlidingExpiration": "false"}, key, ignored, "SlidingExpiration is false")
		says(t, given{key: "01:00:00"}, key, contradictory, "shorter than ExpireTimeSpan")
		says(t, given{key: "900"}, key, changed, "400 days")
	},
	"ApplicationCookie/SecurityStampValidator/ValidateInterval": func(t *testing.T) {
		const key = "ApplicationCookie/SecurityStampValidator/ValidateInterval"
		if s := says(t, given{key: "00:30:00"}, key, taken, "StillAllowedEvery"); s.Config.StillAllowedEvery != 30*time.Minute {
			t.Errorf("%v", s.Config.StillAllowedEvery)
		}
		says(t, given{key: "00:00:00"}, key, changed, "every 1 second")
	},
	"ApplicationCookie/CookieSecure": func(t *testing.T) {
		const key = "ApplicationCookie/CookieSecure"
		says(t, given{key: "Always"}, key, taken, "Secure on https")
		says(t, given{key: "SameAsRequest"}, key, changed, "Secure on https")
		says(t, given{key: "Perhaps"}, key, wrong, "none of Always")
		s := says(t, given{key: "Never"}, key, changed, "Secure on https")
		s.Config.CookieKeys = [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}
		s.Config.Providers[0].Endpoints = oidcrp.Endpoints{Authorization: "https://o.example/a", Token: "https://o.example/t", JWKS: "https://o.example/k"}
		rp, err := oidcrp.New(s.Config)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, signInLink, nil)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		rec := httptest.NewRecorder()
		rp.ServeHTTP(rec, r)
		if all := rec.Result().Cookies(); len(all) == 0 || !all[0].Secure || !all[0].HttpOnly {
			t.Errorf("cookies %v", all)
		}
	},
	"UserManager/UserValidator/RequireUniqueEmail": uniqueEmail("UserManager/UserValidator/RequireUniqueEmail"),
	"Registration/RequireUniqueEmail":              uniqueEmail("Registration/RequireUniqueEmail"),
	"RequireUniqueEmail":                           uniqueEmail("RequireUniqueEmail"),
	"/Account/Login/ExternalAuthenticationFailed": func(t *testing.T) {
		p := startPortal(t, nil, nil)
		p.op.SetFaults(oidcrptest.AuthorizationError("access_denied", ""))
		page := p.visit(signInLink)
		if page.Status != http.StatusBadRequest || page.URL.Path != "/signin-contoso" || !strings.Contains(page.Text(), "cancelled") {
			t.Errorf("got %s", page)
		}
	},
	"/Account/Login/LogOff": func(t *testing.T) {
		p := startPortal(t, nil, nil)
		b := oidcrptest.NewBrowser(t)
		p.shows(b.Get(p.URL+signInLink), "contact")
		p.shows(b.Get(p.URL+"/account/login/logoff"), "Sign out?")
		p.shows(b.Get(p.URL+"/"), "contact")
	},
}

// uniqueEmail is the test of one of the places where the switch is.
func uniqueEmail(key string) func(*testing.T) {
	return func(t *testing.T) {
		for value, decision := range map[string]string{"true": "refuse/email_taken", "false": "register/open"} {
			p := startPortal(t, given{key: value, "Scope": "openid email"}, nil)
			p.contact("erin@example.com")
			p.registers(decision)
			line(t, p.settings, key, taken, "SharedEmail")
		}
		if s := says(t, given{key: "false", "AllowContactMappingWithEmail": "true"}, key, changed, "stay unique"); s.Rules.SharedEmail {
			t.Error("an address may be two contacts', and finds one")
		}
		other := "Registration/RequireUniqueEmail"
		if key == other {
			other = "RequireUniqueEmail"
		}
		says(t, given{key: "false", other: "true"}, key, contradictory, "make them the same")
	}
}

// always are switches that cannot be turned off.
var always = given{
	"ValidateAudience": "audience", "NonceEnabled": "nonce", "RefreshOnIssuerKeyNotFound": "key", "RequireExpirationTime": "without exp",
	"RequireSignedTokens": "without signature", "ValidateLifetime": "expired", "ValidateIssuerSigningKey": "key", "ApplicationCookie/CookieHttpOnly": "script",
}

// withoutEffect are the settings on which nothing depends, and why.
var withoutEffect = given{
	"PrivateKeyJwt/CertificateObject": "ClientKeys", "BackchannelTimeout": "4.5 seconds", "ClockSkew": "a minute", "NameClaimType": "Session.Name",
	"SaveSigninToken": "KeepTokens", "ValidateActor": "actor", "AuthenticationMode": "inside", "SignInAsAuthenticationType": "inside",
	"DefaultPolicyId": "MetadataAddress", "PasswordResetPolicyId": "AADB2C90118", "ProfileEditPolicyId": "provider of its own", "MCPClientId": "MCP", "MCPScope": "MCP",

	"Registration/LocalLoginEnabled": "passwords", "Registration/LocalLoginByEmail": "passwords", "Registration/LocalLoginDeprecated": "passwords",
	"Registration/AzureADLoginEnabled": "OpenIdConnect", "Registration/ProfileRedirectEnabled": "Login.ReturnTo", "Registration/TwoFactorEnabled": "AcrValues",
	"Registration/RememberBrowserEnabled": "second factor", "Registration/RememberMeEnabled": "ExpireTimeSpan", "Registration/ResetPasswordEnabled": "passwords",
	"Registration/ResetPasswordRequiresConfirmedEmail": "passwords", "Registration/TriggerLockoutOnFailedPassword": "passwords", "Registration/CaptchaEnabled": "passwords",
	"Registration/IsDemoMode": "demonstration", "Registration/TermsAgreementEnabled": "oidcrp.Pause", "Registration/TermsPublicationDate": "OnLogin",
	"Registration/DenyMinors": "oidcrp.Refusal", "Registration/DenyMinorsWithoutParentalConsent": "oidcrp.Refusal",
	"Registration/EmailConfirmationEnabled": "no mail", "Registration/IsCaptchaEnabledForRegistration": "signed in at a provider",

	"ApplicationCookie/AuthenticationType": "inside", "ApplicationCookie/CookieName": "base URL", "ApplicationCookie/CookieDomain": "one host", "ApplicationCookie/CookiePath": "whole host",
	"ApplicationCookie/LoginPath": "SignInPath", "ApplicationCookie/LogoutPath": "LogoutPath", "ApplicationCookie/ReturnUrlParameter": "return_to",
	"TwoFactorCookie/AuthenticationType": "inside", "TwoFactorCookie/ExpireTimeSpan": "second factor",

	"UserManager/UserValidator/AllowOnlyAlphanumericUserNames": "user names", "UserManager/UserLockoutEnabledByDefault": "passwords",
	"UserManager/DefaultAccountLockoutTimeSpan": "passwords", "UserManager/MaxFailedAccessAttemptsBeforeLockout": "passwords",
	"UserManager/PasswordValidator/EnforcePasswordPolicy": "passwords", "UserManager/PasswordValidator/RequiredLength": "passwords",
	"UserManager/PasswordValidator/RequireNonLetterOrDigit": "passwords", "UserManager/PasswordValidator/RequireDigit": "passwords",
	"UserManager/PasswordValidator/RequireLowercase": "passwords", "UserManager/PasswordValidator/RequireUppercase": "passwords",
	"LoginThrottling/IpAddressTimeoutTimeSpan": "passwords", "LoginThrottling/MaxAttemptsTimeLimitTimeSpan": "passwords", "LoginThrottling/MaxInvaildAttemptsFromIPAddress": "passwords", "LoginThrottling/MaxInvalidAttemptsFromIPAddress": "passwords",
	"BearerAuthentication/Enabled": "verifier", "BearerAuthentication/Protocol": "verifier", "BearerAuthentication/Provider": "verifier",
	"BearerAuthentication/UseEntraV2Issuer": "verifier", "BearerAuthentication/ValidIssuers": "verifier", "BearerAuthentication/ValidIssuer": "verifier",
}
