package sitesettings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// reader reads one set of settings.
type reader struct {
	all       []*setting
	providers map[string]*source             // by name in lower case
	site      map[string]map[string]*setting // by group and name in lower case
	config    oidcrp.Config
	rules     accounts.Rules
	defaults  Report
}

// source is what was given about one provider.
type source struct {
	r     *reader
	given string // its name
	keys  map[string]*setting
	name  string // Provider.Name

	prefix string // of its settings
}

const openIDConnect = "Authentication/OpenIdConnect/"

// get is the setting of one name; nil if it was not given.
func (s *source) get(name string) *setting { return s.keys[strings.ToLower(name)] }

// need is get for what must be there. Where it is not, that is a line too.
func (s *source) need(name, remedy string) *setting {
	found := s.get(name)
	if found == nil {
		found = s.r.add(entry{key: s.prefix + name})
		found.wrong("is missing: %s", remedy)
	}
	return found
}

// byDefault says what holds for a setting that was not given.
func (s *source) byDefault(name, value, reason string) {
	s.r.byDefault(s.prefix+name, value, reason)
}

func (r *reader) byDefault(key, value, reason string) {
	r.defaults = append(r.defaults, Line{Key: key, Value: value, Verdict: Default, Reason: reason})
}

// of is a setting of the site.
func (r *reader) of(group, name string) *setting {
	return r.site[strings.ToLower(group)][strings.ToLower(name)]
}

func (r *reader) add(e entry) *setting {
	s := &setting{Line: Line{Key: e.key, Value: withoutPasswords(e.value)}, value: strings.TrimSpace(e.value)}
	r.all = append(r.all, s)
	return s
}

// report is one line for each setting.
func (r *reader) report() Report {
	report := make(Report, len(r.all))
	for i, s := range r.all {
		report[i] = s.Line
	}
	slices.SortFunc(report, func(a, b Line) int {
		return strings.Compare(strings.ToLower(a.Key)+a.Key, strings.ToLower(b.Key)+b.Key)
	})
	return report
}

// read reads settings of Power Pages.
func read(entries []entry) (Settings, error) {
	r := &reader{providers: map[string]*source{}, site: map[string]map[string]*setting{}}
	r.sort(entries)
	r.readSite()
	r.readProviders()
	r.readAddresses()
	return r.finish()
}

// sort finds the place of each setting.
func (r *reader) sort(entries []entry) {
	// In an order that does not depend on a map's.
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		r.place(r.add(e))
	}
}

// place puts a setting where it is read, or says why it is not.
func (r *reader) place(s *setting) {
	path := strings.Split(strings.Trim(strings.TrimSpace(s.Key), "/"), "/")
	for i := range path {
		path[i] = strings.TrimSpace(path[i])
	}
	if !strings.EqualFold(path[0], "Authentication") || len(path) < 3 {
		s.Value = redacted
		if near := nearest(path[0], []string{"Authentication"}); near != "" && len(path) > 2 && path[0] != near {
			s.wrong("nothing is called so: did you mean %s?", near)
		}
		s.ignored("is not about signing in")
		return
	}
	if strings.EqualFold(path[1], "OpenIdConnect") {
		if len(path) < 4 || path[2] == "" {
			s.Value = redacted
			s.wrong("has no name of a provider: write %s{Provider}/%s", openIDConnect, path[len(path)-1])
			return
		}
		name := strings.ToLower(path[2])
		if r.providers[name] == nil {
			r.providers[name] = &source{r: r, given: path[2], keys: map[string]*setting{}, prefix: openIDConnect + path[2] + "/"}
		}
		r.settle(s, r.providers[name].keys, providerKeys, strings.Join(path[3:], "/"))
		return
	}
	group := strings.ToLower(path[1])
	for _, name := range slices.Sorted(maps.Keys(siteKeys)) {
		if strings.EqualFold(name, group) {
			if r.site[group] == nil {
				r.site[group] = map[string]*setting{}
			}
			r.settle(s, r.site[group], siteKeys[name], strings.Join(path[2:], "/"))
			return
		}
	}
	s.Value = redacted
	for _, other := range otherProtocols {
		if strings.EqualFold(other, group) {
			s.ignored("is of another protocol than OpenID Connect")
			return
		}
	}
	if near := nearest(path[1], append(slices.Sorted(maps.Keys(siteKeys)), "OpenIdConnect")); near != "" {
		s.wrong("nothing is called %s: did you mean %s?", path[1], near)
		return
	}
	s.ignored("nothing here is called %s", path[1])
}

// settle puts a setting into its group, by its name there.
func (r *reader) settle(s *setting, group map[string]*setting, keys []known, name string) {
	at := slices.IndexFunc(keys, func(k known) bool { return strings.EqualFold(k.name, name) })
	if at < 0 {
		s.Value = redacted
		names := make([]string, len(keys))
		for i, k := range keys {
			names[i] = k.name
		}
		if near := nearest(name, names); near != "" {
			s.wrong("nothing is called %s: did you mean %s?", name, near)
			return
		}
		s.ignored("nothing here is called %s", name)
		return
	}
	k, folded := keys[at], strings.ToLower(name)
	if (k.name == "ClientSecret" || strings.HasPrefix(k.name, "PrivateKey")) && s.value != "" {
		s.Value = redacted
	}
	if other := group[folded]; other != nil {
		if s.value == other.value {
			s.ignored("is given already, as %s", other.Key)
			return
		}
		s.contradicts("has another value than %s, which is the same name: remove one", other.Key)
		other.contradicts("has another value than %s, which is the same name: remove one", s.Key)
		return
	}
	switch {
	case s.value == "":
		s.ignored("is empty")
		return
	case k.ignored == "" && k.always == "" && k.name != "ClientSecret" && placeholder.MatchString(s.value):
		s.wrong("is still a placeholder: give the value itself")
	case k.ignored != "":
		s.ignored("%s", k.ignored)
	case k.always != "":
		if on, given := s.bool(true); given && on {
			s.taken("%s", k.always)
		} else if given {
			s.changed("cannot be turned off: %s", k.always)
		}
	}
	group[folded] = s
}

// leftOver are complaints of those who will use what was read. Each mistake
// should have been found at its setting; whatever was not is here, so that what
// is returned without an error starts.
func (r *reader) leftOver() []error {
	cfg := trialConfig(r.config.Providers...)
	cfg.LoginPath, cfg.LogoutPath, cfg.DefaultProvider = r.config.LoginPath, r.config.LogoutPath, r.config.DefaultProvider
	cfg.SessionLifetime, cfg.IdleTimeout, cfg.LoginTimeout, cfg.StillAllowedEvery = r.config.SessionLifetime, r.config.IdleTimeout, r.config.LoginTimeout, r.config.StillAllowedEvery
	if r.config.BaseURL != "" {
		cfg.BaseURL = r.config.BaseURL
	}
	for i := range cfg.Providers {
		if cfg.Providers[i].ClientAuth == "private_key_jwt" { // its key is to come
			cfg.Providers[i].ClientAuth = "none"
		}
	}
	var errs []error
	_, err := accounts.New(accounts.NewMemoryStore(), r.rules, &cfg)
	for _, err := range []error{err, try(cfg)} {
		if err != nil {
			errs = append(errs, fmt.Errorf("sitesettings: %w", err))
		}
	}
	return errs
}
