package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"
)

// leastRequest is the least that a request with a sealed cookie takes: find it,
// decode it, open it, walk over what it holds, compare the expiry.
func leastRequest() contender {
	key := make([]byte, 32)
	rand.Read(key)
	aead := must(cipher.NewGCM(must(aes.NewCipher(key))))
	var flat []byte
	put := func(s string) { flat = append(binary.AppendUvarint(flat, uint64(len(s))), s...) }
	flat = binary.BigEndian.AppendUint64(flat, uint64(time.Now().Add(time.Hour).Unix()))
	for _, s := range []string{jane.Issuer, jane.Subject, jane.SID, jane.Name, jane.Email, jane.Picture} {
		put(s)
	}
	put(strings.Join(jane.Roles, " "))
	for name, value := range jane.More {
		put(name)
		put(value)
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	value := base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, flat, nil))

	var text, plain [2048]byte
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, rest, found := strings.Cut(r.Header["Cookie"][0], "session=")
		if end := strings.IndexByte(rest, ';'); end >= 0 {
			rest = rest[:end]
		}
		n := copy(text[:], rest)
		n = must(base64.RawURLEncoding.Decode(text[:], text[:n]))
		opened := must(aead.Open(plain[:0], text[:aead.NonceSize()], text[aead.NonceSize():n], nil))
		fields, tenant := 0, false
		for in := opened[8:]; len(in) > 0; fields++ {
			size, used := binary.Uvarint(in)
			tenant = tenant || string(in[used:used+int(size)]) == "tenant"
			in = in[used+int(size):]
		}
		if !found || !tenant || fields < 10 || int64(binary.BigEndian.Uint64(opened)) < time.Now().Unix() {
			panic("not signed in")
		}
	})
	return serve("limit", h, &http.Cookie{Name: "session", Value: value})
}

// handedOver is what it costs to hand a ready user on by a context.
func handedOver() contender {
	type key struct{}
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Context().Value(key{}).(*user).reads() })
	return serve("a ready user, by a context", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, &jane)))
	}), &http.Cookie{Name: "session"})
}
