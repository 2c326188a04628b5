package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/examples/migrate/portalexport"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// readSettings reads the file that -settings names; nil without one. Where
// settings are wrong, the error has the whole report.
func (o options) readSettings() (*sitesettings.Settings, error) {
	if o.settings == "" {
		return nil, nil
	}
	if o.providers != "" || o.registration != "" {
		return nil, errors.New("-settings says which providers there are and who may register: leave out -providers and -registration")
	}
	s, err := portalexport.Read(o.settings, os.Stdin)
	switch {
	case err != nil && s.Report.Count(sitesettings.Wrong, sitesettings.Contradictory) > 0:
		return nil, fmt.Errorf("-settings: nothing was started\n%s", s.Report)
	case err != nil:
		return nil, fmt.Errorf("-settings: %w", err)
	}
	return &s, nil
}
