package validate

import "errors"

// ErrInvalid is what every failed check is, for errors.Is: somebody sent
// something that must not be believed. That keys or metadata could not be
// fetched is not an ErrInvalid.
var ErrInvalid = errors.New("invalid token or response")

// Error is one failed check.
type Error struct {
	// Token is what was inspected: "id token", "token", "json", ….
	Token string
	// Check is a stable reason code: the claim or header concerned ("nonce",
	// "aud", "typ"), or one of "size", "serialization", "header", "json",
	// "signature".
	Check string
	// Detail says what is wrong, in constant words: neither secrets nor
	// anything a stranger wrote.
	Detail string
}

func (e *Error) Error() string { return e.Token + ": " + e.Check + ": " + e.Detail }

// Is makes every Error an [ErrInvalid].
func (e *Error) Is(target error) bool { return target == ErrInvalid }

// inToken gives an error of a narrower check the name of the token in which it
// was met.
func inToken(token string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return &Error{Token: token, Check: e.Check, Detail: e.Detail}
}
