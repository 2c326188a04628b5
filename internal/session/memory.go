package session

import (
	"bytes"
	"context"
	"time"
)

// defaultRecords is how many records a MemoryStore keeps unless told
// otherwise.
const defaultRecords = 100_000

// MemoryStore keeps records in this process: for one node, and until it
// restarts. It is bounded: when it is full, the record that would expire first
// makes room. Expired records are removed as new ones come; it needs no
// closing. It is safe for concurrent use.
type MemoryStore struct {
	records *shelf[string, []byte]
}

// NewMemoryStore returns a store of at most limit records; 100,000 if limit is
// not positive.
func NewMemoryStore(limit int) *MemoryStore {
	if limit <= 0 {
		limit = defaultRecords
	}
	return &MemoryStore{records: newShelf[string, []byte](limit)}
}

// Find returns a copy of the record under token. A missing or expired one is
// no error.
func (m *MemoryStore) Find(token string) (b []byte, found bool, err error) {
	b, found = m.records.find(token, time.Now().UnixMilli())
	if !found {
		return nil, false, nil
	}
	// What lies in the store is replaced, never changed: it can be copied
	// outside the lock.
	return append(make([]byte, 0, len(b)), b...), true, nil
}

// Commit stores a copy of b under token until expiry, in place of what is
// there.
func (m *MemoryStore) Commit(token string, b []byte, expiry time.Time) error {
	m.records.put(token, bytes.Clone(b), expiry.UnixMilli(), time.Now().UnixMilli())
	return nil
}

// Delete removes the record under token. A missing one is no error.
func (m *MemoryStore) Delete(token string) error {
	m.records.drop(token)
	return nil
}

// FindCtx is Find, and fails if ctx is done.
func (m *MemoryStore) FindCtx(ctx context.Context, token string) (b []byte, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	return m.Find(token)
}

// CommitCtx is Commit, and fails if ctx is done.
func (m *MemoryStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.Commit(token, b, expiry)
}

// DeleteCtx is Delete, and fails if ctx is done.
func (m *MemoryStore) DeleteCtx(ctx context.Context, token string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.Delete(token)
}

// Add stores a copy of b under token unless something is there, and reports
// whether it did. It fails if ctx is done.
func (m *MemoryStore) Add(ctx context.Context, token string, b []byte, expiry time.Time) (added bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return m.records.add(token, bytes.Clone(b), expiry.UnixMilli(), time.Now().UnixMilli()), nil
}
