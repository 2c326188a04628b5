package transaction

// DecodeState reads the content of a state, as Open does once it is open.
func DecodeState(content []byte) (t Transaction, digest []byte, long bool, err error) {
	digest, long, err = t.decode(content)
	return t, digest, long, err
}

// EncodeState writes the content of a state, under a binding that is all zero.
func EncodeState(t Transaction) (content []byte, long bool, err error) {
	return t.encode(nil, binding{slot: t.slot})
}

// ReparseBinding reads the text of a binding cookie and writes it again.
func ReparseBinding(text string) (string, error) {
	b, err := parseBinding(text)
	if err != nil {
		return "", err
	}
	return b.String(), nil
}

// LimitSpent makes the memory of spent transactions smaller.
func (d *Desk) LimitSpent(n int) { d.spent = newSpent(n) }

// Remembered is how many spent transactions are kept, in either form.
func (d *Desk) Remembered() (ids, queued int) { return len(d.spent.ids), len(d.spent.queue) }
