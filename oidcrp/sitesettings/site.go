package sitesettings

import (
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

const (
	// registrationPath is where Power Pages lets people register, and where the
	// links of its invitations lead.
	registrationPath = "/register"

	cookieSpan   = 24 * time.Hour      // that Power Pages has unless it is told
	slidingLimit = 14 * 24 * time.Hour // of a session that Power Pages would never end
	maxSession   = 400 * 24 * time.Hour
	maxLogin     = time.Hour
)

// readSite reads what is said for all providers.
func (r *reader) readSite() {
	r.readGates()
	r.readCookie()
	r.readUniqueEmail()
	everywhere := r.of("Registration", "SignOutEverywhereEnabled")
	if on, given := everywhere.bool(false); given {
		r.config.SignOutEverywhere = on
		everywhere.taken("Config.SignOutEverywhere; sessions of other identities of the contact are the application's to end (RelyingParty.EndSessions)")
	}
}

// readGates finds out who may register.
func (r *reader) readGates() {
	const group = "Registration"
	enabled, external := r.of(group, "Enabled"), r.of(group, "ExternalLoginEnabled")
	open, invitation := r.of(group, "OpenRegistrationEnabled"), r.of(group, "InvitationEnabled")
	requires, confirms := r.of(group, "RequiresInvitation"), r.of(group, "RequiresConfirmation")

	isEnabled, _ := enabled.bool(true)
	isOpen, _ := open.bool(true)
	invites, _ := invitation.bool(true)
	mustInvite, _ := requires.bool(false)
	mustConfirm, _ := confirms.bool(false)
	if on, given := external.bool(true); given && !on && len(r.providers) > 0 {
		external.contradicts("turns off the only way in there is: remove it, or the providers")
	}
	external.taken("people sign in at providers")
	if mustInvite && !invites {
		requires.contradicts("nobody could register: InvitationEnabled is false")
		invitation.contradicts("nobody could register: RequiresInvitation is true")
	}

	gate := accounts.Open
	switch {
	case !isEnabled:
		gate = accounts.Closed
	case !isOpen || mustInvite || mustConfirm:
		gate = accounts.InviteOnly
		if !invites {
			gate = accounts.Closed
		}
	}
	r.rules.Default.Gate = gate
	r.rules.RegistrationPath = registrationPath
	says := map[accounts.Gate]string{
		accounts.Open: "everybody may register (accounts.Open)", accounts.InviteOnly: "who is invited may register (accounts.InviteOnly)",
		accounts.Closed: "nobody new is let in (accounts.Closed)",
	}[gate]
	if mustConfirm {
		confirms.changed("%s: no mail is sent to confirm an address", says)
	}
	for _, s := range []*setting{enabled, open, invitation, requires, confirms} {
		s.taken("%s", says)
	}
}

// readCookie finds out how long a session lasts.
func (r *reader) readCookie() {
	const group, remedy = "ApplicationCookie", `write hours, minutes and seconds, such as "24:00:00"; a plain number is days`
	expire, sliding := r.of(group, "ExpireTimeSpan"), r.of(group, "SlidingExpiration")
	absolute, stamp := r.of(group, "AbsoluteSlidingExpireTimeSpan"), r.of(group, "SecurityStampValidator/ValidateInterval")

	span, given := expire.span(24*time.Hour, remedy)
	if !given {
		span = cookieSpan
	}
	if fit := min(max(span, time.Minute), maxSession); fit != span {
		expire.changed("is %s: it may be from a minute to 400 days", human(fit))
		span = fit
	}
	slides, _ := sliding.bool(true)
	limit, limited := absolute.span(24*time.Hour, remedy)
	if fit := min(max(limit, time.Minute), maxSession); limited && fit != limit {
		absolute.changed("is %s: it may be from a minute to 400 days", human(fit))
		limit = fit
	}
	switch {
	case !slides:
		r.config.SessionLifetime = span
		expire.taken("a session ends after %s (Config.SessionLifetime)", human(span))
		sliding.taken("a session ends however active its user is")
		absolute.ignored("SlidingExpiration is false")
	case !limited:
		limit = max(slidingLimit, span)
		r.config.SessionLifetime, r.config.IdleTimeout = limit, span
		expire.taken("a session ends after %s without a request (Config.IdleTimeout)", human(span))
		sliding.changed("a session ends after %s all the same (Config.SessionLifetime): AbsoluteSlidingExpireTimeSpan says another limit", human(limit))
	default:
		if limit < span {
			expire.contradicts("is longer than AbsoluteSlidingExpireTimeSpan: make it shorter")
			absolute.contradicts("is shorter than ExpireTimeSpan: make it longer")
		}
		r.config.SessionLifetime, r.config.IdleTimeout = limit, min(span, limit)
		expire.taken("a session ends after %s without a request (Config.IdleTimeout)", human(span))
		sliding.taken("each request keeps the session for another %s", human(span))
		absolute.taken("a session ends after %s however active its user is (Config.SessionLifetime)", human(limit))
	}
	if expire == nil {
		r.byDefault("Authentication/ApplicationCookie/ExpireTimeSpan", "24:00:00", "a session ends after a day without a request (Config.IdleTimeout)")
	}
	if sliding == nil {
		r.byDefault("Authentication/ApplicationCookie/SlidingExpiration", "true",
			"each request keeps the session, for "+human(limit)+" at most (Config.SessionLifetime): Power Pages has no such end")
	}

	if every, given := stamp.span(24*time.Hour, remedy); given {
		fit := min(max(every, time.Second), maxSession)
		r.config.StillAllowedEvery = fit
		if fit != every {
			stamp.changed("whether the contact is still there is asked every %s", human(fit))
		}
		stamp.taken("whether the contact is still there is asked every %s (Config.StillAllowedEvery)", human(fit))
	} else if stamp == nil {
		r.byDefault("Authentication/ApplicationCookie/SecurityStampValidator/ValidateInterval", "00:05:00", "whether the contact is still there is asked every five minutes, where Power Pages asks after thirty")
	}
	secure := r.of(group, "CookieSecure")
	switch value := strings.ToLower(secure.text()); value {
	case "":
	case "always", "true", "1":
		secure.taken("cookies are Secure on https, and the base URL is https but on this machine")
	case "sameasrequest", "never", "false", "0":
		secure.changed("cookies are Secure on https, and the base URL is https but on this machine")
	default:
		secure.wrong("is none of Always, SameAsRequest and Never")
	}
}

// readUniqueEmail finds out whether contacts may share an address. Sources put
// the switch in three places.
func (r *reader) readUniqueEmail() {
	given := []*setting{r.of("UserManager", "UserValidator/RequireUniqueEmail"), r.of("Registration", "RequireUniqueEmail")}
	for _, s := range r.sources() {
		given = append(given, s.get("RequireUniqueEmail"))
	}
	var unique, shared []*setting
	for _, s := range given {
		if on, ok := s.bool(true); ok && on {
			unique = append(unique, s)
		} else if ok {
			shared = append(shared, s)
		}
	}
	for _, s := range append(unique, shared...) {
		if len(unique) > 0 && len(shared) > 0 {
			s.contradicts("RequireUniqueEmail is true in one place and false in another, and there are no two kinds of contacts: make them the same")
		}
	}
	matching := false
	for _, s := range r.providers {
		on, _ := s.get("AllowContactMappingWithEmail").bool(false)
		matching = matching || on
	}
	r.rules.SharedEmail = len(shared) > 0 && !matching
	for _, s := range append(unique, shared...) {
		if matching && len(shared) > 0 {
			s.changed("verified addresses stay unique, which AllowContactMappingWithEmail needs and here does not hinder")
		}
		s.taken("Rules.SharedEmail is %v", r.rules.SharedEmail)
	}
}
