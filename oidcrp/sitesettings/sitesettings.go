//go:build planned

// Package sitesettings reads the settings of a Power Pages site, and the JSON
// of a Logto application, into an oidcrp.Config, and reports what became of
// each setting.
package sitesettings

import (
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// Verdict says what became of a setting.
type Verdict string

// The verdicts.
const (
	Taken         Verdict = "taken"
	Changed       Verdict = "changed"
	Ignored       Verdict = "ignored"
	Contradictory Verdict = "contradictory"
	Wrong         Verdict = "wrong"
)

// Line is what became of one setting, and why.
type Line struct {
	Key, Value string
	Verdict    Verdict
	Reason     string
}

// Report has one line for each setting.
type Report []Line

// String prints the report as a table.
func (r Report) String() string { panic("planned") }

// Settings is what a settings file says, in our words.
type Settings struct {
	Config oidcrp.Config
	Rules  accounts.Rules
	Report Report
}

// FromMap reads settings by name, such as
// "Authentication/OpenIdConnect/Acme/Authority". Names are compared without
// regard to case. With wrong settings the error says so; the report is whole.
func FromMap(settings map[string]string) (Settings, error) { panic("planned") }

// FromJSON reads Power Pages settings as a JSON object, or the JSON of a Logto
// application with its comments and single quotes.
func FromJSON(b []byte) (Settings, error) { panic("planned") }

// FromEnviron reads settings from the environment, os.Environ(), with "__" for
// "/" in names.
func FromEnviron(environ []string) (Settings, error) { panic("planned") }
