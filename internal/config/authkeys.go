package config

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxKey  = 15 // numbers 0 to 15, as in Heartbeat
	weakKey = 8  // a shorter secret is guessed in hours from one packet
)

// Key is one key of authkeys.
type Key struct {
	Number int
	Method string // crc, md5, sha1 or sha256
	Secret string // empty for crc
}

// authkeys is the file while it is read.
type authkeys struct {
	*source
	sign  word // the number on the auth line
	found bool
	// misread says that a line is no more than a slip away from an auth line: what is missing then is not said again.
	misread bool
	keys    map[int]Key
	first   map[int]word
	wrong   map[int]bool // keys whose line has an error already
}

// readAuthkeys reads authkeys line by line.
func readAuthkeys(src *source) *authkeys {
	a := &authkeys{source: src, keys: map[int]Key{}, first: map[int]word{}, wrong: map[int]bool{}}
	for i, line := range src.lines {
		words := fields(word{line, i + 1, 0}, isBlank)
		switch {
		case len(words) == 0 || src.log.full() || strings.HasPrefix(words[0].text, "#"):
		case words[0].text == "auth":
			a.auth(words)
		case isHostNumber(words[0].text):
			a.key(words)
		case strings.HasPrefix(words[0].text, "auth"):
			a.misread = true
			a.errorf(words[0], "write 'auth NUMBER'", "the line is neither an auth line nor a key")
		default:
			a.errorf(words[0], "write 'auth NUMBER' or 'NUMBER METHOD SECRET'", "the line is neither an auth line nor a key")
		}
	}
	a.check()
	return a
}

// auth takes the line that says which key signs.
func (a *authkeys) auth(words []word) {
	if len(words) < 2 {
		a.errorf(words[0], "write 'auth 1'", "auth needs the number of the key that signs")
		return
	}
	if wrong, remedy := isNumber(0, maxKey)(words[1].text); wrong != "" {
		a.misread = true
		if slices.Contains(methods(), words[1].text) {
			remedy = "write 'auth 1', and on a line of its own '1 " + words[1].text + " SECRET'"
		}
		a.errorf(words[1], remedy, "the key's number does not fit")
		return
	}
	if a.found {
		a.warnf(words[1], "keep one of them", "auth is written again; this one counts, not that on line %d", a.sign.line)
	}
	a.sign, a.found = words[1], true
	if len(words) > 2 && slices.Contains(methods(), words[2].text) {
		a.misread = true
		a.errorf(words[2], "write '"+words[1].text+" "+words[2].text+" SECRET' on a line of its own", "the key stands on the auth line")
		return
	}
	a.surplus(words, 2)
}

// key takes a line that defines a key.
func (a *authkeys) key(words []word) {
	if wrong, remedy := isNumber(0, maxKey)(words[0].text); wrong != "" {
		a.errorf(words[0], remedy, "the key's number does not fit")
		return
	}
	k := Key{Number: number(words[0].text)}
	if len(words) < 2 {
		a.wrong[k.Number] = true
		a.errorf(words[0], "write 'NUMBER METHOD SECRET', the method one of sha256, sha1, md5, crc", "the key has no method")
		return
	}
	method := words[1].text
	if !slices.Contains(methods(), method) {
		a.wrong[k.Number] = true
		remedy := didYouMean(method, methods(), "write sha256, sha1, md5 or crc")
		if lower := strings.ToLower(method); strings.HasPrefix(lower, "sha") && lower != "sha1" || strings.HasPrefix(lower, "hmac") {
			remedy = "write sha256"
		}
		a.errorf(words[1], remedy, "this is no method of authentication")
		return
	}
	k.Method = method
	bare := len(words) < 3 || strings.HasPrefix(words[2].text, "#")
	switch {
	case method == "crc" && !bare:
		a.warnf(words[2], "remove the secret, or use sha256", "crc takes no secret; the key is left undefined, as in Heartbeat")
		return
	case method != "crc" && bare:
		a.wrong[k.Number] = true
		a.errorf(words[1], "write a long random word behind it; 'lubdub init' makes one", "%s needs a secret", method)
		return
	case method != "crc":
		k.Secret = words[2].text
		a.surplus(words, 3)
		if utf8.RuneCountInString(k.Secret) < weakKey {
			a.warnf(words[2], "use 20 random characters or more", "the secret is weak: it has less than %d characters", weakKey)
		}
	}
	if before, ok := a.first[k.Number]; ok {
		a.warnf(words[0], "keep one of them", "key %d is defined again; this one counts, not that on line %d", k.Number, before.line)
	}
	a.first[k.Number], a.keys[k.Number] = words[0], k
}

// surplus warns about words that Heartbeat ignores, unless they are a comment.
func (a *authkeys) surplus(words []word, wanted int) {
	if len(words) > wanted && !strings.HasPrefix(words[wanted].text, "#") {
		a.warnf(words[wanted], "remove it; a secret is one word", "the rest of the line is ignored, as in Heartbeat")
	}
}

// methods are the ways to sign.
func methods() []string { return []string{"sha256", "sha1", "md5", "crc"} }

// check looks whether the key that signs is there.
func (a *authkeys) check() {
	if !a.usable() {
		return
	}
	if !a.found && a.misread {
		return
	}
	if !a.found {
		a.whole(Error, "no auth line says which key signs", "add 'auth NUMBER', the number of one of the keys")
		return
	}
	if _, ok := a.keys[number(a.sign.text)]; !ok && !a.misread && !a.wrong[number(a.sign.text)] {
		a.errorf(a.sign, "add a line '"+a.sign.text+" sha256 SECRET'", "key %s, which should sign, is not defined", a.sign.text)
	}
}

// list returns the keys by number.
func (a *authkeys) list() []Key {
	var keys []Key
	for n := range maxKey + 1 {
		if k, ok := a.keys[n]; ok {
			keys = append(keys, k)
		}
	}
	return keys
}

// masked shows a line of authkeys without anything that may be a secret: a
// message ends up in logs and tickets.
func masked(line string) string {
	out := []rune(plain(line))
	words := fields(word{line, 1, 0}, isBlank)
	for i, w := range words {
		if i == 0 && (w.text == "auth" || isHostNumber(w.text)) && len(w.text) <= 4 {
			continue
		}
		if i == 1 && slices.Contains([]string{"sha256", "sha1", "md5", "crc"}, w.text) {
			continue
		}
		if i == 1 && words[0].text == "auth" && len(w.text) <= 2 {
			continue
		}
		from := utf8.RuneCountInString(line[:w.at])
		for j := range utf8.RuneCountInString(w.text) {
			out[from+j] = '*'
		}
	}
	return string(out)
}
