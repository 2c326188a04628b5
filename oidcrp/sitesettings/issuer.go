package sitesettings

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const (
	entraHost   = "login.microsoftonline.com"
	entraV1     = "https://sts.windows.net/{tenantid}/"
	entraV2     = "https://login.microsoftonline.com/{tenantid}/v2.0"
	tenantMark  = "{tenantid}"
	wellKnown   = "/.well-known/openid-configuration"
	validOthers = "list the issuers its metadata and tokens name in ValidIssuers"
)

// severalTenants are those names of Microsoft Entra ID that stand for many.
var severalTenants = []string{"common", "organizations", "consumers"}

var tenantID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// entra is what an authority or a metadata address of Microsoft Entra ID says.
type entra struct {
	tenant string
	v2     bool
}

// parseEntra reads such an address; ok is false for any other.
func parseEntra(address string) (e entra, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, entraHost) {
		return e, false
	}
	path := strings.Split(strings.Trim(strings.TrimSuffix(u.Path, wellKnown), "/"), "/")
	e.tenant, e.v2 = strings.ToLower(path[0]), len(path) == 2 && strings.EqualFold(path[1], "v2.0")
	return e, e.tenant != "" && (len(path) == 1 || e.v2)
}

// template is the issuer that the metadata of this version has for a tenant.
func (e entra) template() string {
	if e.v2 {
		return entraV2
	}
	return entraV1
}

// readIssuer reads whose tokens are accepted.
func (s *source) readIssuer(p *oidcrp.Provider) {
	authority := s.need("Authority", "give the address of the provider")
	metadata, filter := s.get("MetadataAddress"), s.get("IssuerFilter")
	p.Issuer, p.MetadataURL = authority.text(), metadata.text()
	at, isEntra := parseEntra(authority.text())
	if isEntra {
		at = s.readEntra(p, at)
	}
	if said := mistake(func(p2 *oidcrp.Provider) { p2.Issuer = p.Issuer }); said != "" {
		authority.wrong("%s", said)
	}
	if said := mistake(func(p2 *oidcrp.Provider) { p2.MetadataURL = p.MetadataURL }); said != "" {
		metadata.wrong("%s", said)
	}
	metadata.taken("Provider.MetadataURL")
	s.readFilter(p, filter, at, isEntra)
	s.readIssuers(p)
	if isEntra && slices.Contains(severalTenants, at.tenant) && p.IssuerTemplate == "" && len(p.Issuers) == 0 {
		authority.wrong("is of many tenants, and nothing says whose tokens to accept: set IssuerFilter to %s", strings.ReplaceAll(at.template(), tenantMark, "*"))
	}
	if isEntra && !slices.Contains(severalTenants, at.tenant) && !tenantID.MatchString(at.tenant) && len(p.Issuers) == 0 {
		authority.wrong("names the tenant by a domain, and tokens name it by its id: write the directory (tenant) ID in its place")
	}
	if isEntra && !at.v2 && tenantID.MatchString(at.tenant) {
		authority.taken("Provider.Issuer is %s, as the metadata there says; for v2.0 tokens set MetadataAddress to https://%s/%s/v2.0%s", p.Issuer, entraHost, at.tenant, wellKnown)
	}
	authority.taken("Provider.Issuer: the metadata must name %s exactly; if it names another, "+validOthers, p.Issuer)

	audiences := s.get("ValidAudiences")
	for _, audience := range list(audiences.text()) {
		if audience != p.ClientID && !slices.Contains(p.Audiences, audience) {
			p.Audiences = append(p.Audiences, audience)
		}
	}
	audiences.taken("Provider.Audiences: accepted beside ClientId, which an ID token must always name")
}

// readEntra sets the issuer that Microsoft's metadata names, which is not the
// authority.
func (s *source) readEntra(p *oidcrp.Provider, at entra) entra {
	metadata := s.get("MetadataAddress")
	if metadata == nil {
		p.MetadataURL = strings.TrimRight(p.Issuer, "/") + wellKnown
	} else if there, ok := parseEntra(metadata.text()); ok {
		if there.tenant != at.tenant {
			metadata.contradicts("is of another tenant than Authority: give both the same one")
			s.get("Authority").contradicts("is of another tenant than MetadataAddress: give both the same one")
		}
		at.v2 = there.v2
	} else {
		metadata.contradicts("is at another host than Authority: who could change it could sign in as anybody; give the provider's own")
	}
	switch {
	case slices.Contains(severalTenants, at.tenant):
		p.Issuer = "https://" + entraHost + "/" + at.tenant + "/v2.0"
		if !at.v2 {
			p.Issuer = "https://" + entraHost + "/" + at.tenant + "/"
		}
	case tenantID.MatchString(at.tenant):
		p.Issuer = strings.ReplaceAll(at.template(), tenantMark, at.tenant)
	}
	return at
}

// readFilter makes a template of a filter with one "*".
func (s *source) readFilter(p *oidcrp.Provider, filter *setting, at entra, isEntra bool) {
	text := filter.text()
	if text == "" {
		return
	}
	if !strings.Contains(text, "*") {
		if text != p.Issuer {
			p.Issuers = append(p.Issuers, text)
		}
		if said := mistake(func(p2 *oidcrp.Provider) { p2.Issuers = []string{text} }); said != "" {
			filter.wrong("%s", said)
		}
		filter.taken("it has no *, and so is one issuer more (Provider.Issuers)")
		return
	}
	template := strings.Replace(text, "*", tenantMark, 1)
	if trimmed := strings.TrimRight(template, "/"); trimmed == entraV2 {
		template = trimmed // Microsoft's documentation has a slash that tokens have not
	}
	if mistake(func(p2 *oidcrp.Provider) { p2.IssuerTemplate = template }) != "" {
		filter.wrong("stands for more than one tenant in one place of the path: have * once, as a whole segment, such as %s, or %s", strings.ReplaceAll(entraV2, tenantMark, "*"), validOthers)
		return
	}
	if isEntra && template != at.template() {
		filter.contradicts("does not match the issuers of the metadata, which are %s: set it to that, or MetadataAddress to that of the other version", strings.ReplaceAll(at.template(), tenantMark, "*"))
		return
	}
	p.IssuerTemplate = template
	filter.taken("Provider.IssuerTemplate %s: the tid claim, and the key that signed, must be of the tenant in the issuer; Provider.Tenants lists those who may come", template)
}

// readIssuers reads the list, and the switch that would turn the check off.
func (s *source) readIssuers(p *oidcrp.Provider) {
	valid := s.get("ValidIssuers")
	for _, issuer := range list(valid.text()) {
		if issuer == p.Issuer || slices.Contains(p.Issuers, issuer) {
			continue
		}
		if said := mistake(func(p2 *oidcrp.Provider) { p2.Issuers = []string{issuer} }); said != "" {
			valid.wrong("%s", said)
			continue
		}
		p.Issuers = append(p.Issuers, issuer)
	}
	valid.taken("Provider.Issuers, beside that of the metadata")

	check, other := s.get("ValidateIssuer"), s.get("ValidateIssuers")
	on, given := check.bool(true)
	isOther, otherGiven := other.bool(on)
	if given && otherGiven && on != isOther {
		check.contradicts("ValidateIssuers is the same setting and says the contrary: remove one")
		other.contradicts("ValidateIssuer is the same setting and says the contrary: remove one")
	}
	for _, switched := range []*setting{check, other} {
		if !on || !isOther {
			switched.changed("the issuer of a token is always checked: those of IssuerFilter and ValidIssuers are accepted, and no others")
		}
		switched.taken("the issuer of a token is always checked")
	}
}
