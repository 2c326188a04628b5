package oidcrptest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	logoutEvent         = "http://schemas.openid.net/event/backchannel-logout"
	logoutTokenLifetime = 2 * time.Minute // Back-Channel Logout 4
)

func logoutEvents() map[string]any { return map[string]any{logoutEvent: map[string]any{}} }

// BackchannelLogout is a logout token that a [Provider] sent to a client, and
// what the client answered.
type BackchannelLogout struct {
	ClientID string
	Token    string
	Status   int // 0: there was no answer
	Header   http.Header
	Body     string
	Err      error // why there was no answer
}

// LogoutToken makes a logout token for a client (Back-Channel Logout 2.4), as
// the provider's faults want it, and sends it nowhere: see
// [Provider.SendLogoutToken]. subject or sid may be "", which leaves the claim
// out. It is signed and encrypted as the client's ID tokens are. It panics
// when there is no such client, or no key to encrypt to.
func (p *Provider) LogoutToken(clientID, subject, sid string) string {
	c, ok := p.client(clientID)
	if !ok {
		panic(fmt.Sprintf("oidcrptest: LogoutToken: no client %q", clientID))
	}
	token, err := p.logoutToken(context.Background(), c, subject, sid)
	if err != nil {
		panic("oidcrptest: LogoutToken: " + err.Error())
	}
	return token
}

func (p *Provider) logoutToken(ctx context.Context, c Client, subject, sid string) (string, error) {
	alg := c.Algorithm // Back-Channel Logout 2.6
	if alg == "" {
		alg = p.defaultAlgorithm()
	}
	t := p.newJWT(alg, c, nil)
	t.Header["typ"] = "logout+jwt"
	t.Claims = map[string]any{
		"iss":    p.issuer,
		"aud":    c.ID,
		"iat":    t.Now.Unix(),
		"exp":    t.Now.Add(logoutTokenLifetime).Unix(),
		"jti":    random(),
		"events": logoutEvents(),
	}
	if subject != "" {
		t.Claims["sub"] = subject
	}
	if sid != "" {
		t.Claims["sid"] = sid
	}
	for _, f := range p.activeFaults() {
		if f.LogoutToken != nil {
			f.LogoutToken(&t)
		}
	}
	return p.encrypt(ctx, c, c.IDTokenEncryption, t.serialize(), "JWT")
}

// SendLogoutToken posts a token to a client's BackchannelLogoutURL, whatever
// it is: one of [Provider.LogoutToken], an old one again, one of another
// provider. Like all that the provider sends it comes with a parameter nobody
// knows (Back-Channel Logout 2.5), and is given up after five seconds. It
// panics when there is no such client, or it has no such URL.
func (p *Provider) SendLogoutToken(clientID, token string) BackchannelLogout {
	c, ok := p.client(clientID)
	if !ok || c.BackchannelLogoutURL == "" {
		panic(fmt.Sprintf("oidcrptest: SendLogoutToken: no client %q with a BackchannelLogoutURL", clientID))
	}
	sent := p.postLogoutToken(context.Background(), c, token)
	p.keepLogouts(sent)
	return sent
}

// BackchannelLogouts returns the logout tokens sent so far, oldest first, with
// their answers; at most a thousand are kept. [Provider.ResetCalls] forgets
// them.
func (p *Provider) BackchannelLogouts() []BackchannelLogout {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.logouts)
}

// SignOut ends all sessions of a user, as an administrator would, with their
// access tokens but for those with offline_access, and tells the clients that
// took part. A client gets one logout token with the subject alone, or with
// BackchannelLogoutSessionRequired one with subject and sid for each session.
// It returns when all have answered, with what they answered, or five seconds
// later. It panics when there is no such user.
func (p *Provider) SignOut(subject string) []BackchannelLogout {
	p.mu.Lock()
	if p.findUser(subject) == nil {
		p.mu.Unlock()
		panic(fmt.Sprintf("oidcrptest: SignOut: no user %q", subject))
	}
	var ended []*session
	for _, s := range p.sessions {
		if s.subject == subject {
			ended = append(ended, s)
		}
	}
	slices.SortFunc(ended, func(a, b *session) int {
		return cmp.Or(a.authTime.Compare(b.authTime), strings.Compare(a.sid, b.sid))
	})
	var notices []logoutNotice
	for _, c := range p.clients {
		for _, s := range ended {
			if !slices.Contains(s.clients, c.ID) {
				continue
			}
			if !c.BackchannelLogoutSessionRequired {
				notices = append(notices, logoutNotice{c, subject, ""})
				break
			}
			notices = append(notices, logoutNotice{c, subject, s.sid})
		}
	}
	p.forget(ended...)
	p.mu.Unlock()
	return p.tell(context.Background(), notices)
}

// logoutNotice is a logout token to be made and sent.
type logoutNotice struct {
	client       Client
	subject, sid string
}

// participants are the clients that took part in a session, in the order of
// their registration.
func (p *Provider) participants(s *session) []Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Client
	for _, c := range p.clients {
		if slices.Contains(s.clients, c.ID) {
			found = append(found, c)
		}
	}
	return found
}

// tell sends logout tokens to those clients that take them, at once, and
// waits for the answers.
func (p *Provider) tell(ctx context.Context, notices []logoutNotice) []BackchannelLogout {
	notices = slices.DeleteFunc(notices, func(n logoutNotice) bool { return n.client.BackchannelLogoutURL == "" })
	sent := make([]BackchannelLogout, len(notices))
	var wg sync.WaitGroup
	for i, n := range notices {
		wg.Go(func() {
			token, err := p.logoutToken(ctx, n.client, n.subject, n.sid)
			if err != nil {
				sent[i] = BackchannelLogout{ClientID: n.client.ID, Err: err}
				return
			}
			sent[i] = p.postLogoutToken(ctx, n.client, token)
		})
	}
	wg.Wait()
	p.keepLogouts(sent...)
	return sent
}

func (p *Provider) keepLogouts(sent ...BackchannelLogout) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logouts = append(p.logouts, sent...)
	p.logouts = p.logouts[max(0, len(p.logouts)-maxRequestsKept):]
}

// postLogoutToken sends one (Back-Channel Logout 2.5). A browser that goes
// away must not keep the clients from hearing of it.
func (p *Provider) postLogoutToken(ctx context.Context, c Client, token string) BackchannelLogout {
	sent := BackchannelLogout{ClientID: c.ID, Token: token}
	p.mu.Lock()
	client := p.http
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	form := url.Values{"logout_token": {token}, "not_in_the_specification": {"1"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BackchannelLogoutURL, strings.NewReader(form.Encode()))
	if err != nil {
		sent.Err = err
		return sent
	}
	req.Header.Set("Content-Type", urlencoded)
	res, err := client.Do(req)
	if err != nil {
		sent.Err = err
		return sent
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		sent.Err = err
		return sent
	}
	sent.Status, sent.Header, sent.Body = res.StatusCode, res.Header, string(body)
	return sent
}

// logoutURLProblem says what is wrong with where a client is told of the end
// of a session (Back-Channel Logout 2.2, Front-Channel Logout 2); "" if
// nothing is.
func logoutURLProblem(backchannel, frontchannel string, redirectURLs []string) string {
	if backchannel != "" && !isWebURL(backchannel) {
		return "the back-channel logout URL must be an http or https URL without a fragment: " + backchannel
	}
	if frontchannel == "" {
		return ""
	}
	if !isWebURL(frontchannel) {
		return "the front-channel logout URL must be an http or https URL without a fragment: " + frontchannel
	}
	front, _ := url.Parse(frontchannel)
	for _, redirectURL := range redirectURLs {
		if u, err := url.Parse(redirectURL); err == nil && origin(u) == origin(front) {
			return ""
		}
	}
	return "the front-channel logout URL must have the origin of a redirect URL: " + frontchannel
}

func isWebURL(rawURL string) bool {
	u, err := url.Parse(rawURL)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && !strings.Contains(rawURL, "#")
}
