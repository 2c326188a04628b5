package transaction_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

var ctx = context.Background()

// T005, T006.
func TestSpendOnce(t *testing.T) {
	d, c := newDesk(t)
	b := newBrowser()
	one, two := b.start(t, d, transaction.Begin{}), b.start(t, d, transaction.Begin{})
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			tx, err := d.Open(b.request(callback), one.State, callback)
			if err != nil {
				t.Error(err)
				return
			}
			switch err := d.Spend(ctx, tx); {
			case err == nil:
				passed.Add(1)
			case !errors.Is(err, transaction.ErrSpent):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 1 {
		t.Errorf("spent %d times, want once", n)
	}
	if err := d.Spend(ctx, two); err != nil {
		t.Errorf("the other tab: %v", err)
	}
	c.advance(transaction.DefaultTimeout)
	if _, err := d.Open(b.request(callback), one.State, callback); err != nil {
		t.Errorf("the state does not open any more: %v", err)
	}
	if err := d.Spend(ctx, one); !errors.Is(err, transaction.ErrSpent) {
		t.Errorf("forgotten while the state opens: %v", err)
	}
}

// A state started by a clock ahead of ours opens for longer, and so long it
// must be remembered.
func TestSpentIsRememberedWhileTheStateOpens(t *testing.T) {
	d, c := newDesk(t)
	b := newBrowser()
	tx := b.start(t, d, transaction.Begin{})
	c.advance(-time.Minute)
	if err := d.Spend(ctx, tx); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute + transaction.DefaultTimeout)
	d.Spend(ctx, b.start(t, d, transaction.Begin{}))
	if err := d.Spend(ctx, tx); !errors.Is(err, transaction.ErrSpent) {
		t.Errorf("%v, want ErrSpent", err)
	}
}

func TestSpentIsBounded(t *testing.T) {
	d, c := newDesk(t)
	d.LimitSpent(4)
	b := newBrowser()
	var txs []*transaction.Transaction
	for range 6 {
		txs = append(txs, b.start(t, d, transaction.Begin{}))
	}
	spend := func(i int, want error) {
		t.Helper()
		if err := d.Spend(ctx, txs[i]); !errors.Is(err, want) {
			t.Errorf("transaction %d: %v, want %v", i, err, want)
		}
	}
	for i := range 4 {
		spend(i, nil)
	}
	spend(0, transaction.ErrSpent) // full, and it does not push itself out
	spend(4, nil)                  // pushes out the oldest
	for i := 1; i < 5; i++ {
		spend(i, transaction.ErrSpent)
	}
	c.advance(transaction.DefaultTimeout + time.Hour)
	spend(5, nil)
	if ids, queued := d.Remembered(); ids != 1 || queued != 1 {
		t.Errorf("%d ids and %d entries after all expired, want 1", ids, queued)
	}
	for range 1000 {
		if err := d.Spend(ctx, b.start(t, d, transaction.Begin{})); err != nil {
			t.Fatal(err)
		}
	}
	if ids, queued := d.Remembered(); ids != 4 || queued > 10 {
		t.Errorf("%d ids and %d entries, want 4 and not many more", ids, queued)
	}
}

// nodes share what Add wrote, as a store's SET NX does.
type nodes struct {
	mu   sync.Mutex
	keys map[string]time.Time
	err  error
}

func (n *nodes) add(_ context.Context, key string, b []byte, expiry time.Time) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return false, n.err
	}
	if _, there := n.keys[key]; there {
		return false, nil
	}
	n.keys[key] = expiry
	return len(b) > 0, nil
}

func TestSpendOnTwoNodes(t *testing.T) {
	shared := &nodes{keys: make(map[string]time.Time)}
	with := func(c *transaction.Config) { c.Add = shared.add }
	one, _ := newDesk(t, with)
	two, _ := newDesk(t, with)
	b := newBrowser()
	tx := b.start(t, one, transaction.Begin{})
	if err := one.Spend(ctx, tx); err != nil {
		t.Fatal(err)
	}
	if err := two.Spend(ctx, tx); !errors.Is(err, transaction.ErrSpent) {
		t.Errorf("on the other node: %v, want ErrSpent", err)
	}
	for key, expiry := range shared.keys {
		if !regexp.MustCompile(`^[\w-]{43}$`).MatchString(key) {
			t.Errorf("key %q", key)
		}
		if !expiry.After(t0.Add(transaction.DefaultTimeout)) {
			t.Errorf("kept until %s, before the state expires", expiry)
		}
	}
	elsewhere, _ := newDesk(t, with, func(c *transaction.Config) { c.Site = newSite(t, "https://other.example") })
	if err := elsewhere.Spend(ctx, tx); err != nil {
		t.Errorf("two sites share a key: %v", err)
	}
	shared.err = errors.New("store is down")
	if err := one.Spend(ctx, tx); !errors.Is(err, transaction.ErrSpent) {
		t.Errorf("what was spent here: %v, want ErrSpent without asking the store", err)
	}
}

func TestSpendWhenTheStoreFails(t *testing.T) {
	shared := &nodes{keys: make(map[string]time.Time), err: errors.New("store is down")}
	d, _ := newDesk(t, func(c *transaction.Config) { c.Add = shared.add })
	tx := newBrowser().start(t, d, transaction.Begin{})
	if err := d.Spend(ctx, tx); !errors.Is(err, shared.err) || errors.Is(err, transaction.ErrSpent) {
		t.Errorf("%v, want the store's error", err)
	}
	if ids, queued := d.Remembered(); ids != 0 || queued != 0 {
		t.Errorf("%d ids and %d entries remembered of it", ids, queued)
	}
	shared.err = nil
	if err := d.Spend(ctx, tx); err != nil {
		t.Errorf("after the store came back: %v", err)
	}
	if err := d.Spend(ctx, tx); !errors.Is(err, transaction.ErrSpent) {
		t.Errorf("a second time: %v, want ErrSpent", err)
	}
}

// T088: the third round in a row is a page.
func TestLoop(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	for range 2 {
		b.start(t, d, transaction.Begin{})
		b.finish(d)
	}
	if _, err := b.tryStart(d, transaction.Begin{}); !errors.Is(err, transaction.ErrLoop) {
		t.Fatalf("third round: %v, want ErrLoop", err)
	}
	b.finish(d)
	if _, err := b.tryStart(d, transaction.Begin{}); !errors.Is(err, transaction.ErrLoop) {
		t.Errorf("one that was on its way finished: %v, want ErrLoop still", err)
	}
	b.do("/auth/login", d.Replace)
	b.start(t, d, transaction.Begin{})
}

func TestLoadedEndsTheCount(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	for range 10 {
		b.start(t, d, transaction.Begin{})
		b.finish(d)
		before := b.binding(t).Value
		b.load(d)
		if after := b.binding(t).Value; after[:43] != before[:43] {
			t.Fatal("the binding changed")
		}
	}
}

// Ten tabs restored at once are ten starts and no loop.
func TestStartsAreNotRounds(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	for range 10 {
		b.start(t, d, transaction.Begin{})
	}
}

func TestLoadedIsFreeWhenThereIsNothingToDo(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	b.start(t, d, transaction.Begin{})
	for name, r := range map[string]*http.Request{"no binding": newBrowser().request("/"), "no rounds": b.request("/")} {
		w := httptest.NewRecorder()
		if n := testing.AllocsPerRun(100, func() { d.Loaded(w, r) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if len(w.Header()) != 0 {
			t.Errorf("%s: set %v", name, w.Header())
		}
	}
}

func TestNotesWithoutBindingSetNothing(t *testing.T) {
	d, _ := newDesk(t)
	for name, f := range map[string]func(http.ResponseWriter, *http.Request){"Finished": d.Finished, "Loaded": d.Loaded} {
		if h := newBrowser().do("/", f); len(h) != 0 {
			t.Errorf("%s: set %v", name, h)
		}
	}
}

func TestSilentAttempts(t *testing.T) {
	for _, withBinding := range []bool{true, false} {
		d, c := newDesk(t)
		b := newBrowser()
		if withBinding {
			b.start(t, d, transaction.Begin{Purpose: transaction.Silent})
		}
		allowed := func() bool { return d.SilentAllowed(b.request("/")) }
		if !allowed() {
			t.Error("refused before any attempt")
		}
		b.do(callback, d.SilentFailed)
		if allowed() {
			t.Error("allowed at once after a failed one")
		}
		b.start(t, d, transaction.Begin{})
		if allowed() {
			t.Error("forgotten when a login starts")
		}
		b.finish(d)
		b.load(d)
		if !allowed() {
			t.Error("refused although somebody has signed in since")
		}
		b.do(callback, d.SilentFailed)
		b.load(d)
		if allowed() {
			t.Error("forgotten though nobody has signed in since")
		}
		c.advance(transaction.DefaultTimeout - time.Second)
		if allowed() {
			t.Error("allowed before the timeout")
		}
		c.advance(2 * time.Second)
		if !allowed() {
			t.Error("refused after the timeout")
		}
		c.advance(-time.Hour)
		if !allowed() {
			t.Error("refused for a note from the far future")
		}
	}
}

// The failed silent attempt and the login that follows it are one response.
func TestNotesOfOneResponseAddUp(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	silent := b.start(t, d, transaction.Begin{Purpose: transaction.Silent})
	var login *transaction.Transaction
	h := b.do(callback, func(w http.ResponseWriter, r *http.Request) {
		d.Finished(w, r)
		d.SilentFailed(w, r)
		var err error
		login, err = d.Start(w, r, transaction.Begin{Purpose: transaction.Login, ReturnTo: strings.Repeat("/", 400), CallbackPath: callback})
		if err != nil {
			t.Fatal(err)
		}
	})
	if n := len(h["Set-Cookie"]); n != 2 {
		t.Errorf("%d cookies, want the binding once and the return URL", n)
	}
	if d.SilentAllowed(b.request("/")) {
		t.Error("the failed attempt is forgotten")
	}
	if got := b.binding(t).Value[43:46]; got != ".11" {
		t.Errorf("notes %q, want one round and the second slot", got)
	}
	for _, tx := range []*transaction.Transaction{silent, login} {
		if _, err := d.Open(b.request(callback), tx.State, callback); err != nil {
			t.Error(err)
		}
	}
	b.do("/", func(w http.ResponseWriter, r *http.Request) {
		d.Replace(w, r)
		tx, err := d.Start(w, r, transaction.Begin{Purpose: transaction.Login})
		if err != nil {
			t.Fatal(err)
		}
		login = tx
	})
	if _, err := d.Open(b.request(callback), login.State, callback); err != nil {
		t.Errorf("a login started with the new binding: %v", err)
	}
}

// Back after a logout replays nothing, and the next page does not undo it.
func TestReplace(t *testing.T) {
	d, _ := newDesk(t)
	for name, b := range map[string]*browser{"with a binding": newBrowser(), "that lost its binding": newBrowser()} {
		tx := b.start(t, d, transaction.Begin{})
		b.finish(d)
		if name == "that lost its binding" {
			clear(b.cookies)
		}
		b.do("/auth/logout", d.Replace)
		if _, err := d.Open(b.request(callback), tx.State, callback); !errors.Is(err, transaction.ErrBinding) {
			t.Errorf("a browser %s: %v, want ErrBinding", name, err)
		}
		if notes := b.binding(t).Value[43:]; !strings.HasPrefix(notes, ".00") {
			t.Errorf("a browser %s: notes %q left", name, notes)
		}
		if d.SilentAllowed(b.request("/")) {
			t.Errorf("a browser %s is signed in silently", name)
		}
	}
}

// The text of a binding is read as it is written, and in no other way.
func TestBindingIsStrict(t *testing.T) {
	value := strings.Repeat("A", 43)
	for _, text := range []string{value + ".00", value + ".21", value + ".111763640000"} {
		if again, err := transaction.ReparseBinding(text); err != nil || again != text {
			t.Errorf("%q: %q, %v", text, again, err)
		}
	}
	for name, text := range map[string]string{
		"no notes":               value,
		"another separator":      value + "-00",
		"a line break for a bit": value[:42] + "\n.00",
		"bits that mean nothing": value[:42] + "B.00",
		"a third slot":           value + ".02",
		"a third round":          value + ".30",
		"a time with a sign":     value + ".00+1",
		"a time of naught":       value + ".000",
		"a time beyond all":      value + ".0099999999999999999999",
	} {
		if again, err := transaction.ReparseBinding(text); err == nil {
			t.Errorf("%s: read as %q", name, again)
		}
	}
}

// A short one does not break what only looks.
func TestLoadedBearsWithAnything(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	b.start(t, d, transaction.Begin{})
	b.binding(t).Value = "x"
	b.load(d)
	if b.binding(t).Value != "x" {
		t.Error("it was changed")
	}
}

func FuzzBinding(f *testing.F) {
	value := strings.Repeat("A", 43)
	for _, s := range []string{"", value, value + ".00", value + ".21", value + ".111763640000", value + ".30", value + ".02", value + ".000", value + ".00+1", value + ".000123", value[:42] + "B.00", value + ".0099999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if again, err := transaction.ReparseBinding(text); err == nil && again != text {
			t.Fatalf("%q reads and writes as %q", text, again)
		}
	})
}

func BenchmarkLoaded(b *testing.B) {
	d := transaction.New(transaction.Config{Keys: newKeys(b, 1), Site: newSite(b, "https://app.example")})
	br := newBrowser()
	br.start(b, d, transaction.Begin{})
	r, w := br.request("/"), httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		d.Loaded(w, r)
	}
}

func BenchmarkSpend(b *testing.B) {
	d := transaction.New(transaction.Config{Keys: newKeys(b, 1), Site: newSite(b, "https://app.example")})
	tx := newBrowser().start(b, d, transaction.Begin{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tx.ID[0], tx.ID[1], tx.ID[2], tx.ID[3] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
		_ = d.Spend(ctx, tx)
	}
}
