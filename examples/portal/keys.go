package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// keyFile is where the cookie keys are kept: beside an SQLite file unless
// -keys says otherwise, and nowhere for a database in memory. They are never in
// the database, because its records are sealed against whoever can read it.
func (o options) keyFile() (string, error) {
	switch {
	case o.keys != "":
		return o.keys, nil
	case isPostgres(o.db):
		return "", errors.New("-keys: name a file, the same for all processes that share this database")
	case o.db != "":
		return o.db + ".key", nil
	}
	return "", nil
}

// cookieKeys are those of the file, one line each, newest first, and random
// ones for "". A file that is not there is made.
func cookieKeys(file string) ([][]byte, error) {
	key := make([]byte, 32)
	rand.Read(key)
	if file == "" {
		return [][]byte{key}, nil
	}
	if err := makeOnce(file, base64.StdEncoding.EncodeToString(key)+"\n"); err != nil {
		return nil, fmt.Errorf("-keys: %w", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-keys: %w", err)
	}
	keys, err := oidcrp.ParseKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("-keys: %s: %w", file, err)
	}
	return keys, nil
}

// makeOnce writes a file unless it is there, whole or not at all, so that of
// two processes that start together both find the same one.
func makeOnce(file, text string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	draft := fmt.Sprintf("%s.%s", file, rand.Text())
	defer os.Remove(draft)
	if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.Link(draft, file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
