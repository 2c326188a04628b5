package oidcrp_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What the provider does not tell of a user's roles is neither all of them nor,
// silently, none: the login goes on, guards forbid, and the log says why.
func TestRolesUnknown(t *testing.T) {
	overage := map[string]any{"_claim_names": map[string]any{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.example/users/1/getMemberObjects"}}}
	for _, test := range []struct {
		name    string
		claims  map[string]any
		claim   string
		faults  []oidcrptest.Fault
		unknown bool
	}{
		{"_claim_names has groups", overage, "groups", nil, true},
		{"a pointer into it", overage, "/groups/all", nil, true},
		{"hasgroups, of a token that came by the browser", map[string]any{"hasgroups": true}, "groups", nil, true},
		{"hasgroups as text", map[string]any{"hasgroups": "true"}, "groups", nil, true},
		{"hasgroups is false", map[string]any{"hasgroups": false}, "groups", nil, false},
		{"groups are elsewhere, and roles are asked for", overage, "app_roles", nil, false},
		{"no such claim at all", nil, "groups", nil, false},
		{"groups are there after all", map[string]any{"groups": []string{"admin"}, "_claim_names": overage["_claim_names"], "_claim_sources": overage["_claim_sources"]}, "groups", nil, false},
		{"UserInfo might have them, and fails", nil, "groups", []oidcrptest.Fault{oidcrptest.UserInfoStatus(503)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, test.faults...), func(cfg *oidcrp.Config) {
				cfg.Providers[0].RolesClaim = test.claim
				if test.faults != nil {
					cfg.Providers[0].UserInfo = oidcrp.UserInfoOptional
				}
				cfg.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
					if l.RolesUnknown != test.unknown {
						t.Errorf("OnLogin is told %v", l.RolesUnknown)
					}
					return nil
				}
			})
			a.op.AddUser(oidcrptest.User{Subject: "erin", Claims: test.claims})
			a.op.SignInAs("erin")
			b := a.browse()
			a.shows(b.Get(a.URL+"/reports"), "reports for erin")
			_, has := test.claims["groups"]
			want := http.StatusForbidden
			if has {
				want = http.StatusOK
			}
			if page := b.Get(a.URL + "/admin"); page.Status != want {
				t.Errorf("a guard that asks for a role says %s", page)
			}
			if got := strings.Contains(a.log.String(), "roles unknown"); got != test.unknown {
				t.Errorf("the log: %s", a.log)
			}
			if has := strings.Contains(a.log.String(), "correct RolesClaim"); has && test.unknown {
				t.Errorf("the log blames RolesClaim: %s", a.log)
			}
			if got := strings.Contains(a.log.String(), "did not tell the user's roles"); got != test.unknown {
				t.Errorf("the guard's line: %s", a.log)
			}
		})
	}
}

// OnLogin may find them out itself, also after a pause.
func TestRolesFoundOutInOnLogin(t *testing.T) {
	for _, paused := range []bool{false, true} {
		a := newApp(t, oidcrptest.NewProvider(t), func(cfg *oidcrp.Config) {
			cfg.Providers[0].RolesClaim = "groups"
			cfg.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
				if paused {
					return &oidcrp.Pause{Path: "/unknown-roles"}
				}
				l.Roles, l.RolesUnknown = []string{"admin"}, false
				return nil
			}
		})
		a.op.AddUser(oidcrptest.User{Subject: "erin", Claims: map[string]any{"hasgroups": true}})
		a.op.SignInAs("erin")
		b := a.browse()
		b.Get(a.URL + "/reports")
		if !paused {
			a.shows(b.Get(a.URL+"/admin"), "admin page")
			continue
		}
		r, _ := http.NewRequest(http.MethodGet, a.URL, nil)
		for _, c := range b.Cookies(a.URL) {
			r.AddCookie(c)
		}
		l, err := a.rp.Paused(r)
		if err != nil || !l.RolesUnknown {
			t.Errorf("after a pause: %v, %v", l, err)
		}
	}
}

// At a refresh too many groups are not those of before; a claim that merely did
// not come again leaves them.
func TestRolesUnknownAtRefresh(t *testing.T) {
	for _, test := range []struct {
		name   string
		claims map[string]any
		status int
	}{
		{"too many groups now", map[string]any{"hasgroups": true}, http.StatusForbidden},
		{"no word of groups", nil, http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newTokenApp(t, oidcrptest.NewProvider(t), func(cfg *oidcrp.Config) { cfg.Providers[0].RolesClaim = "groups" })
			a.op.AddUser(oidcrptest.User{Subject: "erin", Claims: map[string]any{"groups": []string{"admin"}}})
			a.op.SignInAs("erin")
			b := a.browse()
			a.shows(b.Get(a.URL+"/admin"), "admin page")
			a.op.AddUser(oidcrptest.User{Subject: "erin", Claims: test.claims})
			a.expire()
			b.Get(a.URL + "/call?api=" + a.op.URL(oidcrptest.ResourceEndpoint))
			if page := b.Get(a.URL + "/admin"); page.Status != test.status {
				t.Errorf("got %s\n%s", page, a.log)
			}
		})
	}
}

// A mapping that asks for UserInfo's word gets no other.
func TestUserInfoClaim(t *testing.T) {
	for _, policy := range []oidcrp.UserInfoPolicy{oidcrp.UserInfoOff, oidcrp.UserInfoOptional} {
		asked := false
		a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.UserInfoClaim("nickname", "of UserInfo"), oidcrptest.IDTokenClaim("nickname", "of the ID token")), func(cfg *oidcrp.Config) {
			cfg.Providers[0].UserInfo = policy
			cfg.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
				asked = true
				if got := l.Text("nickname"); got != "of the ID token" {
					t.Errorf("together: %q", got)
				}
				raw, ok := l.UserInfoClaim("nickname")
				if ok != (policy != oidcrp.UserInfoOff) || ok && string(raw) != `"of UserInfo"` {
					t.Errorf("policy %d: %s", policy, raw)
				}
				return nil
			}
		})
		if a.signIn(); !asked {
			t.Error("OnLogin did not run")
		}
	}
}
