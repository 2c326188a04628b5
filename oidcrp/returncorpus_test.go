package oidcrp_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What return URLs are made of that mean to leave the site: how an address can
// begin, whose host follows, and what comes behind it.
var (
	leavingStarts = []string{
		"", "/", "//", "///", "////", `\`, `\\`, `/\`, `\/`, `/\/`, `//\`, `/\\`, `///\`,
		"/.//", "/./", "/..//", "/../", "//..//", "/x/..//", "/%2e//", "/%2e%2e//", "/.%2E//", "/%2E/%2e//", "/.;//", "/;//",
		"/%09/", "/%0a/", "/%0d%0a/", "/%5c", "/%5C/", "/%2f", "/%2F/", "%2f%2f", "%5c%5c", "/%00/", "/%252f", "/%", "/%zz/",
		"/\t/", "\t//", "/\t\\", "/\n/", "/\r/", "/\r\n/", "/\v/", "/\f/", "/\x00/", "\x00//", "/\x1f/", "/\x7f/", "/\x85/", " //", "/ /", "/ \\",
		"\u00a0//", "\u3000//", "\ufeff//", "\u200b//", "/\u2028/", "/\u2029/", "／／", "/／", "⁄⁄", "/⁄", "∕∕", "/＼", "＼＼", "/\xc0\xaf", "/\xe0\x80\xaf", "/\xff/",
		"http:", "https:", "HTTPS:", "https:/", "https://", "hTTp://", "https:///", `https:\\`, `https:/\`, `https:\`, "ht\ttps://", "htt\nps:", "\x01https://", " https://", "https%3a//", "https&colon;//",
		"javascript:", "JaVaScRiPt:", "java\nscript:", "\x00javascript:", "javascript://", "data:text/html,", "data:text/html;base64,", "vbscript:", "blob:https://", "file:///", "ftp://", "ws://", "view-source:https://", "about:", "mailto:", "x:",
		"?", "#", ".", "..", "./", "../", ";", "@", ":", "~/", "*", "&", "/@", "//@", "//:@", "/?/", "/#/", "/:/",
	}
	leavingHosts = []string{
		"evil.example", "EVIL.example.", "evil。example", "evil．example", "evil%E3%80%82example", "e\u00advil.example", "evil.example:443", "evil.example:80/x",
		"app.example@evil.example", "app.example:443@evil.example", "app.example%40evil.example", "app.example.evil.example", "app.example%00.evil.example",
		`evil.example\@app.example`, "evil.example#@app.example", "evil.example?@app.example", "evil.example;app.example", "evil.example%2f@app.example", "app.example\t@evil.example",
		"[::1]", "[::ffff:127.0.0.1]", "127.1", "0x7f000001", "0177.0.0.1", "2130706433", "①②⑦.⓪.⓪.①", "xn--80ak6aa92e.example", "evil",
	}
	leavingEnds = []string{"", "/", "/reports", "?a=b", "#x", "//", "/..", `\`, "%2f..", ":0"}
)

// returnsHome are return URLs of ours, and the page each leads to: a corpus in
// which nothing is accepted would test nothing.
var returnsHome = [][2]string{
	{"/reports", "/reports"},
	{"/reports?to=https://evil.example/&n=1", "/reports?to=https://evil.example/&n=1"},
	{"/a%2fb/c;d=e@f:80", "/a%2fb/c;d=e@f:80"},
	{"/https://evil.example", "/https://evil.example"},
	{"/รายงาน", "/%E0%B8%A3%E0%B8%B2%E0%B8%A2%E0%B8%87%E0%B8%B2%E0%B8%99"},
	{"/reports#x", "/reports"},
}

// leavingURLs joins them: every start meets every kind of host, in turn.
func leavingURLs() []string {
	var all []string
	for i, start := range leavingStarts {
		for j := range 4 {
			host := leavingHosts[(i+7*j)%len(leavingHosts)]
			all = append(all, start+host+leavingEnds[(i*3+j)%len(leavingEnds)])
		}
		// The same behind what is almost our own address.
		all = append(all, "https://app.example"+start+"evil.example"+leavingEnds[i%len(leavingEnds)])
	}
	for _, host := range leavingHosts {
		all = append(all, "//"+host, "https://"+host+"/", `/\`+host, "/\t/"+host, "https:"+host)
	}
	for _, c := range "\x00\x01\t\n\v\f\r\x1f \x7f\u0085\u00a0\u200b\u2028\u202e\u3000\ufeff\\" { // first, in the middle, and last
		all = append(all, string(c)+"//evil.example", "/"+string(c)+"/evil.example", "//"+string(c)+"evil.example", "//evil.example"+string(c), "/reports"+string(c))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// returnCorpus is read by a browser and by a WHATWG URL parser too, in
// internal/e2e: a quoted string on each line.
const returnCorpus = "../testdata/returnto/leaving.txt"

// returnCorpusIsShared: what is tried here is what is tried there.
func returnCorpusIsShared(t *testing.T) {
	var want bytes.Buffer
	for _, raw := range leavingURLs() {
		fmt.Fprintln(&want, strconv.QuoteToASCII(raw))
	}
	if *update {
		if err := os.WriteFile(returnCorpus, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(returnCorpus)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what is tried here: run with -update", returnCorpus)
	}
	if n := strings.Count(want.String(), "\n"); n < 500 {
		t.Errorf("%d return URLs", n)
	}
}

// leavesUs says why a Location is not, however it is read, an address of origin
// at path or below; "" if it is one. It reads more strictly than any browser.
func leavesUs(origin, path, location string) string {
	rest, ours := strings.CutPrefix(location, origin)
	switch {
	case !ours:
		return "another origin"
	case rest == "" || rest[0] != '/':
		return "the host goes on"
	case strings.HasPrefix(rest, "//"):
		return "two slashes"
	case strings.ContainsFunc(rest, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }):
		return "a byte that browsers change"
	}
	rest, _, _ = strings.Cut(rest, "?")
	for segment := range strings.SplitSeq(strings.ReplaceAll(strings.ToLower(rest), "%2e", "."), "/") {
		if segment == "." || segment == ".." {
			return "a path that browsers resolve"
		}
	}
	if rest, ours = strings.CutPrefix(rest, path); !ours || rest != "" && rest[0] != '/' {
		return "not below our path"
	}
	return ""
}
