package sitesettings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// Settings is what settings of another system say, in our words.
type Settings struct {
	// Config is complete but for BaseURL, where no RedirectUri says it, CookieKeys
	// and, with private_key_jwt, ClientKeys: no settings have them. It may be
	// changed before it is used.
	Config oidcrp.Config

	// Rules are for [accounts.New]. Of Power Pages alone: of Logto's settings they
	// are empty, RegistrationPath too, and would register everybody.
	Rules accounts.Rules

	// Report has one line for each setting that was given, and for each that is
	// needed and missing.
	Report Report

	// Defaults says what holds where nothing was given, and what the application
	// adds.
	Defaults Report
}

// FromMap reads site settings of Power Pages by name, such as
// "Authentication/OpenIdConnect/Acme/Authority". Names are compared without
// regard to case; spaces around names and values, and settings without a value,
// say nothing. Settings of a site that are not about signing in are reported as
// ignored, and their values not kept.
//
// Where a setting is wrong, or two exclude each other, the error has a line for
// each, Report is whole, and Config and Rules are empty.
func FromMap(settings map[string]string) (Settings, error) {
	entries := make([]entry, 0, len(settings))
	for key, value := range settings {
		entries = append(entries, entry{key, value})
	}
	return read(entries)
}

// FromEnviron reads site settings of Power Pages from environment variables, in
// the form of os.Environ, whose names begin with "Authentication__", in any
// case: "__" stands for "/". Other variables are not looked at.
func FromEnviron(environ []string) (Settings, error) {
	const prefix = "authentication__"
	var entries []entry
	for _, variable := range environ {
		key, value, ok := strings.Cut(variable, "=")
		if ok && len(key) > len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) {
			entries = append(entries, entry{strings.ReplaceAll(key, "__", "/"), value})
		}
	}
	return read(entries)
}

// FromJSON reads one JSON object: site settings of Power Pages by name, be the
// names whole or objects within objects, or the settings of an application of
// Logto: Authority, ClientId, ClientSecret, RedirectUri, and perhaps
// PostLogoutRedirectUri, ResponseType and Scope, in any case, which are not the
// names that Logto's SDKs have. Comments, single quotes, names without quotes,
// and commas before a closing bracket are no mistakes. Numbers and booleans are
// read as their text, null as nothing; lists have no meaning here.
func FromJSON(b []byte) (Settings, error) {
	entries, err := parseJSON(b)
	if err != nil {
		return Settings{}, fmt.Errorf("sitesettings: %w", err)
	}
	if section, ok := logtoSection(entries); ok {
		return readLogto(entries, section)
	}
	return read(entries)
}

// entry is a setting as it was given.
type entry struct{ key, value string }

// finish makes settings of what was read, or none if something was wrong.
func (r *reader) finish() (Settings, error) {
	s := Settings{Report: r.report(), Defaults: r.defaults}
	var errs []error
	for _, line := range s.Report {
		if line.Verdict == Wrong || line.Verdict == Contradictory {
			errs = append(errs, fmt.Errorf("sitesettings: %s: %s", printable(line.Key), printable(line.Reason)))
		}
	}
	if errs == nil {
		errs = r.leftOver()
	}
	if errs != nil {
		return s, errors.Join(errs...)
	}
	s.Config, s.Rules = r.config, r.rules
	return s, nil
}
