package session

import "crypto/sha256"

// ClientTag is Draft.Client for a client id: short, as it travels with every
// request. It proves nothing. "" for "".
func ClientTag(client string) string {
	if client == "" {
		return ""
	}
	sum := clientSum(client)
	return string(sum[:])
}

func clientSum(client string) [4]byte {
	sum := sha256.Sum256(append(make([]byte, 0, 128), client...))
	return [4]byte(sum[:])
}
