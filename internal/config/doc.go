// Package config turns configuration text into values.
//
// It reads Heartbeat's three files, ha.cf, haresources and authkeys, with the
// meaning and the defaults that Heartbeat 3.0.6 gives them, and lubdub.conf for
// what Heartbeat has no word for:
//
//	ha.cf        one line, one directive      table in directives.go
//	haresources  one line, one group          haresources.go, address.go
//	authkeys     who may talk to us           authkeys.go
//	lubdub.conf  one line, one directive      table in entries.go; Reference prints it
//
// Each reader works on bytes and writes what it finds wrong into one report.
// When all four are read, the rules that cross lines and files are checked:
// times.go, nodes.go, links.go, groups.go. So an administrator sees every
// mistake at once, each with file, line, column, the line itself and what to do.
// A configuration with an error yields no value at all, so whoever gets one may
// trust it.
//
// The package touches no network and changes nothing. What it must know of the
// machine's interfaces comes in with Options; only Load reads the files, and only
// Scan looks at those that must be equal on both nodes (tree.go). Merge, Diff and
// Compare are what 'lubdub sync' shows and brings to the other node.
//
// On purpose it differs from Heartbeat 3.0.6 in a few things: the order of
// lines never matters; an unknown word is an error with a suggestion; a
// directive without effect here says so once; write bits on authkeys are
// refused like read bits; authkeys knows sha256.
package config
