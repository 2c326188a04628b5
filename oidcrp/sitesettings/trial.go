package sitesettings

import (
	"crypto/rand"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// Whether a value can be used is for those to say who will use it: each is tried
// by itself, so that what they answer is about it.

func trialConfig(providers ...oidcrp.Provider) oidcrp.Config {
	key := make([]byte, 32)
	rand.Read(key)
	return oidcrp.Config{
		BaseURL: "https://site.invalid", CookieKeys: [][]byte{key},
		Providers: slices.Clone(providers), Logger: slog.New(slog.DiscardHandler),
	}
}

func try(cfg oidcrp.Config) error {
	_, err := oidcrp.New(cfg)
	return err
}

// trialPrefix is what oidcrp.New says before a complaint about the provider.
var trialPrefix = regexp.MustCompile(`^oidcrp: Config\.Providers(\[0\])? \(trial\)\.`)

// mistake is what would be said of a provider that has nothing but what change
// gives it; "" for nothing.
func mistake(change func(*oidcrp.Provider)) string {
	p := oidcrp.Provider{Name: "trial", Issuer: "https://issuer.invalid", ClientID: "trial", ClientAuth: "none"}
	change(&p)
	err := try(trialConfig(p))
	if err == nil {
		return ""
	}
	var said []string
	for line := range strings.Lines(err.Error()) {
		said = append(said, brief(trialPrefix.ReplaceAllString(strings.TrimSpace(line), "")))
	}
	return strings.Join(said, "; ")
}

// misruled is what would be said of rules for a provider.
func misruled(p oidcrp.Provider, rules accounts.ProviderRules) string {
	p.Name = "trial"
	cfg := trialConfig(p)
	_, err := accounts.New(accounts.NewMemoryStore(), accounts.Rules{Default: rules, RegistrationPath: registrationPath}, &cfg)
	if err == nil {
		return ""
	}
	return brief(strings.ReplaceAll(err.Error(), "accounts: provider trial: ", ""))
}

// brief leaves out the middle of a long complaint, where the value is: what to do
// stands at its end.
func brief(said string) string {
	const end = 200
	if cut := []rune(said); len(cut) > 2*end {
		return string(cut[:end]) + "…" + string(cut[len(cut)-end:])
	}
	return said
}
