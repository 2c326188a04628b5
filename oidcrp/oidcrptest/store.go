package oidcrptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// TestStore proves that a store keeps the contract of [oidcrp.Store], whatever
// is behind it: that any bytes come back as they were, to 48 KB; that expiry is
// an instant, and replaced with the value; that a miss is no error, and an
// outage no miss; that slices are not shared; that calls may be concurrent.
// Where the store has FindCtx, CommitCtx or DeleteCtx it tries these instead of
// Find, Commit and Delete, as the library does, and Add where there is one.
//
//	func TestSessions(t *testing.T) {
//		oidcrptest.TestStore(t, sqlite3store.New(db))
//	}
//
// Every failure says which promise is broken and what that would do to
// visitors. It uses random tokens and deletes them: a store in use is not
// harmed. It waits some seconds for records to expire; for a store that is in
// this process it can run within testing/synctest, where that takes no time.
// Run it with -race too.
func TestStore(t *testing.T, store oidcrp.Store) {
	t.Helper()
	checkStore(t, store)
}

// storeReport is where failures of a store go.
type storeReport interface {
	Helper()
	Errorf(format string, args ...any)
}

var storeChecks = []struct {
	name  string
	check func(*storeTest)
}{
	{"miss", (*storeTest).miss},
	{"values", (*storeTest).values},
	{"tokens", (*storeTest).tokens},
	{"overwrite", (*storeTest).overwrite},
	{"delete", (*storeTest).delete},
	{"slices", (*storeTest).slices},
	{"context", (*storeTest).contexts},
	{"add", (*storeTest).adds},
	{"concurrency", (*storeTest).concurrency},
	{"expiry", (*storeTest).expiry},
}

func checkStore(r storeReport, store oidcrp.Store) {
	r.Helper()
	if store == nil {
		r.Errorf("store: it is nil")
		return
	}
	for _, c := range storeChecks {
		(&storeTest{report: r, name: c.name, store: store, face: faceOf(store)}).run(c.check)
	}
}

// storeTest is one check of a store.
type storeTest struct {
	report storeReport
	name   string
	store  oidcrp.Store
	face   storeFace
	used   []string // tokens to delete
}

// storeFace is the three methods that the library uses of the store: those
// that take a context, where there are any. The others are not for use then;
// those of scs's goredisstore panic.
type storeFace struct {
	find, commit, remove string // their names
	takesCtx             bool
	ctx                  context.Context
}

// The optional methods.
type (
	finderCtx interface {
		FindCtx(ctx context.Context, token string) (b []byte, found bool, err error)
	}
	committerCtx interface {
		CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error
	}
	deleterCtx interface {
		DeleteCtx(ctx context.Context, token string) error
	}
	adder interface {
		Add(ctx context.Context, token string, b []byte, expiry time.Time) (added bool, err error)
	}
)

func faceOf(store oidcrp.Store) storeFace {
	face := storeFace{find: "Find", commit: "Commit", remove: "Delete", ctx: context.Background()}
	if _, ok := store.(finderCtx); ok {
		face.find, face.takesCtx = "FindCtx", true
	}
	if _, ok := store.(committerCtx); ok {
		face.commit, face.takesCtx = "CommitCtx", true
	}
	if _, ok := store.(deleterCtx); ok {
		face.remove, face.takesCtx = "DeleteCtx", true
	}
	return face
}

// stopped ends a check that cannot go on.
type stopped struct{}

// run makes one check.
func (s *storeTest) run(check func(*storeTest)) {
	s.report.Helper()
	defer s.recovered()
	defer s.clean()
	check(s)
}

func (s *storeTest) recovered() {
	switch p := recover().(type) {
	case nil, stopped:
	default:
		s.errorf("the store panicked: %v", p)
	}
}

// clean removes what a check left behind.
func (s *storeTest) clean() {
	defer func() { _ = recover() }() // that was reported where it mattered
	s.face.ctx = context.Background()
	for _, token := range s.used {
		_ = s.remove(token)
	}
}

func (s *storeTest) errorf(format string, args ...any) {
	s.report.Helper()
	s.report.Errorf("store: %s: %s", s.name, fmt.Sprintf(format, args...))
}

func (s *storeTest) fatalf(format string, args ...any) {
	s.report.Helper()
	s.errorf(format, args...)
	panic(stopped{})
}

// token gives one of the kind the library uses: 43 characters of base64url.
func (s *storeTest) token() string {
	token := (rand.Text() + rand.Text())[:42] + "_"
	s.used = append(s.used, token)
	return token
}

// soon is an expiry that no check lives to see.
func soon() time.Time { return time.Now().Add(time.Hour) }

func (s *storeTest) find(token string) ([]byte, bool, error) {
	if s.face.find == "FindCtx" {
		return s.store.(finderCtx).FindCtx(s.face.ctx, token)
	}
	return s.store.Find(token)
}

func (s *storeTest) commit(token string, b []byte, expiry time.Time) error {
	if s.face.commit == "CommitCtx" {
		return s.store.(committerCtx).CommitCtx(s.face.ctx, token, b, expiry)
	}
	return s.store.Commit(token, b, expiry)
}

func (s *storeTest) remove(token string) error {
	if s.face.remove == "DeleteCtx" {
		return s.store.(deleterCtx).DeleteCtx(s.face.ctx, token)
	}
	return s.store.Delete(token)
}

// put commits a copy of b, and wants that to work.
func (s *storeTest) put(token string, b []byte, expiry time.Time) {
	s.report.Helper()
	if err := s.commit(token, bytes.Clone(b), expiry); err != nil {
		s.fatalf("%s of %s: %v", s.face.commit, shape(b), err)
	}
}

// want wants b under token.
func (s *storeTest) want(token string, b []byte, why string) {
	s.report.Helper()
	got, found, err := s.find(token)
	switch {
	case err != nil:
		s.fatalf("%s: %v", s.face.find, err)
	case !found:
		s.fatalf("%s found nothing where %s had been committed: %s", s.face.find, shape(b), why)
	case !bytes.Equal(got, b):
		s.fatalf("%s returned %s instead of %s: %s", s.face.find, shape(got), shape(b), why)
	}
}

// wantNone wants nothing under token, and no error.
func (s *storeTest) wantNone(token, why string) {
	s.report.Helper()
	b, found, err := s.find(token)
	switch {
	case err != nil:
		s.fatalf("%s returned the error %q where it must find nothing: %s", s.face.find, err, why)
	case found:
		s.fatalf("%s found %s: %s", s.face.find, shape(b), why)
	}
}

// shape shows the beginning of b.
func shape(b []byte) string {
	if len(b) > 24 {
		return fmt.Sprintf("%d bytes (%q…)", len(b), b[:24])
	}
	return fmt.Sprintf("%d bytes (%q)", len(b), b)
}
