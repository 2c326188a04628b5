package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/securecookie"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// server is a process that answers "/in" to who is signed in, and "/open" to
// everybody without looking.
type server struct {
	name    string
	command func(port, issuer, dir string) (*exec.Cmd, error)

	cmd           *exec.Cmd
	base, cookies string
	in, open      []float64 // processor time of a request in µs, for each round
	perSecond     []float64
}

// servers compares whole servers: one core for each, and the other for wrk.
// Processor time per request is what counts, against the same request where
// nobody looks at its cookies. The servers in Go keep all of jane, the others
// what they keep of themselves of a user who has less to tell.
func servers(r *run) {
	for program, in := range map[string]string{"wrk": "wrk", "taskset": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Printf("\nwithout whole servers, for %s is missing: apt-get install %s\n", program, in)
			return
		}
	}
	op := newProvider()
	defer op.Close()
	dir := must(os.MkdirTemp("", "bench"))
	defer os.RemoveAll(dir)
	check(os.Chmod(dir, 0o755)) // for Apache's own user

	var all []*server
	for _, s := range []*server{
		{name: "oidcrp", command: self("oidcrp")},
		{name: "securecookie and JSON", command: self("securecookie")},
		{name: "scs, memstore", command: self("scs")},
		{name: "mod_auth_openidc, cookie", command: apache},
		{name: "express-openid-connect", command: express},
	} {
		if err := s.start(op, dir); err != nil {
			fmt.Printf("\nwithout %s: %v\n", s.name, err)
			continue
		}
		defer s.stop()
		all = append(all, s)
	}
	for range max(3, r.rounds/3) {
		for _, s := range all {
			cpu, perSecond := s.load("/in")
			s.in, s.perSecond = append(s.in, cpu), append(s.perSecond, perSecond)
			cpu, _ = s.load("/open")
			s.open = append(s.open, cpu)
		}
	}
	fmt.Printf("\nA1 as whole servers, under wrk: µs of processor time for a request\n\n")
	ratio := func(a, b []float64) float64 {
		ratios := make([]float64, len(a))
		for i := range a {
			ratios[i] = a[i] / b[i]
		}
		return median(ratios)
	}
	for _, s := range all {
		fmt.Printf("%-26s %5d B of cookies  %6.0f requests/s  signed in %6.1f  nobody looks %6.1f  x%.2f  x oidcrp %.2f\n",
			s.name, len(s.cookies), median(s.perSecond), median(s.in), median(s.open), ratio(s.in, s.open), ratio(s.in, all[0].in))
	}
	for _, s := range all {
		switch s.name {
		case "oidcrp":
			r.atMost("A1 as a server, x no authentication with as many bytes of cookie", ratio(s.in, s.open), 1.2)
		case "securecookie and JSON":
			r.atLeast("securecookie and JSON, x A1 as a server", ratio(s.in, all[0].in), 2.5)
		case "scs, memstore":
			r.atLeast("scs memstore, x A1 as a server", ratio(s.in, all[0].in), 3.3)
		}
	}
}

// start runs the server on a free port, pinned to the first core, and signs in.
func (s *server) start(op *fakeProvider, dir string) error {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	check(ln.Close())
	cmd, err := s.command(port, op.URL, dir)
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Path, cmd.Args = must(exec.LookPath("taskset")), append([]string{"taskset", "-c", "0"}, cmd.Args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.base = cmd, "http://127.0.0.1:"+port
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(s.base + "/open")
		if err == nil {
			res.Body.Close()
			break
		}
		if time.Now().After(end) {
			s.stop()
			return errors.New("it does not answer")
		}
	}
	if err := s.signIn(); err != nil {
		s.stop()
		return err
	}
	return nil
}

// signIn is a browser's way to "/in", and keeps the cookies it ends with.
func (s *server) signIn() error {
	jar := must(cookiejar.New(nil))
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	address := s.base + "/in"
	for range 10 {
		res := visit(browser, address)
		if res.StatusCode == http.StatusOK {
			var pairs []string
			for _, c := range jar.Cookies(res.Request.URL) {
				pairs = append(pairs, c.Name+"="+c.Value)
			}
			s.cookies = strings.Join(pairs, "; ")
			return nil
		}
		next, err := res.Location()
		if err != nil {
			return fmt.Errorf("the login ends with %s", res.Status)
		}
		if address = next.String(); next.Path == "/authorize" {
			address = signsIn(address)
		}
	}
	return errors.New("the login does not end")
}

func (s *server) stop() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	s.cmd.Wait()
}

var requestsDone = regexp.MustCompile(`(\d+) requests in ([0-9.]+)s`)

// load lets wrk ask for path for two seconds.
func (s *server) load(path string) (cpu, perSecond float64) {
	before := s.cpu()
	out := must(exec.Command("taskset", "-c", strconv.Itoa(runtime.NumCPU()-1), "wrk", "-t1", "-c8", "-d2s", "-H", "Accept: text/html", "-H", "Cookie: "+s.cookies, s.base+path).Output())
	spent := s.cpu() - before
	m := requestsDone.FindSubmatch(out)
	if m == nil || strings.Contains(string(out), "Non-2xx") {
		panic(fmt.Sprintf("%s: %s", s.name, out))
	}
	n := must(strconv.ParseFloat(string(m[1]), 64))
	return float64(spent.Microseconds()) / n, n / must(strconv.ParseFloat(string(m[2]), 64))
}

// cpu is the processor time that the server's processes have used: all of its
// process group, in ticks of 10 ms.
func (s *server) cpu() time.Duration {
	var ticks int64
	for _, file := range must(filepath.Glob("/proc/[0-9]*/stat")) {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(after) // from state on: pgrp is the third, utime and stime the 12th and 13th
		if len(f) > 13 && f[2] == strconv.Itoa(s.cmd.Process.Pid) {
			ticks += must(strconv.ParseInt(f[11], 10, 64)) + must(strconv.ParseInt(f[12], 10, 64))
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// self is this program as one of the servers in Go.
func self(name string) func(port, issuer, dir string) (*exec.Cmd, error) {
	return func(port, _, _ string) (*exec.Cmd, error) {
		cmd := exec.Command(must(os.Executable()), "-serve", name, "-port", port)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		return cmd, nil
	}
}

// serveAlone is such a server; jane is who is signed in, or gets signed in.
func serveAlone(name, port string) {
	page := func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) }
	var in http.Handler
	switch name {
	case "oidcrp":
		h, cookie := ours(nil, func(c *oidcrp.Config) { c.BaseURL = "http://127.0.0.1:" + port })
		in = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Cookie") == "" {
				http.SetCookie(w, &http.Cookie{Name: cookie.Name, Value: cookie.Value, Path: "/"})
			} else {
				h.ServeHTTP(w, r)
			}
			page(w, r)
		})
	case "securecookie":
		sc := securecookie.New(securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32)).SetSerializer(securecookie.JSONEncoder{})
		in = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var u user
			if c, err := r.Cookie("session"); err != nil {
				http.SetCookie(w, &http.Cookie{Name: "session", Value: must(sc.Encode("session", jane)), Path: "/"})
			} else {
				check(sc.Decode("session", c.Value, &u))
				u.reads()
			}
			page(w, r)
		})
	case "scs":
		m := scs.New()
		in = m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if u, ok := m.Get(r.Context(), "user").(user); ok {
				u.reads()
			} else {
				m.Put(r.Context(), "user", jane)
			}
			page(w, r)
		}))
	}
	check(http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/in" {
			in.ServeHTTP(w, r)
			return
		}
		page(w, r)
	})))
}

const apacheConfig = `ServerRoot %[1]s
ServerName 127.0.0.1
Listen 127.0.0.1:%[2]s
PidFile %[1]s/httpd.pid
ErrorLog %[1]s/error.log
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so
MaxKeepAliveRequests 0
DocumentRoot %[1]s/pages
OIDCProviderMetadataURL %[3]s/.well-known/openid-configuration
OIDCClientID app
OIDCClientSecret secret
OIDCProviderTokenEndpointAuth client_secret_post
OIDCRedirectURI http://127.0.0.1:%[2]s/callback
OIDCCryptoPassphrase a-passphrase-of-this-run
OIDCSessionType client-cookie
OIDCScope openid
<Location /in>
AuthType openid-connect
Require valid-user
</Location>
<Location /callback>
AuthType openid-connect
Require valid-user
</Location>
`

// apache is Debian's, with mod_auth_openidc: apt-get install apache2
// libapache2-mod-auth-openidc.
func apache(port, issuer, dir string) (*exec.Cmd, error) {
	if _, err := os.Stat("/usr/lib/apache2/modules/mod_auth_openidc.so"); err != nil {
		return nil, errors.New("apt-get install apache2 libapache2-mod-auth-openidc")
	}
	check(os.MkdirAll(filepath.Join(dir, "pages"), 0o755))
	for _, page := range []string{"in", "open"} {
		check(os.WriteFile(filepath.Join(dir, "pages", page), []byte("ok\n"), 0o644))
	}
	config := filepath.Join(dir, "httpd.conf")
	check(os.WriteFile(config, fmt.Appendf(nil, apacheConfig, dir, port, issuer), 0o644))
	return exec.Command("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", config), nil
}

// express is in the directory of its name: npm ci there.
func express(port, issuer, _ string) (*exec.Cmd, error) {
	if _, err := os.Stat("express/node_modules/express-openid-connect"); err != nil {
		return nil, errors.New("npm --prefix internal/bench/express ci")
	}
	return exec.Command("node", "express/server.mjs", port, issuer), nil
}
