package accounts

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// maxField is the longest text a claim or a visitor can put into a field.
const maxField = 1000

// userInfoPrefix begins the source of a mapping that takes UserInfo's word
// alone.
const userInfoPrefix = "userinfo."

// mapped is what a mapping makes of a login: text by field, of claims that are
// text, numbers, booleans, or arrays of these.
func mapped(login *oidcrp.Login, mapping map[string]string) map[string]string {
	fields := map[string]string{}
	for field, source := range mapping {
		text := strings.Join(validate.Scalars(sourced(login, source)), ", ")
		if field != emailField && text != "" && len(text) <= maxField {
			fields[field] = text
		}
	}
	return fields
}

// sourced is the claim a mapping names.
func sourced(login *oidcrp.Login, source string) json.RawMessage {
	claim, ok := strings.CutPrefix(source, userInfoPrefix)
	lookUp := login.Claim
	if ok {
		lookUp = login.UserInfoClaim
	}
	raw, _ := lookUp(claim)
	return raw
}

// ParseMapping reads a mapping as Power Pages writes it: fields and claims
// between commas, "firstname=given_name, city=userinfo./address/locality". The
// claim is what [ProviderRules] has: an exact name, in which a dot is a dot, or
// a JSON Pointer. Spaces around either, and empty entries, are ignored; the
// first "=" of an entry ends its field. Whether a field may be set from a claim
// is for [New] to say. All mistakes are reported at once.
func ParseMapping(text string) (map[string]string, error) {
	var errs []string
	mapping := map[string]string{}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return nil, fmt.Errorf("accounts: a mapping is no JSON object, in which the claim would come first: write field=claim,field=claim")
	}
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		field, claim, ok := strings.Cut(entry, "=")
		field, claim = strings.TrimSpace(field), strings.TrimSpace(claim)
		_, twice := mapping[field]
		switch {
		case !ok || field == "" || claim == "" || claim == userInfoPrefix:
			errs = append(errs, fmt.Sprintf("%q is not field=claim: write, for instance, firstname=given_name", entry))
		case twice:
			errs = append(errs, fmt.Sprintf("%q is mapped twice", field))
		default:
			mapping[field] = claim
		}
	}
	if errs != nil {
		return nil, fmt.Errorf("accounts: mapping: %s", strings.Join(errs, "; "))
	}
	return mapping, nil
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
