// Package portalexport reads the settings of a Power Pages site from a file, as
// a portal's export has them, or of an application of Logto.
package portalexport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// Read reads the settings in a file, or in "-", standard input: an export in
// YAML, an object of names and values in YAML or JSON, or the JSON of Logto's
// documentation. Where settings are wrong, the report says which, as that of
// [sitesettings.FromMap] does.
func Read(name string, stdin io.Reader) (sitesettings.Settings, error) {
	b, err := os.ReadFile(name)
	if name == "-" {
		b, err = io.ReadAll(stdin)
	}
	if err != nil {
		return sitesettings.Settings{}, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return sitesettings.FromJSON(b)
	}
	settings, err := exported(b)
	if err != nil {
		return sitesettings.Settings{}, fmt.Errorf("%s: %w", name, err)
	}
	return sitesettings.FromMap(settings)
}

// exported reads a portal's export: one list or several documents of entries, or
// an object of names and values.
func exported(b []byte) (map[string]string, error) {
	settings := settings{}
	for decoder := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return settings, nil
		}
		if err != nil {
			return nil, err
		}
		if len(document.Content) == 0 {
			continue
		}
		root := document.Content[0]
		entries := []*yaml.Node{root}
		if root.Kind == yaml.SequenceNode {
			entries = root.Content
		}
		for _, entry := range entries {
			if err := settings.take(entry); err != nil {
				return nil, err
			}
		}
	}
}

type settings map[string]string

// take reads an entry of an export, or an object of names and values.
func (s settings) take(entry *yaml.Node) error {
	if entry.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: expected adx_name and adx_value, or mspp_name and mspp_value", entry.Line)
	}
	name, value := "", ""
	for i := 0; i+1 < len(entry.Content); i += 2 {
		key, at := entry.Content[i].Value, entry.Content[i+1]
		text := at.Value // as it is written: 00:15:00 is no number
		if at.Tag == "!!null" {
			text = ""
		}
		switch {
		case key == "adx_name" || key == "mspp_name":
			name = text
		case key == "adx_value" || key == "mspp_value":
			value = text
		case strings.Contains(key, "/"):
			if err := s.add(key, text, at.Line); err != nil {
				return err
			}
		}
	}
	if name == "" {
		return nil
	}
	return s.add(name, value, entry.Line)
}

// add refuses a name that is there twice, as in an export of two sites.
func (s settings) add(name, value string, line int) error {
	if other, twice := s[name]; twice && other != value {
		return fmt.Errorf("line %d: %s is there twice, with different values: export one site", line, name)
	}
	s[name] = value
	return nil
}
