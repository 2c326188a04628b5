package provider

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// Uses are features of the hall's that take something of the provider.
type Uses struct {
	EndSession        bool
	Backchannel       bool
	Frontchannel      bool
	SessionManagement bool
}

// Finding is something about a provider that keeps its logins from succeeding,
// or makes them less than they could be, and what to do about it.
type Finding struct {
	Fatal bool
	Code  string // stable
	Text  string
}

// Examination is what [Examine] found. Texts of the provider's are printable,
// but strangers'.
type Examination struct {
	MetadataURL string
	Document    map[string]any // nil if there is none
	Endpoints   Endpoints      // with those of the settings
	Issuer      string         // as it may be shown
	Usable      bool           // what follows is known

	ClientAuth   string
	ResponseType string
	ResponseMode string
	Algorithms   []string // of ID tokens
	Scopes       []string // asked for
	PAR, Iss     bool     // requests are pushed, and responses name the issuer
	Keys         []string // for signatures, described

	Findings []Finding
}

// Examine fetches a provider's metadata and keys and holds them against s, which
// need not be without mistakes. It registers nothing and keeps nothing. Each
// call has the deadline and limits of a login's.
func Examine(ctx context.Context, s Settings, uses Uses) *Examination {
	x := &examiner{s: s.hardened(), uses: uses, Examination: &Examination{Issuer: shown(s.Issuer)}}
	x.caller = caller{newClient(&x.s), callTimeout}
	if x.now = s.Now; x.now == nil {
		x.now = time.Now
	}
	var m mistakes
	if x.s.checkIssuer(&m); len(m) > 0 {
		return x.Examination // there is nowhere to ask; the settings' own check says so
	}
	x.exposed()
	doc, ok := x.document(ctx)
	if !ok {
		return x.Examination
	}
	x.endpoints(doc)
	meta := x.read(doc)
	if doc != nil {
		x.capabilities(doc, meta)
	}
	if meta != nil {
		x.usable(meta)
	}
	x.keySet(ctx, doc, meta)
	return x.Examination
}

type examiner struct {
	caller
	*Examination
	s    Settings
	uses Uses
	now  func() time.Time
}

func (x *examiner) fatal(code, format string, args ...any) { x.add(true, code, format, args) }

func (x *examiner) warn(code, format string, args ...any) { x.add(false, code, format, args) }

// add cleans whatever a stranger's certificate or document may have put in.
func (x *examiner) add(fatal bool, code, format string, args []any) {
	x.Findings = append(x.Findings, Finding{fatal, code, clean(fmt.Sprintf(format, args...), 2048, nil)})
}

// exposed names what the operator has weakened.
func (x *examiner) exposed() {
	if u, err := url.Parse(x.s.Issuer); err == nil && u.Scheme == "http" && !Loopback(u.Hostname()) {
		x.warn("http", "The issuer is reached by plain http: whoever is on the way can sign in as anybody. Use https.")
	}
	if !x.s.TenantSupplied && verifiesNothing(x.s.HTTPClient) {
		x.warn("tls_unverified", "HTTPClient accepts any certificate: whoever is on the way can sign in as anybody. Give it the authority's certificate (RootCAs) instead.")
	}
}

// document fetches the metadata. It is nil, and right, where all endpoints are in
// the settings.
func (x *examiner) document(ctx context.Context) (validate.Claims, bool) {
	if x.s.byHand() {
		return nil, true
	}
	x.MetadataURL = x.s.metadataURL()
	a, err := x.metadataDocument(ctx, &x.s)
	if err != nil {
		x.fatal(unreached(x.MetadataURL, err))
		return nil, false
	}
	x.clock(a.header)
	switch {
	case a.status == http.StatusNotFound:
		x.fatal("metadata_not_found", "There is no metadata at %s (404). Compare the issuer with what the provider's documentation calls issuer or authority: often a path is missing, such as /realms/NAME, /oauth2/default, /oidc or /v2.0. Where the document is elsewhere, set MetadataURL.", x.MetadataURL)
		return nil, false
	case a.status != http.StatusOK:
		x.fatal("metadata_status", "%s answers %d. The provider, or a proxy before it, does not serve its metadata to this machine: look into its log.", x.MetadataURL, a.status)
		return nil, false
	}
	doc, err := validate.Object(a.body)
	switch {
	case err != nil && bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<")):
		x.fatal("metadata_not_json", "%s answers with a web page. That is a page for people, or of a proxy: set Issuer to the issuer, or MetadataURL to the document.", x.MetadataURL)
		return nil, false
	case err != nil:
		x.fatal("metadata_not_json", "%s answers with what is no metadata document (%v). The provider has to mend it.", x.MetadataURL, err)
		return nil, false
	}
	if json.Unmarshal(a.body, &x.Document) != nil {
		x.Document = map[string]any{}
	}
	return doc, true
}

// unreached says why an address gave no answer, and what helps.
func unreached(address string, err error) (code, format string, where, why any) {
	cause := err
	if u, ok := errors.AsType[*Unavailable](err); ok {
		cause = u.Err
	}
	var dns *net.DNSError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errRedirect):
		return "redirect", "%s is elsewhere: it %v. Set Issuer, or MetadataURL, to where it leads.", address, cause
	case errors.Is(err, errTooLarge):
		return "too_large", "%s: %v. That is no answer of a provider's.", address, cause
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", "%s does not answer in time (%v). Look for a firewall, or a proxy that HTTPClient should use.", address, cause
	case errors.As(err, &dns):
		return "unknown_host", "%s: %v. Check the spelling, and whether this machine can resolve the name.", address, cause
	case errors.As(err, &verification):
		why := "Have the provider send a certificate for this name, with its intermediates; for an authority of your own give HTTPClient its certificate (RootCAs)."
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
			why = "Renew it, or set this machine's clock."
		}
		return "certificate", "The certificate of %s is not trusted: %v. " + why, address, cause
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "no_tls", "%s does not speak TLS (%v). Is it the port for http?", address, cause
	case errors.Is(err, errAddress):
		return "private_address", "%s: %v. A TenantSupplied provider must be on the public Internet.", address, cause
	}
	return "unreachable", "%s cannot be reached: %v. Look for a firewall, or a proxy that HTTPClient should use.", address, cause
}

// clock compares ours with the provider's. An answer that was stored on the way
// tells nothing.
func (x *examiner) clock(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" {
		return
	}
	skew := x.s.Skew
	if skew == 0 {
		skew = defaultSkew
	}
	if off := x.now().Sub(date).Round(time.Second); off > skew || off < -skew {
		x.warn("clock", "This machine's clock and the provider's differ by %v; ID tokens are refused beyond %v. Set the clock that is wrong, by NTP.", off.Abs(), skew)
	}
}

// endpoints are those of the settings, or else of the document, as they are.
func (x *examiner) endpoints(doc validate.Claims) {
	x.Endpoints = x.s.Endpoints
	for _, e := range []struct {
		to   *string
		name string
	}{
		{&x.Endpoints.Authorization, "authorization_endpoint"}, {&x.Endpoints.Token, "token_endpoint"},
		{&x.Endpoints.UserInfo, "userinfo_endpoint"}, {&x.Endpoints.JWKS, "jwks_uri"},
		{&x.Endpoints.EndSession, "end_session_endpoint"}, {&x.Endpoints.PAR, "pushed_authorization_request_endpoint"},
		{&x.Endpoints.Revocation, "revocation_endpoint"}, {&x.Endpoints.Registration, "registration_endpoint"},
	} {
		switch *e.to {
		case noEndpoint:
			*e.to = ""
		case "":
			address, _, _ := doc.String(e.name)
			*e.to = clean(address, 2048, nil)
		}
	}
}

// usable is what logins would use.
func (x *examiner) usable(m *metadata) {
	x.Usable = true
	x.ClientAuth, x.Algorithms, x.Scopes = m.clientAuth, m.algorithms, m.scopes
	x.PAR, x.Iss = m.par != "", m.issAdvertised
	x.ResponseType, x.ResponseMode = x.s.flow().String(), cmp.Or(x.s.ResponseMode, x.s.mode())
}

// keySet fetches the keys that ID tokens are verified by.
func (x *examiner) keySet(ctx context.Context, doc validate.Claims, m *metadata) {
	if x.s.usesMAC() {
		return
	}
	issuer, err := url.Parse(x.s.Issuer)
	if err != nil {
		return
	}
	address, err := endpoint(doc, "jwks_uri", x.s.Endpoints.JWKS, x.s.urlRule(issuer))
	if err != nil || address == "" {
		return // the metadata's fault
	}
	a, err := x.ask(ctx, keysEndpoint, address)
	if err != nil {
		code, format, where, why := unreached(address, err)
		x.fatal("keys_"+code, "The keys: "+format, where, why)
		return
	}
	if a.status != http.StatusOK {
		x.fatal("keys_status", "The keys: %s answers %d. Without them no ID token can be verified: look into the provider's log.", address, a.status)
		return
	}
	keys, err := parseKeys(a.body)
	if err != nil {
		x.fatal("keys_unusable", "The key set at %s is of no use: %v. It needs a public key for signatures: RSA of %d bits or more, EC on P-256, P-384 or P-521, or Ed25519.", address, err, minRSABits)
		return
	}
	for _, k := range keys.keys {
		x.Keys = append(x.Keys, k.describe())
	}
	if m != nil && !slices.ContainsFunc(keys.keys, func(k publicKey) bool { return slices.ContainsFunc(m.algorithms, k.fits) }) {
		x.fatal("keys_algorithm", "No key at %s fits the algorithms that ID tokens may be signed with (%s): Algorithms, the provider's metadata and its keys contradict each other.", address, strings.Join(m.algorithms, ", "))
	}
}

// describe says what kind of key it is, and its kid.
func (k *publicKey) describe() string {
	kind := "Ed25519"
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		kind = fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		kind = "EC " + key.Curve.Params().Name
	case ed25519.PublicKey:
	}
	if k.alg != "" {
		kind += " " + clean(k.alg, 16, nil)
	}
	if k.id == "" {
		return kind
	}
	return kind + " " + clean(k.id, 64, nil)
}
