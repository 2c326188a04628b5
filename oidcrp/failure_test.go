package oidcrp_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestEveryFailureHasItsText(t *testing.T) {
	_, messages := oidcrp.Failures()
	for _, key := range append(messages, "error.refused", "denied.ended", "error.provider_refused") {
		for lang, texts := range oidcrp.DefaultMessages() {
			if texts[key] == "" {
				t.Errorf("%s: no message %q", lang, key)
			}
		}
	}
}

// The package documentation lists all reasons, and no others.
func TestReasonsAreDocumented(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(source), "is a stable code:")
	list, _, _ = strings.Cut(list, ";")
	documented := strings.FieldsFunc(list, func(c rune) bool { return strings.ContainsRune(" ,\n/", c) })
	reasons, _ := oidcrp.Failures()
	reasons = append(reasons, "internal", "record", "refused")
	slices.Sort(reasons)
	slices.Sort(documented)
	if reasons = slices.Compact(reasons); !slices.Equal(reasons, documented) {
		t.Errorf("documented are %q, there are %q", documented, reasons)
	}
}

// A provider that could not sign a visitor in did not send a bad answer.
func TestRefusedByTheProviderReadsSo(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.AuthorizationError("interaction_required", "")), nil)
	a.answers(a.browse().Get(a.URL+"/reports"), http.StatusBadRequest, "was not completed")
}

func TestInvitationToAProviderNobodyHas(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	a.answers(b.Get(a.URL+"/auth/initiate?iss=https://other.example&target_link_uri="+a.URL+"/reports"), http.StatusBadRequest, "does not use")
	a.shows(b.Follow("Sign in"), "reports for alice")
}
