package main

import (
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// bookstore is the program behind the page.
type bookstore struct {
	rp  *oidcrp.RelyingParty
	api string // "": there is none

	mu    sync.Mutex
	notes map[oidcrp.Identity]map[string]string // by reader and book
}

func newBookstore(baseURL, api string, provider oidcrp.Provider) (*bookstore, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
		Store:     oidcrp.NewMemoryStore(), // one that outlives the process, in earnest
		SiteName:  "Bookstore",
		Language:  chosenLanguage,
		// Who does nothing for an hour is signed out, though the page is open
		// and asks for news.
		IdleTimeout: time.Hour,
		Passive:     func(r *http.Request) bool { return r.Header.Get("X-Background") != "" },
	})
	return &bookstore{rp: rp, api: api, notes: make(map[oidcrp.Identity]map[string]string)}, err
}

func (b *bookstore) handler() http.Handler {
	// Who is known to the provider already is signed in without a click, by a
	// redirect there and back with prompt=none. Others see the page as it is.
	page := b.rp.TryLogin(http.HandlerFunc(servePage))
	signedIn := func(h http.HandlerFunc) http.Handler { return b.rp.RequireLogin(h) }

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page)
	mux.Handle("GET /books/{id}", page)
	mux.Handle("GET /static/", staticFiles())
	mux.HandleFunc("GET /api/books", func(w http.ResponseWriter, r *http.Request) { answer(w, books) })
	mux.Handle("GET /api/notes", signedIn(b.listNotes))
	mux.Handle("POST /api/notes/{id}", signedIn(b.writeNote))
	mux.Handle("DELETE /api/notes/{id}", signedIn(b.dropNote))
	mux.Handle("GET /api/elsewhere", signedIn(b.callElsewhere))
	mux.Handle("GET /api/stock", b.rp.Require(oidcrp.HasRole("admin"))(http.HandlerFunc(stock)))
	return secure(b.rp.Load(mux))
}

//go:embed static
var static embed.FS

// policy lets nothing into the page but its own files, talks to nobody but this
// program, and lets no text become markup or script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// secure sets what every answer should have. The pages below /auth bring a
// policy of their own.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

func staticFiles() http.Handler {
	files := http.FileServerFS(static)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
}

// servePage serves the one page for every address there is one for.
func servePage(w http.ResponseWriter, r *http.Request) {
	page, err := fs.ReadFile(static, "static/index.html")
	if err != nil {
		panic(err) // it is in the program
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if id := r.PathValue("id"); id != "" && !known(id) {
		w.WriteHeader(http.StatusNotFound)
	}
	w.Write(page)
}

// chosenLanguage is asked for the pages below /auth, and sent to the provider.
// The page sets the cookie; "" leaves it to the browser's settings.
func chosenLanguage(r *http.Request) string {
	if c, err := r.Cookie("bookstore_language"); err == nil && (c.Value == "en" || c.Value == "th") {
		return c.Value
	}
	return ""
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

type book struct {
	ID     string `json:"id"`
	Lang   string `json:"lang"`
	Title  string `json:"title"`
	Author string `json:"author"`
	Year   int    `json:"year"`
	stock  int
}

var books = []book{
	{"1", "en", "Four Reigns", "Kukrit Pramoj", 1953, 12},
	{"2", "th", "สี่แผ่นดิน", "คึกฤทธิ์ ปราโมช", 1953, 31},
	{"3", "en", "Pride and Prejudice", "Jane Austen", 1813, 7},
	{"4", "th", "พระอภัยมณี", "สุนทรภู่", 1870, 5},
}

func known(id string) bool {
	return slices.ContainsFunc(books, func(b book) bool { return b.ID == id })
}

// stock is for those who work here. That the page shows it to nobody else is a
// courtesy; the guard decides.
func stock(w http.ResponseWriter, _ *http.Request) {
	left := make(map[string]int)
	for _, b := range books {
		left[b.ID] = b.stock
	}
	answer(w, left)
}

// reader is whose notes a request is about. Issuer and subject identify a user,
// and nothing else does: not the name, and not the e-mail address.
func reader(r *http.Request) oidcrp.Identity { return oidcrp.FromContext(r.Context()).Identity() }

func (b *bookstore) listNotes(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	mine := maps.Clone(b.notes[reader(r)])
	b.mu.Unlock()
	if mine == nil {
		mine = map[string]string{}
	}
	answer(w, mine)
}

const longestNote = 4096

func (b *bookstore) writeNote(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !known(id) {
		http.Error(w, "there is no such book", http.StatusNotFound)
		return
	}
	var note string
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, longestNote)).Decode(&note); err != nil {
		http.Error(w, "a note is a JSON string", http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.notes[reader(r)] == nil {
		b.notes[reader(r)] = make(map[string]string)
	}
	b.notes[reader(r)][id] = note
	w.WriteHeader(http.StatusNoContent)
}

func (b *bookstore) dropNote(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.notes[reader(r)], r.PathValue("id"))
	w.WriteHeader(http.StatusNoContent)
}

// callElsewhere calls somebody else's API as the visitor. The token is attached
// on the way out, and refreshed when its time is up; the page gets the answer.
func (b *bookstore) callElsewhere(w http.ResponseWriter, r *http.Request) {
	if b.api == "" {
		http.Error(w, "no API was named: see -api", http.StatusNotFound)
		return
	}
	client := b.rp.Client(r.Context())
	client.Timeout = 10 * time.Second
	res, err := client.Get(b.api)
	switch {
	case errors.Is(err, oidcrp.ErrNoToken):
		b.rp.Login(w, r, oidcrp.LoginOptions{}) // 401, with the way to a new one
		return
	case errors.Is(err, oidcrp.ErrProviderUnavailable):
		http.Error(w, "there is no fresh token just now", http.StatusServiceUnavailable)
		return
	case err != nil:
		log.Printf("API: %v", err)
		http.Error(w, "the API does not answer", http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	said, err := io.ReadAll(http.MaxBytesReader(nil, res.Body, 64<<10))
	if err != nil || res.StatusCode != http.StatusOK || !json.Valid(said) {
		log.Printf("API: %s, %v", res.Status, err)
		http.Error(w, "the API does not answer", http.StatusBadGateway)
		return
	}
	answer(w, json.RawMessage(said))
}
