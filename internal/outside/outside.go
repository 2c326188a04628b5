// Package outside asks what an application plugs in, which may panic and need
// not come back.
package outside

import (
	"context"
	"errors"
	"fmt"
)

// Ask calls ask on a goroutine of its own, and waits no longer than ctx: then
// the error is the cause of that, and the answer comes to nobody. A panic is an
// error. The caller has put one into turns, which is taken out when ask ends:
// so calls that hang are no more than turns holds.
func Ask[T any](ctx context.Context, turns <-chan struct{}, ask func(context.Context) (T, error)) (answer T, err error) {
	type said struct {
		answer T
		err    error
	}
	came := make(chan said, 1)
	go func() {
		it := said{err: errors.New("did not return")} // but ended its goroutine
		defer func() {
			if v := recover(); v != nil {
				it.err = fmt.Errorf("panicked: %v", v)
			}
			<-turns
			came <- it
		}()
		it.answer, it.err = ask(ctx)
	}()
	select {
	case it := <-came:
		return it.answer, it.err
	case <-ctx.Done():
		return answer, context.Cause(ctx)
	}
}
