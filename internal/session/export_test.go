package session

import (
	"context"
	"time"
)

// The bounds tests go up to.
const (
	MaxAsked  = maxAsked
	MaxRecord = maxRecord
	MaxSealed = maxSealed
)

// Encode makes the record's flat form.
func Encode(d Draft, started time.Time, end uint32) []byte { return encode(&d, started, end) }

// Decode reads the record's flat form.
func Decode(raw string) (Record, bool) { return decode(raw) }

// EndedLimit replaces the bound of the ended sessions a process remembers.
func (k *Keeper) EndedLimit(n int) { k.ended.limit = n }

// BeforeMark runs f before each write to the store of what ended.
func (k *Keeper) BeforeMark(f func()) {
	commit := k.marks.commit
	k.marks.commit = func(ctx context.Context, key string, b []byte, expiry time.Time) error {
		f()
		return commit(ctx, key, b, expiry)
	}
}
