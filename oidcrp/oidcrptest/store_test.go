package oidcrptest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestMemoryStoreKeepsTheContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oidcrptest.TestStore(t, oidcrp.NewMemoryStore())
	})
}

func TestStoreOfThreeMethodsKeepsTheContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oidcrptest.TestStore(t, threeMethods{oidcrp.NewMemoryStore()})
	})
}

// threeMethods hides what a store has beyond them.
type threeMethods struct{ oidcrp.Store }

// report collects failures.
type report struct {
	mu    sync.Mutex
	lines []string
}

func (r *report) Helper() {}
func (r *report) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// memory is what a good store has.
type memory interface {
	oidcrp.Store
	FindCtx(ctx context.Context, token string) (b []byte, found bool, err error)
	CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, token string) error
	Add(ctx context.Context, token string, b []byte, expiry time.Time) (added bool, err error)
}

// broken is a store of three methods, any of which may be replaced.
type broken struct {
	good   oidcrp.Store
	find   func(token string) ([]byte, bool, error)
	commit func(token string, b []byte, expiry time.Time) error
	remove func(token string) error
}

func (s *broken) Find(token string) ([]byte, bool, error) {
	if s.find != nil {
		return s.find(token)
	}
	return s.good.Find(token)
}

func (s *broken) Commit(token string, b []byte, expiry time.Time) error {
	if s.commit != nil {
		return s.commit(token, b, expiry)
	}
	return s.good.Commit(token, b, expiry)
}

func (s *broken) Delete(token string) error {
	if s.remove != nil {
		return s.remove(token)
	}
	return s.good.Delete(token)
}

// brokenCtx is a store of which any optional method may be replaced.
type brokenCtx struct {
	memory
	find   func(ctx context.Context, token string) ([]byte, bool, error)
	commit func(ctx context.Context, token string, b []byte, expiry time.Time) error
	remove func(ctx context.Context, token string) error
	add    func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error)
}

func (s *brokenCtx) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	if s.find != nil {
		return s.find(ctx, token)
	}
	return s.memory.FindCtx(ctx, token)
}

func (s *brokenCtx) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	if s.commit != nil {
		return s.commit(ctx, token, b, expiry)
	}
	return s.memory.CommitCtx(ctx, token, b, expiry)
}

func (s *brokenCtx) DeleteCtx(ctx context.Context, token string) error {
	if s.remove != nil {
		return s.remove(ctx, token)
	}
	return s.memory.DeleteCtx(ctx, token)
}

func (s *brokenCtx) Add(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
	if s.add != nil {
		return s.add(ctx, token, b, expiry)
	}
	return s.memory.Add(ctx, token, b, expiry)
}

var errMissing = errors.New("sql: no rows in result set")

// Each defect is caught, by the check and with the words it is for.
func TestEveryDefectOfAStoreIsCaught(t *testing.T) {
	changed := func(f func(b []byte) []byte) func(*broken) {
		return func(s *broken) {
			s.commit = func(token string, b []byte, expiry time.Time) error {
				return s.good.Commit(token, f(bytes.Clone(b)), expiry)
			}
		}
	}
	renamed := func(f func(token string) string) func(*broken) {
		return func(s *broken) {
			s.find = func(token string) ([]byte, bool, error) { return s.good.Find(f(token)) }
			s.commit = func(token string, b []byte, expiry time.Time) error { return s.good.Commit(f(token), b, expiry) }
			s.remove = func(token string) error { return s.good.Delete(f(token)) }
		}
	}
	timed := func(f func(expiry time.Time) time.Time) func(*broken) {
		return func(s *broken) {
			s.commit = func(token string, b []byte, expiry time.Time) error { return s.good.Commit(token, b, f(expiry)) }
		}
	}
	for name, tt := range map[string]struct {
		spoil func(*broken)
		want  string
	}{
		"a miss is an error": {func(s *broken) {
			s.find = func(token string) ([]byte, bool, error) {
				b, found, err := s.good.Find(token)
				if !found {
					err = errMissing
				}
				return b, found, err
			}
		}, "store: miss: Find returned the error"},
		"a miss is found": {func(s *broken) {
			s.find = func(token string) ([]byte, bool, error) {
				b, _, err := s.good.Find(token)
				return b, true, err
			}
		}, "store: miss: Find found 0 bytes"},
		"a miss panics": {func(s *broken) {
			s.find = func(token string) ([]byte, bool, error) {
				if _, found, _ := s.good.Find(token); !found {
					panic([]string{"index out of range"})
				}
				return s.good.Find(token)
			}
		}, "store: miss: the store panicked: [index out of range]"},
		"values end at a zero byte": {changed(func(b []byte) []byte {
			b, _, _ = bytes.Cut(b, []byte{0})
			return b
		}), "store: values: "},
		"values are trimmed": {changed(bytes.TrimSpace), "white space belongs to the value"},
		"values are made UTF-8": {changed(func(b []byte) []byte {
			return bytes.ToValidUTF8(b, []byte("?"))
		}), "store: values: "},
		"values are cut at 32 KB": {changed(func(b []byte) []byte {
			return b[:min(len(b), 32<<10)]
		}), "records have up to 48 KB"},
		"large values are refused": {func(s *broken) {
			s.commit = func(token string, b []byte, expiry time.Time) error {
				if len(b) > 16<<10 {
					return errors.New("value too large")
				}
				return s.good.Commit(token, b, expiry)
			}
		}, "store: values: Commit of 49152 bytes"},
		"finding removes": {func(s *broken) {
			s.find = func(token string) ([]byte, bool, error) {
				defer s.good.Delete(token)
				return s.good.Find(token)
			}
		}, "finding it must not remove it"},
		"tokens of another case are the same": {renamed(strings.ToLower), "store: tokens: "},
		"tokens are cut": {renamed(func(token string) string {
			return token[:min(len(token), 42)]
		}), "store: tokens: "},
		"tokens may have wildcards": {renamed(func(token string) string {
			return "_" + strings.TrimRight(token[1:], "_-")
		}), "store: tokens: "},
		"what is there stays": {func(s *broken) {
			s.commit = func(token string, b []byte, expiry time.Time) error {
				if _, found, _ := s.good.Find(token); found {
					return nil
				}
				return s.good.Commit(token, b, expiry)
			}
		}, "store: overwrite: "},
		"what is there is kept beside": {func(s *broken) {
			s.commit = func(token string, b []byte, expiry time.Time) error {
				old, _, _ := s.good.Find(token)
				return s.good.Commit(token, append(bytes.Clone(b), old[min(len(b), len(old)):]...), expiry)
			}
		}, "a commit replaces the whole value"},
		"commit fails where something is": {func(s *broken) {
			s.commit = func(token string, b []byte, expiry time.Time) error {
				if _, found, _ := s.good.Find(token); found {
					return errors.New("UNIQUE constraint failed")
				}
				return s.good.Commit(token, b, expiry)
			}
		}, "store: overwrite: Commit of"},
		"delete does nothing": {func(s *broken) {
			s.remove = func(string) error { return nil }
		}, "a visitor who signed out must not stay signed in"},
		"deleting what is not there fails": {func(s *broken) {
			s.remove = func(token string) error {
				if _, found, _ := s.good.Find(token); !found {
					return errMissing
				}
				return s.good.Delete(token)
			}
		}, "deleting what is not there must be no error"},
		"a deleted token is dead": {func(s *broken) {
			gone := newSet()
			s.remove = func(token string) error { gone.add(token); return s.good.Delete(token) }
			s.commit = func(token string, b []byte, expiry time.Time) error {
				if gone.has(token) {
					return nil
				}
				return s.good.Commit(token, b, expiry)
			}
		}, "a deleted token can be committed again"},
		"delete removes everything": {func(s *broken) {
			all := newSet()
			s.commit = func(token string, b []byte, expiry time.Time) error {
				all.add(token)
				return s.good.Commit(token, b, expiry)
			}
			s.remove = func(string) error {
				all.each(func(token string) { _ = s.good.Delete(token) })
				return nil
			}
		}, "deleting one token must not touch another"},
		"the slice it was given is kept": {func(s *broken) {
			kept := newSlices()
			s.find = func(token string) ([]byte, bool, error) {
				b, found, err := s.good.Find(token)
				if found {
					b = bytes.Clone(kept.get(token))
				}
				return b, found, err
			}
			s.commit = func(token string, b []byte, expiry time.Time) error {
				kept.set(token, b)
				return s.good.Commit(token, b, expiry)
			}
		}, "the store had kept it"},
		"the slice it returns is its own": {func(s *broken) {
			kept := newSlices()
			s.find = func(token string) ([]byte, bool, error) {
				b, found, err := s.good.Find(token)
				if found {
					b = kept.get(token)
				}
				return b, found, err
			}
			s.commit = func(token string, b []byte, expiry time.Time) error {
				kept.set(token, bytes.Clone(b))
				return s.good.Commit(token, b, expiry)
			}
		}, "the store still used it"},
		"the slice it was given is changed": {func(s *broken) {
			s.commit = func(token string, b []byte, expiry time.Time) error {
				defer clear(b)
				return s.good.Commit(token, b, expiry)
			}
		}, "store: slices: Commit changed the slice"},
		"the room behind the slice is used": {func(s *broken) {
			s.commit = func(token string, b []byte, expiry time.Time) error {
				sealed := append(b, "checksum"...)
				return s.good.Commit(token, sealed[:len(b)], expiry)
			}
		}, "store: slices: Commit changed the slice"},
		"one buffer serves all commits": {func(s *broken) {
			var mu sync.Mutex
			buffer := make([]byte, 0, 64<<10)
			s.commit = func(token string, b []byte, expiry time.Time) error {
				mu.Lock()
				buffer = append(buffer[:0], b...)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				return s.good.Commit(token, bytes.Clone(buffer), expiry)
			}
		}, "store: concurrency: "},
		"it fails when it is busy": {func(s *broken) {
			var mu sync.Mutex
			s.commit = func(token string, b []byte, expiry time.Time) error {
				if !mu.TryLock() {
					return errors.New("database is locked")
				}
				defer mu.Unlock()
				time.Sleep(time.Millisecond)
				return s.good.Commit(token, b, expiry)
			}
		}, "at once: database is locked"},
		"it panics when it is busy": {func(s *broken) {
			var mu sync.Mutex
			s.commit = func(token string, b []byte, expiry time.Time) error {
				if !mu.TryLock() {
					panic("concurrent map writes")
				}
				defer mu.Unlock()
				time.Sleep(time.Millisecond)
				return s.good.Commit(token, b, expiry)
			}
		}, "store: concurrency: the store panicked"},
		"nothing expires": {timed(func(time.Time) time.Time { return soon() }), "sessions would outlive their end"},
		"it expires four seconds late": {timed(func(e time.Time) time.Time {
			return e.Add(4 * time.Second)
		}), "sessions would outlive their end"},
		"everything expires after three seconds": {timed(func(time.Time) time.Time {
			return time.Now().Add(3 * time.Second)
		}), "it has ten seconds to live"},
		"the zone is dropped": {timed(func(e time.Time) time.Time {
			return time.Date(e.Year(), e.Month(), e.Day(), e.Hour(), e.Minute(), e.Second(), 0, time.UTC)
		}), "in whatever zone it is given"},
		"more than 30 days are taken for a date": {timed(func(e time.Time) time.Time {
			if time.Until(e) > 30*24*time.Hour {
				return time.Unix(int64(time.Until(e)/time.Second), 0)
			}
			return e
		}), "it has 400 days to live"},
		"the first expiry stays": {func(s *broken) {
			first := newTimes()
			s.commit = func(token string, b []byte, expiry time.Time) error {
				return s.good.Commit(token, b, first.get(token, expiry))
			}
		}, "a later commit gave it"},
		"the later expiry stays": {func(s *broken) {
			last := newTimes()
			s.commit = func(token string, b []byte, expiry time.Time) error {
				if old := last.get(token, expiry); old.After(expiry) {
					expiry = old
				}
				return s.good.Commit(token, b, expiry)
			}
		}, "a later commit gave it an earlier expiry"},
		"what expired is an error": {func(s *broken) {
			all := newSet()
			s.commit = func(token string, b []byte, expiry time.Time) error {
				all.add(token)
				return s.good.Commit(token, b, expiry)
			}
			s.remove = func(token string) error { all.drop(token); return s.good.Delete(token) }
			s.find = func(token string) ([]byte, bool, error) {
				b, found, err := s.good.Find(token)
				if !found && all.has(token) {
					err = errors.New("expired")
				}
				return b, found, err
			}
		}, "store: expiry: Find of what expired returned the error"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &broken{good: threeMethods{oidcrp.NewMemoryStore()}}
			tt.spoil(s)
			wantCaught(t, s, tt.want)
		})
	}
}

func TestEveryDefectOfAnOptionalMethodIsCaught(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*brokenCtx)
		want  string
	}{
		"a cancelled find is a miss": {func(s *brokenCtx) {
			s.find = func(ctx context.Context, token string) ([]byte, bool, error) {
				if ctx.Err() != nil {
					return nil, false, nil
				}
				return s.Find(token)
			}
		}, "FindCtx with a cancelled context says that there is nothing"},
		"a cancelled commit is a success": {func(s *brokenCtx) {
			s.commit = func(ctx context.Context, token string, b []byte, expiry time.Time) error {
				if ctx.Err() != nil {
					return nil
				}
				return s.Commit(token, b, expiry)
			}
		}, "CommitCtx with a cancelled context returned no error, and committed nothing"},
		"a cancelled delete is a success": {func(s *brokenCtx) {
			s.remove = func(ctx context.Context, token string) error {
				if ctx.Err() != nil {
					return nil
				}
				return s.Delete(token)
			}
		}, "a visitor would not be signed out"},
		"a cancelled add is a refusal": {func(s *brokenCtx) {
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				if ctx.Err() != nil {
					return false, nil
				}
				return s.memory.Add(ctx, token, b, expiry)
			}
		}, "a good login would be refused"},
		"a cancelled add is a success": {func(s *brokenCtx) {
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				if ctx.Err() != nil {
					return true, nil
				}
				return s.memory.Add(ctx, token, b, expiry)
			}
		}, "did not do what it said"},
		"records end with their request": {func(s *brokenCtx) {
			s.commit = func(ctx context.Context, token string, b []byte, expiry time.Time) error {
				context.AfterFunc(ctx, func() { _ = s.Delete(token) })
				return s.memory.CommitCtx(ctx, token, b, expiry)
			}
			s.find = func(ctx context.Context, token string) ([]byte, bool, error) { return s.Find(token) }
			s.memory = settled{s.memory}
		}, "a record must not end with its request"},
		"a cancelled call breaks the store": {func(s *brokenCtx) {
			var mu sync.Mutex
			var dead error
			s.find = func(ctx context.Context, token string) ([]byte, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				if dead == nil {
					dead = ctx.Err()
				}
				if dead != nil {
					return nil, false, dead
				}
				return s.Find(token)
			}
		}, "store: context: FindCtx: context canceled"},
		"the two finds look in two places": {func(s *brokenCtx) {
			s.find = func(ctx context.Context, token string) ([]byte, bool, error) { return s.Find("ctx:" + token) }
		}, "FindCtx found nothing"},
		"FindCtx returns its own slice": {func(s *brokenCtx) {
			kept := newSlices()
			s.find = func(ctx context.Context, token string) ([]byte, bool, error) {
				b, found, err := s.memory.FindCtx(ctx, token)
				if found && !kept.has(token) {
					kept.set(token, b)
				}
				if found {
					b = kept.get(token)
				}
				return b, found, err
			}
			s.commit = func(ctx context.Context, token string, b []byte, expiry time.Time) error {
				kept.set(token, bytes.Clone(b))
				return s.memory.CommitCtx(ctx, token, b, expiry)
			}
		}, "store: slices: "},
		"CommitCtx drops the expiry": {func(s *brokenCtx) {
			s.commit = func(ctx context.Context, token string, b []byte, expiry time.Time) error {
				return s.memory.CommitCtx(ctx, token, b, soon())
			}
		}, "sessions would outlive their end"},
		"DeleteCtx of a miss fails": {func(s *brokenCtx) {
			s.remove = func(ctx context.Context, token string) error {
				if _, found, _ := s.Find(token); !found {
					return errMissing
				}
				return s.memory.DeleteCtx(ctx, token)
			}
		}, "store: delete: DeleteCtx"},
		"Add always adds": {func(s *brokenCtx) {
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				return true, s.memory.CommitCtx(ctx, token, b, expiry)
			}
		}, "a login could be finished twice"},
		"Add never adds": {func(s *brokenCtx) {
			s.add = func(context.Context, string, []byte, time.Time) (bool, error) { return false, nil }
		}, "Add returned false: nothing was there"},
		"Add replaces and tells the truth": {func(s *brokenCtx) {
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				added, err := s.memory.Add(ctx, token, b, expiry)
				if err == nil && !added {
					err = s.memory.CommitCtx(ctx, token, b, expiry)
				}
				return added, err
			}
		}, "Add must not replace what is there"},
		"Add fails where something is": {func(s *brokenCtx) {
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				added, err := s.memory.Add(ctx, token, b, expiry)
				if err == nil && !added {
					err = errors.New("UNIQUE constraint failed")
				}
				return added, err
			}
		}, "store: add: Add: UNIQUE constraint failed"},
		"Add keeps its slice": {func(s *brokenCtx) {
			kept := newSlices()
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				added, err := s.memory.Add(ctx, token, b, expiry)
				if added {
					kept.set(token, b)
				}
				return added, err
			}
			s.find = func(ctx context.Context, token string) ([]byte, bool, error) {
				b, found, err := s.memory.FindCtx(ctx, token)
				if found && kept.has(token) {
					b = kept.get(token)
				}
				return b, found, err
			}
		}, "the caller changed the slice it had added"},
		"Add looks, and then commits": {func(s *brokenCtx) {
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				if _, found, err := s.memory.FindCtx(ctx, token); found || err != nil {
					return false, err
				}
				time.Sleep(time.Millisecond)
				return true, s.memory.CommitCtx(ctx, token, b, expiry)
			}
		}, "of 16 that called Add for one token at once, 16"},
		"Add panics when it is busy": {func(s *brokenCtx) {
			var mu sync.Mutex
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				if !mu.TryLock() {
					panic("busy")
				}
				defer mu.Unlock()
				time.Sleep(time.Millisecond)
				return s.memory.Add(ctx, token, b, expiry)
			}
		}, "16 at once: the store panicked: busy"},
		"Add drops the expiry": {func(s *brokenCtx) {
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				return s.memory.Add(ctx, token, b, soon())
			}
		}, "it was added, and expired"},
		"Add remembers what expired": {func(s *brokenCtx) {
			seen := newSet()
			s.add = func(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
				added, err := s.memory.Add(ctx, token, b, expiry)
				if added && time.Until(expiry) < time.Minute {
					seen.add(token)
				} else if added && seen.has(token) {
					added = false
				}
				return added, err
			}
		}, "Add where a record expired: false"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &brokenCtx{memory: oidcrp.NewMemoryStore().(memory)}
			tt.spoil(s)
			wantCaught(t, s, tt.want)
		})
	}
}

// A store whose methods without a context are not for use, like scs's
// goredisstore.
func TestStoreOfContextMethodsKeepsTheContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oidcrptest.TestStore(t, contextOnly{oidcrp.NewMemoryStore().(memory)})
	})
}

type contextOnly struct{ memory }

func (contextOnly) Find(string) ([]byte, bool, error)      { panic("missing context arg") }
func (contextOnly) Commit(string, []byte, time.Time) error { panic("missing context arg") }
func (contextOnly) Delete(string) error                    { panic("missing context arg") }

func TestNilStoreIsCaught(t *testing.T) { wantCaught(t, nil, "store: it is nil") }

// wantCaught wants a failure with the words in it.
func wantCaught(t *testing.T, store oidcrp.Store, words string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var r report
		oidcrptest.CheckStore(&r, store)
		for _, line := range r.lines {
			if strings.Contains(line, words) {
				return
			}
		}
		t.Errorf("not caught; the failures are:\n%s", strings.Join(r.lines, "\n"))
	})
}

func soon() time.Time { return time.Now().Add(time.Hour) }

// settled lets what a context set off happen before it looks.
type settled struct{ memory }

func (s settled) Find(token string) ([]byte, bool, error) {
	time.Sleep(time.Millisecond)
	return s.memory.Find(token)
}

// set, slices and times are maps with a lock.
type set struct{ m sync.Map }

func newSet() *set                 { return new(set) }
func (s *set) add(token string)    { s.m.Store(token, true) }
func (s *set) drop(token string)   { s.m.Delete(token) }
func (s *set) has(t string) bool   { _, ok := s.m.Load(t); return ok }
func (s *set) each(f func(string)) { s.m.Range(func(k, _ any) bool { f(k.(string)); return true }) }

type kept struct{ m sync.Map }

func newSlices() *kept                     { return new(kept) }
func (k *kept) set(token string, b []byte) { k.m.Store(token, b) }
func (k *kept) has(token string) bool      { _, ok := k.m.Load(token); return ok }
func (k *kept) get(token string) []byte    { b, _ := k.m.Load(token); return b.([]byte) }

type times struct{ m sync.Map }

func newTimes() *times { return new(times) }

// get returns the first time that was given for the token.
func (t *times) get(token string, now time.Time) time.Time {
	first, _ := t.m.LoadOrStore(token, now)
	return first.(time.Time)
}
