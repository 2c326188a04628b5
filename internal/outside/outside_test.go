package outside_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/outside"
)

var errDown = errors.New("down")

func TestAsk(t *testing.T) {
	for _, tt := range []struct {
		name string
		ask  func(context.Context) (string, error)
		want string
		err  string
	}{
		{"an answer", func(context.Context) (string, error) { return "here", nil }, "here", ""},
		{"an error beside an answer", func(context.Context) (string, error) { return "half", errDown }, "half", "down"},
		{"a panic", func(context.Context) (string, error) { panic("boom") }, "", "panicked: boom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			turns := make(chan struct{}, 1)
			turns <- struct{}{}
			got, err := outside.Ask(t.Context(), turns, tt.ask)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("got %q, %v", got, err)
			}
			if len(turns) != 0 {
				t.Error("the turn was not given back")
			}
		})
	}
}

// Who hangs, and heeds no context, keeps the turn and nobody else.
func TestAskOfWhoHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		turns, hangs := make(chan struct{}, 1), make(chan struct{})
		turns <- struct{}{}
		_, err := outside.Ask(ctx, turns, func(context.Context) (string, error) { <-hangs; return "late", nil })
		if !errors.Is(err, context.DeadlineExceeded) || len(turns) != 1 {
			t.Errorf("%v, %d under way", err, len(turns))
		}
		close(hangs)
		synctest.Wait()
		if len(turns) != 0 {
			t.Error("the turn was not given back")
		}
	})
}
