// Package examples holds programs to learn from: quickstart, the shortest;
// portal, a whole application; spa, a page of JavaScript that holds no tokens;
// api, one that calls a third party's API for its visitors; contacts, a small
// one that keeps its visitors in a database; cluster, one on two nodes; doctor, which
// says what is wrong with a provider; migrate, which says what becomes of a
// portal's settings; frameworks, the same with the standard mux, chi, Echo and
// Gin; and usage, one for each situation an application may be in. They use
// nothing that a stranger could not use.
package examples
