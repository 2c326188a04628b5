// Package validate inspects tokens and JSON that a stranger may have written:
// values in, error out. It knows no network and no clock; the time is one of
// the values.
//
// The order for an ID token is [SplitJWS], then the signature, which the
// caller checks with the provider's keys, then [CheckIDToken]. Nothing that
// has not been through all three may be believed.
//
// Every failed check is an [*Error] naming the token and the check, for the
// operator; it never repeats what the token said. Of e-mail addresses, [Email]
// decides what is one.
package validate
