package provider_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// encrypt wraps a signed token (RFC 7519 5.2).
func encrypt(alg string, enc jose.ContentEncryption, key any, kid, plain string) string {
	return encryptWith(jose.Recipient{Algorithm: jose.KeyAlgorithm(alg), Key: key, KeyID: kid}, enc,
		(&jose.EncrypterOptions{}).WithContentType("JWT"), plain)
}

func encryptWith(to jose.Recipient, enc jose.ContentEncryption, o *jose.EncrypterOptions, plain string) string {
	e, err := jose.NewEncrypter(enc, to, o)
	if err != nil {
		panic(err)
	}
	jwe, err := e.Encrypt([]byte(plain))
	if err != nil {
		panic(err)
	}
	token, err := jwe.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// vault is a key that only decrypts, as one in hardware.
type vault struct{ key *rsa.PrivateKey }

func (r vault) Public() crypto.PublicKey { return r.key.Public() }
func (r vault) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("does not sign")
}
func (r vault) Decrypt(rand io.Reader, msg []byte, o crypto.DecrypterOpts) ([]byte, error) {
	return r.key.Decrypt(rand, msg, o)
}

func TestEncryptedIDToken(t *testing.T) {
	for _, tt := range []struct {
		name string
		key  provider.ClientKey
		enc  jose.ContentEncryption
		kid  string
	}{
		{"RSA-OAEP", provider.ClientKey{Key: rsaKey()}, jose.A128CBC_HS256, ""},
		{"RSA-OAEP-256", provider.ClientKey{Key: rsaKey()}, jose.A256GCM, ""},
		{"RSA-OAEP", provider.ClientKey{Key: vault{rsaKey()}}, jose.A256GCM, ""},
		{"RSA-OAEP-256", provider.ClientKey{Key: vault{rsaKey()}}, jose.A256GCM, ""},
		{"ECDH-ES", provider.ClientKey{Key: p256("enc")}, jose.A128GCM, ""},
		{"ECDH-ES+A128KW", provider.ClientKey{Key: p256("enc"), ID: "e1"}, jose.A192GCM, "e1"},
		{"ECDH-ES+A192KW", provider.ClientKey{Key: ecKey("enc384", elliptic.P384())}, jose.A192CBC_HS384, ""},
		{"ECDH-ES+A256KW", provider.ClientKey{Key: p256("enc"), ID: "e1"}, jose.A256CBC_HS512, "unknown"},
	} {
		t.Run(tt.name+" "+string(tt.enc), func(t *testing.T) {
			f := newFake(t)
			tt.key.Algorithm = tt.name
			signed := sign(f.idToken())
			f.answer = map[string]any{"id_token": encrypt(tt.name, tt.enc, tt.key.Key.Public(), tt.kid, signed)}
			login, err := complete(f, f.new(t, keys(
				provider.ClientKey{Key: rsaKey()}, // signs
				provider.ClientKey{Key: ecKey("another", elliptic.P256()), Algorithm: "ECDH-ES"},
				tt.key,
			), func(s *provider.Settings) { s.ClientAuth = "client_secret_basic"; s.Secret = f.settings().Secret }))
			if err != nil {
				t.Fatal(err)
			}
			// What goes back as id_token_hint is the signed token (Core 3.1.2.1).
			if login.Subject != "alice" || login.RawIDToken != signed {
				t.Errorf("got %+v", login)
			}
		})
	}
}

func TestEncryptedIDTokenRefused(t *testing.T) {
	const alg, enc = "RSA-OAEP-256", jose.A128GCM
	to := jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: rsaKey().Public()}
	header := func(h string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(h)) + ".AAAA.AAAA.AAAA.AAAA"
	}
	for _, tt := range []struct {
		name, check string
		token       func(*fake) string
	}{
		{"not encrypted", "encryption", func(f *fake) string { return sign(f.idToken()) }},
		{"unsigned inside", "serialization", func(f *fake) string {
			b, _ := json.Marshal(f.idToken())
			return encrypt(alg, enc, rsaKey().Public(), "", string(b))
		}},
		{"alg none inside", "alg", func(f *fake) string {
			return encrypt(alg, enc, rsaKey().Public(), "", "eyJhbGciOiJub25lIn0.e30.AAAA")
		}},
		{"encrypted twice", "serialization", func(f *fake) string {
			return encrypt(alg, enc, rsaKey().Public(), "", encrypt(alg, enc, rsaKey().Public(), "", sign(f.idToken())))
		}},
		{"another audience inside", "aud", func(f *fake) string {
			return encrypt(alg, enc, rsaKey().Public(), "", sign(change(f.idToken(), map[string]any{"aud": "another"})))
		}},
		{"to another key", "encryption", func(f *fake) string {
			return encrypt("ECDH-ES", enc, p256("nobody's").Public(), "", sign(f.idToken()))
		}},
		{"with an algorithm no key is for", "encryption", func(f *fake) string {
			return encrypt("RSA-OAEP", enc, rsaKey().Public(), "", sign(f.idToken()))
		}},
		{"changed on the way", "encryption", func(f *fake) string {
			token := encrypt(alg, enc, rsaKey().Public(), "", sign(f.idToken()))
			return token[:len(token)-4] + "AAAA"
		}},
		{"with PKCS #1 1.5", "alg", func(f *fake) string {
			return encrypt("RSA1_5", enc, rsaKey().Public(), "", sign(f.idToken()))
		}},
		{"with a password and two billion rounds", "alg", func(*fake) string {
			return header(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"}`)
		}},
		{"with the client secret", "alg", func(*fake) string { return header(`{"alg":"dir","enc":"A128GCM"}`) }},
		{"compressed", "zip", func(f *fake) string {
			return encryptWith(to, enc, &jose.EncrypterOptions{Compression: jose.DEFLATE}, sign(f.idToken())+strings.Repeat(" ", 1<<16))
		}},
		{"with an extension", "crit", func(*fake) string { return header(`{"alg":"RSA-OAEP-256","enc":"A128GCM","crit":["x"],"x":1}`) }},
		{"with a key in it", "jwk", func(*fake) string { return header(`{"alg":"RSA-OAEP-256","enc":"A128GCM","jwk":{}}`) }},
		{"two algs", "header", func(*fake) string { return header(`{"alg":"RSA-OAEP-256","alg":"dir","enc":"A128GCM"}`) }},
		{"an alg that is a number", "header", func(*fake) string { return header(`{"alg":1,"enc":"A128GCM"}`) }},
		{"no content algorithm", "encryption", func(*fake) string { return header(`{"alg":"RSA-OAEP-256"}`) }},
		{"an unknown content algorithm", "encryption", func(*fake) string { return header(`{"alg":"RSA-OAEP-256","enc":"XOR"}`) }},
		{"no ephemeral key", "encryption", func(*fake) string { return header(`{"alg":"ECDH-ES","enc":"A128GCM"}`) }},
		{"no header", "serialization", func(*fake) string { return "!.a.a.a.a" }},
		{"four dots", "header", func(*fake) string { return "...." }},
		{"a megabyte", "size", func(f *fake) string { return encrypt(alg, enc, rsaKey().Public(), "", strings.Repeat("x", 1<<19)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.answer = map[string]any{"id_token": tt.token(f)}
			login, err := complete(f, f.new(t, func(s *provider.Settings) {
				s.ClientKeys = []provider.ClientKey{{Key: rsaKey(), Algorithm: alg}, {Key: p256("enc"), Algorithm: "ECDH-ES"}}
			}))
			if !errors.Is(err, provider.ErrInvalid) || checked(err) != tt.check || login != nil {
				t.Errorf("got %v; want check %q", err, tt.check)
			}
		})
	}
}

func TestEncryptedIDTokenWithoutAKey(t *testing.T) {
	f := newFake(t)
	f.answer = map[string]any{"id_token": encrypt("RSA-OAEP", jose.A128GCM, rsaKey().Public(), "", sign(f.idToken()))}
	_, err := complete(f, f.new(t))
	if checked(err) != "serialization" {
		t.Errorf("got %v; want check serialization", err)
	}
}

func TestDecryptionKeyThatCannotBeHad(t *testing.T) {
	f := newFake(t)
	f.answer = map[string]any{"id_token": encrypt("RSA-OAEP", jose.A128GCM, rsaKey().Public(), "", sign(f.idToken()))}
	_, err := complete(f, f.new(t, func(s *provider.Settings) {
		s.ClientKeys = []provider.ClientKey{{Algorithm: "RSA-OAEP", Func: func(context.Context) (crypto.Signer, error) { return nil, errors.New("sealed") }}}
	}))
	if !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
}

func TestEncryptedUserInfo(t *testing.T) {
	ours := provider.ClientKey{Key: p256("enc"), Algorithm: "ECDH-ES"}
	wrap := func(plain string) string { return encrypt("ECDH-ES", jose.A128GCM, p256("enc").Public(), "", plain) }
	for _, tt := range []struct {
		name, check string
		answer      func(*fake) string
	}{
		{"signed", "", func(f *fake) string { return wrap(sign(f.userInfoClaims(nil))) }},
		{"not signed", "", func(f *fake) string { return wrap(`{"sub":"alice","nickname":"Al"}`) }},
		{"signed for another", "aud", func(f *fake) string { return wrap(sign(f.userInfoClaims(map[string]any{"aud": "x"}))) }},
		{"about another", "sub", func(f *fake) string { return wrap(`{"sub":"bob"}`) }},
		{"with two subjects", "serialization", func(f *fake) string { return wrap(`{"sub":"bob","sub":"alice"}`) }},
		{"to another key", "encryption", func(f *fake) string {
			return encrypt("ECDH-ES", jose.A128GCM, p256("nobody's").Public(), "", sign(f.userInfoClaims(nil)))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.answer = map[string]any{"id_token": wrap(sign(f.idToken()))}
			f.handle("/userinfo", respond(200, "application/jwt", tt.answer(f)))
			login, err := complete(f, f.new(t, func(s *provider.Settings) {
				s.ClientKeys, s.UserInfo = []provider.ClientKey{ours}, provider.UserInfoRequired
			}))
			switch {
			case tt.check != "" && checked(err) == tt.check:
			case tt.check == "" && err == nil && string(login.Claims["nickname"]) == `"Al"`:
			default:
				t.Errorf("got %v; want check %q", err, tt.check)
			}
		})
	}
}

// A key to decrypt with is served for that, and does not sign.
func TestDecryptionKeyPublished(t *testing.T) {
	f := newFake(t)
	p := f.new(t, func(s *provider.Settings) {
		s.ClientKeys = []provider.ClientKey{{Key: rsaKey(), Algorithm: "RSA-OAEP", ID: "e"}}
	})
	public, err := p.PublicKeys(t.Context())
	if err != nil || len(public) != 1 {
		t.Fatalf("got %s, %v", public, err)
	}
	got := object(t, string(public[0]))
	if string(got["use"]) != `"enc"` || string(got["alg"]) != `"RSA-OAEP"` || string(got["kid"]) != `"e"` || got["d"] != nil {
		t.Errorf("got %s", public[0])
	}
	s := f.settings()
	s.Secret, s.ClientAuth, s.ClientKeys = nil, "private_key_jwt", []provider.ClientKey{{Key: rsaKey(), Algorithm: "RSA-OAEP"}}
	if _, err := provider.New(s); err == nil || !strings.Contains(err.Error(), "needs ClientKeys") {
		t.Errorf("private_key_jwt without a signing key: %v", err)
	}
	for name, key := range map[string]provider.ClientKey{
		"an EC key for RSA-OAEP": {Key: p256("enc"), Algorithm: "RSA-OAEP"},
		"an RSA key for ECDH-ES": {Key: rsaKey(), Algorithm: "ECDH-ES"},
		"an Ed25519 key":         {Key: edKey(), Algorithm: "ECDH-ES"},
		"RSA1_5":                 {Key: rsaKey(), Algorithm: "RSA1_5"},
	} {
		s := f.settings()
		s.ClientKeys = []provider.ClientKey{key}
		if _, err := provider.New(s); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	op := newFake(f)
	s := op.settings()
	s.ClientKeys = []provider.ClientKey{{Key: rsaKey(), Algorithm: "RSA-OAEP"}, {Key: p256("enc"), Algorithm: "ECDH-ES+A128KW"}}
	p, err := provider.New(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encrypt("RSA-OAEP", jose.A128GCM, rsaKey().Public(), "", "x"))
	f.Add(encrypt("ECDH-ES+A128KW", jose.A128CBC_HS256, p256("enc").Public(), "k", "x"))
	f.Add("....")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := provider.Decrypt(t.Context(), p, token)
		if err != nil && !errors.Is(err, provider.ErrInvalid) {
			t.Errorf("got %v; want ErrInvalid", err)
		}
	})
}
