package cookie

// Derive exposes the derivation of the newest key, to compare it with RFC 5869.
func (k *Keys) Derive(use byte, info []byte, period uint32) [32]byte {
	return k.keys[0].derive(use, info, period)
}

// ExtractSalt is the salt of every server key.
const ExtractSalt = extractSalt

// Ciphers is how many ciphers the box keeps.
func (b *Box) Ciphers() int {
	if m := b.ciphers.Load(); m != nil {
		return len(*m)
	}
	return 0
}

// MaxCiphers is how many it may keep.
const MaxCiphers = maxCiphers

// AppendDecoded exposes the base64 reader.
func AppendDecoded(dst []byte, s string) ([]byte, bool) { return appendDecoded(dst, s) }
