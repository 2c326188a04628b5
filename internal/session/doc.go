// Package session keeps a visitor signed in, and ends that.
//
// A session is one flat binary record of which every accessor reads a slice.
// Without a store the record itself travels in the visitor's cookie, sealed;
// with one the cookie carries 32 random bytes, and the record lies in the store
// under a hash of them, sealed under a key derived from them, so that a copy of
// the store gives no session away.
//
// A session ends at the earliest of: its lifetime since it started, its idle
// time since it was last used, and the two ceilings of its [Draft]. Each use
// within a tenth of the idle time after the last one that was written down is
// not written down, so a session ends between nine and ten tenths of the idle
// time after its last use.
//
// Signing in and every change of what a visitor may do give a new session under
// a new name, and end the one that the request came with. To end a session is
// to write a mark and to delete the record: a request that was under way and
// writes its record back afterwards finds the mark, and deletes it again. In
// cookie mode there is nothing to delete, and the mark is kept in this process
// alone: after a restart, or on another node, a copied cookie of an ended
// session lives until the session's own end. Where that matters, use a store.
//
// An end for good leaves two marks: one that every request looks for, and, for a
// while, one that nothing else writes. Whoever gives the session another name on
// another node writes its own mark and then looks for the second, while the end
// writes the second and then looks for the other: whatever the order, one of the
// two sees the other, and the end wins.
//
// A store has no compare-and-swap, so this remains. Two nodes that renew one
// session in the same instant may both succeed, in a store without Add; the two
// sessions end with all of the user's, and each by itself. What a record says of its user is
// read right before it is written: of a refresh's new claims and the extension of
// the idle time, or the note that the application was asked, whichever is read
// between the other's look and write is lost, which is the time of two calls to
// the store. The next refresh brings the claims again.
//
// Tokens lie in the [Vault], in records of their own, of which a session knows
// the id.
//
// Nodes of different versions may share cookies and records: a record whose
// format a node does not know is no session to it.
package session
