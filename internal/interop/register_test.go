package interop_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
)

// registerAt registers clients at an endpoint that is open to all
// (Registration 3).
func registerAt(endpoint string) func(*testing.T, interop.Client) interop.Client {
	return func(t *testing.T, c interop.Client) interop.Client {
		t.Helper()
		c.ID, c.Secret = "", "" // the provider's to choose
		request, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Post(endpoint, "application/json", bytes.NewReader(request))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusCreated {
			t.Fatalf("registration: %s: %s", res.Status, body)
		}
		var registered struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
		if err := json.Unmarshal(body, &registered); err != nil {
			t.Fatal(err)
		}
		c.ID, c.Secret = registered.ID, registered.Secret
		return c
	}
}
