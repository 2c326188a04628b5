package oidcrp

import (
	"context"
	"log/slog"
)

// carefulHandler keeps a panic of the application's log handler from costing a
// visitor the answer or, where no request waits, the process.
type carefulHandler struct{ slog.Handler }

func (h carefulHandler) Handle(ctx context.Context, r slog.Record) error {
	return guarded("Logger", func() error { return h.Handler.Handle(ctx, r) })
}

func (h carefulHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return carefulHandler{h.Handler.WithAttrs(attrs)}
}

func (h carefulHandler) WithGroup(name string) slog.Handler {
	return carefulHandler{h.Handler.WithGroup(name)}
}
