package accounts_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestParseMapping(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       map[string]string
		mistakes   []string
	}{
		{"nothing", " ", map[string]string{}, nil},
		{"two fields", "firstname=given_name,lastname=family_name", map[string]string{"firstname": "given_name", "lastname": "family_name"}, nil},
		{"spaces and an empty entry", " firstname = given_name , lastname=family_name,\n", map[string]string{"firstname": "given_name", "lastname": "family_name"}, nil},
		{"UserInfo", "city=userinfo./address/locality", map[string]string{"city": "userinfo./address/locality"}, nil},
		{"names with dots and an equals sign", "a=http://schemas.example/x.y?z=1,b=address.locality", map[string]string{"a": "http://schemas.example/x.y?z=1", "b": "address.locality"}, nil},
		{"everything wrong at once", "a,=b,c=,d=userinfo.,e=f,e=g", nil, []string{`"a" is not`, `"=b" is not`, `"c=" is not`, `"d=userinfo." is not`, `"e" is mapped twice`}},
		{"JSON, with the claim first", ` {"given_name": "firstname"}`, nil, []string{"no JSON object"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := accounts.ParseMapping(test.text)
			if (err != nil) != (test.mistakes != nil) || !maps.Equal(got, test.want) {
				t.Fatalf("%v, %v", got, err)
			}
			for _, want := range test.mistakes {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not said in %v", want, err)
				}
			}
		})
	}
}

// What a mapping takes from UserInfo comes from nowhere else, and is left as it
// is where UserInfo fails.
func TestMappingFromUserInfo(t *testing.T) {
	mapping, err := accounts.ParseMapping("nick=nickname, told=userinfo.nickname, city=/address/locality, cityui=userinfo./address/locality, member=is_member, tags=tags")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		faults []oidcrptest.Fault
		want   string
	}{
		{"answers", []oidcrptest.Fault{oidcrptest.UserInfoClaim("nickname", "of UserInfo")},
			"map[city:Phuket cityui:Phuket member:true nick:of the ID token tags:a, b told:of UserInfo]"},
		{"fails", []oidcrptest.Fault{oidcrptest.UserInfoStatus(403)}, "map[city:Phuket member:true nick:of the ID token tags:a, b]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPortal(t, accounts.Rules{Default: accounts.ProviderRules{Login: mapping}}, func(cfg *oidcrp.Config) {
				cfg.Providers[0].UserInfo = oidcrp.UserInfoOptional
				cfg.Providers[0].Scopes = []string{"openid profile email address"}
			}, "main")
			p.ops["main"].SetFaults(append(test.faults, oidcrptest.IDTokenClaim("nickname", "of the ID token"))...)
			page := p.signIn("main", oidcrptest.User{Subject: "erin", Claims: map[string]any{
				"address": map[string]any{"locality": "Phuket"}, "is_member": true, "tags": []string{"a", "b"}}})
			if !strings.Contains(page.Body, test.want) {
				t.Errorf("got %s\n%s", page, p.log.String())
			}
			if warned := strings.Contains(p.log.String(), "claims not used"); warned != (test.name == "fails") {
				t.Errorf("the log: %s", p.log.String())
			}
		})
	}
}

func TestMappingFromUserInfoThatIsNotAsked(t *testing.T) {
	cfg := oidcrp.Config{Providers: []oidcrp.Provider{{Name: "op"}}}
	_, err := accounts.New(accounts.NewMemoryStore(), accounts.Rules{Default: accounts.ProviderRules{Login: map[string]string{"nick": "userinfo.nickname", "x": "userinfo."}}}, &cfg)
	for _, want := range []string{`"nick" is from UserInfo, which is not asked`, `"x" has no claim`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said in %v", want, err)
		}
	}
}
