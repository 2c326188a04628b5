package session

import "encoding/binary"

// ClientTag is Draft.Client for a client id: short, as it travels with every
// request. It proves nothing. "" for "".
func ClientTag(client string) string {
	if client == "" {
		return ""
	}
	sum := clientSum(client)
	return string(sum[:])
}

// clientSum is FNV-1a, which each request can afford.
func clientSum(client string) (sum [4]byte) {
	h := uint32(2166136261)
	for i := range len(client) {
		h = (h ^ uint32(client[i])) * 16777619
	}
	binary.BigEndian.PutUint32(sum[:], h)
	return sum
}
