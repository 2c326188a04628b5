package sitesettings

import (
	"slices"
	"strings"
)

// logtoKeys are the settings that an application of Logto has, as its
// documentation prints them, and the secret of one that can keep it.
var logtoKeys = []known{
	{name: "Authority"}, {name: "ClientId"}, {name: "ClientSecret"}, {name: "PostLogoutRedirectUri"},
	{name: "RedirectUri"}, {name: "ResponseType"}, {name: "Scope"},
}

// logtoSection finds the object that has an application's settings, such as
// "IdentityServer/"; "" is the whole. ok is false where there is none, or where
// the settings are of Power Pages.
func logtoSection(entries []entry) (section string, ok bool) {
	for _, e := range entries {
		at := strings.LastIndexByte(e.key, '/') + 1
		if strings.EqualFold(e.key[:min(len(e.key), len("Authentication/"))], "Authentication/") {
			return "", false
		}
		if name := e.key[at:]; !ok && (strings.EqualFold(name, "Authority") || strings.EqualFold(name, "ClientId")) {
			section, ok = e.key[:at], true
		}
	}
	return section, ok
}

// readLogto reads the settings of an application of Logto.
func readLogto(entries []entry, section string) (Settings, error) {
	r := &reader{}
	s := &source{r: r, given: "Logto", name: "logto", keys: map[string]*setting{}, prefix: section}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		added := r.add(e)
		if name, ok := strings.CutPrefix(e.key, section); ok {
			r.settle(added, s.keys, logtoKeys, strings.TrimSpace(name))
			continue
		}
		added.Value = redacted
		added.ignored("is not about signing in")
	}
	r.config.Providers = append(r.config.Providers, s.readLogto())
	r.readBaseURL([]*source{s})
	return r.finish()
}
