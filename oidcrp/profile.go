package oidcrp

// Profile is a set of requirements known by one name.
type Profile string

// FAPI2 is the FAPI 2.0 Security Profile (Final), all that it asks of clients
// (5.2, 5.3.3, 5.4), with OpenID Connect:
//
//   - The request is pushed (RFC 9126), for response type code with PKCE S256;
//     the browser carries client_id and request_uri alone.
//   - The client authenticates by private_key_jwt, which is what ClientKeys
//     alone mean, or with a ClientAuth that says so by tls_client_auth or
//     self_signed_tls_client_auth. Assertions are for the issuer, as one
//     string, and new for each request. There is no client secret.
//   - Access tokens are bound: to a key, with DPoP, and one that is not is
//     refused; else to the client certificate of HTTPClient (RFC 8705 3),
//     which is then shown at mtls_endpoint_aliases whatever ClientAuth is. They
//     are sent in the header.
//   - Nothing is signed, and nothing signed is accepted, but by PS256, ES256 or
//     EdDSA. An RSA key without [ClientKey.Algorithm] signs by PS256.
//   - iss must be in every authorization response (RFC 9207), errors included,
//     and right.
//   - The issuer and all endpoints are https, on this machine too, with TLS
//     1.2 or later and certificates that are checked. Endpoints are those of the
//     metadata at the issuer, which names one issuer.
//
// Settings that contradict it are refused by [New], all at once. What the
// provider's metadata lacks of it makes the provider misconfigured: one error
// of [RelyingParty.Ready], and of each login, names all of it.
//
// For FAPI 2.0 Message Signing add RequestObject "request" and ResponseMode
// "jwt": the object is pushed, and the response brings iss in its JWT.
const FAPI2 Profile = "FAPI2"
