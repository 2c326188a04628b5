package accounts

import "github.com/seed-78edd7da/go-oidcrp/oidcrp"

// maxField is the longest text a claim or a visitor can put into a field.
const maxField = 1000

// mapped is what a mapping makes of a login: text by field, of claims that are
// text, numbers, booleans, or arrays of these.
func mapped(login *oidcrp.Login, mapping map[string]string) map[string]string {
	fields := map[string]string{}
	for field, claim := range mapping {
		text := login.Text(claim)
		if field != emailField && text != "" && len(text) <= maxField {
			fields[field] = text
		}
	}
	return fields
}

// setFields puts values into a contact's fields; an empty one is none.
func (c *Contact) setFields(values map[string]string) {
	for field, value := range values {
		if value == "" {
			continue
		}
		if c.Fields == nil {
			c.Fields = map[string]string{}
		}
		c.Fields[field] = value
	}
}
