// Package examples holds programs to learn from: quickstart, the shortest;
// portal, a whole application; contacts, a small one that keeps its visitors in a
// database; cluster, one on two nodes; and usage, one for each situation an
// application may be in. They use nothing that a stranger could not use.
package examples
