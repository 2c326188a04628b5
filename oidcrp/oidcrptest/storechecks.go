package oidcrptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"time"
)

func (s *storeTest) miss() {
	s.wantNone(s.token(), "a token that was never committed must give found false and no error, or every visitor whose session is gone gets an error page")
}

// values are what sealed records may look like, which is anything.
func (s *storeTest) values() {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	large := make([]byte, 48<<10)
	rand.Read(large)
	large[0], large[len(large)-1] = 1, 1 // white space there has a value of its own
	for why, b := range map[string][]byte{
		"one byte, as the mark of an ended session is": {1},
		"zero bytes are values like all others":        {0, 0, 'a', 0, 'b', 0, 0},
		"all bytes are values":                         all,
		"values need not be UTF-8":                     {0xff, 0xfe, 0xc3, 0x28, 0x80},
		"white space belongs to the value":             []byte(" \t\r\n value \r\n\x00 "),
		"quotes and markup are values":                 []byte(`'; "\x00" %s $1 ? <a> \ {}` + "`"),
		"records have up to 48 KB":                     large,
	} {
		token := s.token()
		s.put(token, b, soon())
		s.want(token, b, why)
		s.want(token, b, "finding it must not remove it")
	}
}

// tokens that a careless index takes for one.
func (s *storeTest) tokens() {
	base := s.token()
	list := []string{base, strings.ToLower(base), base[:42] + "-", base[:42], base + "x", "_" + base[1:]}
	for i, token := range list {
		s.used = append(s.used, token)
		s.put(token, []byte{byte(i)}, soon())
	}
	for i, token := range list {
		s.want(token, []byte{byte(i)}, "tokens that differ in case, in their last character or in length are different tokens, and mixing them up signs visitors in as others")
	}
}

func (s *storeTest) overwrite() {
	token, other := s.token(), s.token()
	s.put(other, []byte("other"), soon())
	for _, b := range [][]byte{[]byte("first"), []byte("a second and longer one"), []byte("3"), []byte("first")} {
		s.put(token, b, soon())
		s.want(token, b, "a commit replaces the whole value")
	}
	s.want(other, []byte("other"), "a commit to one token must not touch another")
}

func (s *storeTest) delete() {
	token, other := s.token(), s.token()
	s.put(token, []byte("value"), soon())
	s.put(other, []byte("other"), soon())
	if err := s.remove(token); err != nil {
		s.fatalf("%s: %v", s.face.remove, err)
	}
	s.wantNone(token, "it was deleted, and a visitor who signed out must not stay signed in")
	s.want(other, []byte("other"), "deleting one token must not touch another")
	if err := s.remove(token); err != nil {
		s.fatalf("%s of what is deleted already: %v; deleting what is not there must be no error", s.face.remove, err)
	}
	if err := s.remove(s.token()); err != nil {
		s.fatalf("%s of what never was: %v; deleting what is not there must be no error", s.face.remove, err)
	}
	s.put(token, []byte("again"), soon())
	s.want(token, []byte("again"), "a deleted token can be committed again")
}

// slices belong to whoever made them.
func (s *storeTest) slices() {
	token, want := s.token(), []byte("the value")
	given := append(make([]byte, 0, 64), want...)
	if err := s.commit(token, given, soon()); err != nil {
		s.fatalf("%s: %v", s.face.commit, err)
	}
	if !bytes.Equal(given, want) || !bytes.Equal(given[:cap(given)][len(given):], make([]byte, 64-len(want))) {
		s.fatalf("%s changed the slice it was given", s.face.commit)
	}
	clear(given)
	s.want(token, want, "the caller changed the slice it had committed, and the store had kept it: copy it")
	got, _, _ := s.find(token)
	clear(got)
	_ = append(got, "more"...)
	s.want(token, want, "the caller changed the slice it had been given, and the store still used it: return a fresh one")
	one, _, _ := s.find(token)
	two, _, _ := s.find(token)
	clear(one)
	if !bytes.Equal(two, want) {
		s.fatalf("two calls of %s returned the same slice: return a fresh one", s.face.find)
	}
}

// contexts that are done may be heeded or not, but nothing may be pretended.
func (s *storeTest) contexts() {
	if !s.face.takesCtx {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.face.ctx = ctx
	token := s.token()
	s.put(token, []byte("value"), soon())
	s.want(token, []byte("value"), "with a context")
	cancel()
	s.face.ctx = context.Background()
	s.want(token, []byte("value"), "the context it was committed with has ended since, and a record must not end with its request")

	s.face.ctx = ctx
	b, found, err := s.find(token)
	if err == nil && (!found || string(b) != "value") {
		s.errorf("%s with a cancelled context says that there is nothing, and no error: a visitor who is signed in would be taken for a stranger; return the context's error", s.face.find)
	}
	committed := s.token()
	commitErr := s.commit(committed, []byte("value"), soon())
	removeErr := s.remove(token)

	s.face.ctx = context.Background()
	if commitErr == nil {
		s.wantDone(committed, true, s.face.commit+" with a cancelled context returned no error, and committed nothing")
	}
	if removeErr == nil {
		s.wantDone(token, false, s.face.remove+" with a cancelled context returned no error, and deleted nothing: a visitor would not be signed out")
	}
	again := s.token()
	s.put(again, []byte("value"), soon())
	s.want(again, []byte("value"), "a cancelled call must not break the store for those after it")
}

// wantDone wants what a call without an error said it did.
func (s *storeTest) wantDone(token string, want bool, why string) {
	s.report.Helper()
	if _, found, err := s.find(token); err != nil || found != want {
		s.errorf("%s", why)
	}
}

// grace is how much later than told a record may go: some stores count in
// whole seconds.
const grace = 2 * time.Second

// expiry commits all that expires or must not, and waits once.
func (s *storeTest) expiry() {
	const short = 2 * time.Second
	far := time.FixedZone("far east", 14*3600)
	west := time.FixedZone("far west", -11*3600)
	value := []byte("value")

	type record struct{ token, why string }
	var going, staying []record
	goes := func(why string, commits ...time.Time) {
		token := s.token()
		for _, expiry := range commits {
			s.put(token, value, expiry)
		}
		going = append(going, record{token, why})
		s.want(token, value, "it has two seconds to live")
	}
	stays := func(why string, commits ...time.Time) {
		token := s.token()
		for _, expiry := range commits {
			s.put(token, value, expiry)
		}
		staying = append(staying, record{token, why})
		s.want(token, value, why)
	}
	now := time.Now()
	stays("its expiry is an instant, in whatever zone it is given", now.Add(time.Hour).In(far))
	stays("its expiry is an instant, in whatever zone it is given", now.Add(time.Hour).In(west))
	stays("it has 400 days to live", now.Add(400*24*time.Hour))
	stays("a later commit gave it a later expiry", now.Add(short), now.Add(time.Hour))
	stays("it has ten seconds to live", now.Add(10*time.Second+grace))
	goes("it expired", time.Now().Add(short))
	goes("it expired: its expiry is an instant, in whatever zone it is given", time.Now().Add(short).In(far))
	goes("it expired: its expiry is an instant, in whatever zone it is given", time.Now().Add(short).In(west))
	goes("it expired: a later commit gave it an earlier expiry", time.Now().Add(time.Hour), time.Now().Add(short))

	add, _ := s.store.(adder)
	var readd string
	if add != nil {
		readd = s.token()
		if added, err := add.Add(context.Background(), readd, value, time.Now().Add(short)); !added || err != nil {
			s.fatalf("Add: %t, %v", added, err)
		}
		going = append(going, record{readd, "it was added, and expired"})
	}

	last := time.Now().Add(short + grace)
	for _, r := range going {
		for {
			_, found, err := s.find(r.token)
			if err != nil {
				s.fatalf("%s of what expired returned the error %q: it must be a miss", s.face.find, err)
			}
			if !found {
				break
			}
			if time.Now().After(last) {
				s.errorf("%s still finds a record %v after its expiry (%s): sessions would outlive their end", s.face.find, grace, r.why)
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	for _, r := range staying {
		if _, found, err := s.find(r.token); err != nil || !found {
			s.errorf("%s finds a record no more before its expiry (%t, %v): %s", s.face.find, found, err, r.why)
		}
	}
	if readd == "" {
		return
	}
	if added, err := add.Add(context.Background(), readd, value, soon()); !added || err != nil {
		s.errorf("Add where a record expired: %t, %v; it must be as if nothing had been there", added, err)
	}
}
