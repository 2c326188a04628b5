package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/vmihailenco/msgpack/v5"
)

// proxyModel loads a session from a cookie of oauth2-proxy's kind: MessagePack,
// AES-CFB and an HMAC over value and time. The program itself is no module that
// could be imported, and compresses with LZ4 besides: it is slower than this.
func proxyModel() contender {
	const name = "_oauth2_proxy"
	block, secret := must(aes.NewCipher(securecookie.GenerateRandomKey(32))), securecookie.GenerateRandomKey(32)

	packed := must(msgpack.Marshal(jane))
	sealed := make([]byte, aes.BlockSize+len(packed))
	rand.Read(sealed[:aes.BlockSize])
	cipher.NewCFBEncrypter(block, sealed[:aes.BlockSize]).XORKeyStream(sealed[aes.BlockSize:], packed) //lint:ignore SA1019 the format is what it is
	value := base64.URLEncoding.EncodeToString(sealed) + "|" + strconv.FormatInt(time.Now().Unix(), 10)
	sign := func(value string) string {
		mac := hmac.New(sha256.New, secret)
		io.WriteString(mac, name)
		io.WriteString(mac, value)
		return base64.URLEncoding.EncodeToString(mac.Sum(nil))
	}

	return serve("oauth2-proxy, a model of its cookie", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		parts := strings.Split(must(r.Cookie(name)).Value, "|")
		if len(parts) != 3 || !hmac.Equal([]byte(sign(parts[0]+"|"+parts[1])), []byte(parts[2])) {
			panic("bad signature")
		}
		if at := must(strconv.ParseInt(parts[1], 10, 64)); time.Since(time.Unix(at, 0)) > 24*time.Hour {
			panic("expired")
		}
		b := must(base64.URLEncoding.DecodeString(parts[0]))
		plain := make([]byte, len(b)-aes.BlockSize)
		cipher.NewCFBDecrypter(block, b[:aes.BlockSize]).XORKeyStream(plain, b[aes.BlockSize:]) //lint:ignore SA1019 as above
		var u user
		check(msgpack.Unmarshal(plain, &u))
		u.reads()
	}), &http.Cookie{Name: name, Value: value + "|" + sign(value)})
}
