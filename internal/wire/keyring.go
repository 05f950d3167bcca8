package wire

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
)

// Method is a way of signing, named as authkeys names it.
type Method string

// The methods. CRC finds accidents, not enemies.
const (
	CRC    Method = "crc"    // Heartbeat's own CRC-32; needs no secret, proves nothing
	MD5    Method = "md5"    // HMAC-MD5
	SHA1   Method = "sha1"   // HMAC-SHA1, the best that Heartbeat 3.0.6 knows
	SHA256 Method = "sha256" // HMAC-SHA256, which only lubdub knows
)

// maxKeys is how many keys there may be: numbers 0 to 15, as in Heartbeat.
const maxKeys = 16

// Key is one line of authkeys.
type Key struct {
	Number int
	Method Method
	Secret string
}

// Format prints the key without its secret, whatever the verb, so that no log can spill it.
func (k Key) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "key %d (%s)", k.Number, string(k.Method))
}

// Keyring holds the keys of a cluster. It never changes, and goroutines may share it.
type Keyring struct {
	sign    int
	signers [maxKeys]signer
}

// signer computes one key's digests.
type signer struct {
	method Method    // empty: there is no such key
	mac    hash.Hash // has taken in the secret; only ever cloned. Nil for CRC
}

// NewKeyring returns the keyring of these keys, which signs with the key of
// that number.
func NewKeyring(sign int, keys []Key) (*Keyring, error) {
	r := &Keyring{sign: sign}
	for _, k := range keys {
		if k.Number < 0 || k.Number >= maxKeys {
			return nil, fmt.Errorf("key %d: numbers go from 0 to %d", k.Number, maxKeys-1)
		}
		if r.signers[k.Number].method != "" {
			return nil, fmt.Errorf("key %d is defined twice: remove one of the two", k.Number)
		}
		s, err := newSigner(k)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", k.Number, err)
		}
		r.signers[k.Number] = s
	}
	if sign < 0 || sign >= maxKeys || r.signers[sign].method == "" {
		return nil, fmt.Errorf("sign with key %d: there is no such key: define it, or name another in the auth line", sign)
	}
	return r, nil
}

func newSigner(k Key) (signer, error) {
	var digest func() hash.Hash
	switch k.Method {
	case CRC:
		if k.Secret != "" {
			return signer{}, errors.New("crc takes no secret: remove it, or sign with sha1 or sha256")
		}
		return signer{method: CRC}, nil
	case MD5:
		digest = md5.New
	case SHA1:
		digest = sha1.New
	case SHA256:
		digest = sha256.New
	default:
		return signer{}, fmt.Errorf("unknown method %q: there are crc, md5, sha1, sha256", string(k.Method))
	}
	if k.Secret == "" {
		return signer{}, fmt.Errorf("%s needs a secret: write one word behind it", k.Method)
	}
	mac := hmac.New(digest, []byte(k.Secret))
	mac.Reset() // from here on clones start with the secret already taken in
	return signer{method: k.Method, mac: mac}, nil
}

// maxDigest is the longest digest in hex: SHA-256's.
const maxDigest = 2 * sha256.Size

// appendDigest appends the digest of a and b, one after the other, in hex.
func (s *signer) appendDigest(dst, a, b []byte) []byte {
	if s.method == CRC {
		return strconv.AppendUint(dst, uint64(heartbeatCRC(a, b)), 16)
	}
	// The hashes of the standard library all clone, and never fail to.
	clone, err := s.mac.(hash.Cloner).Clone()
	if err != nil {
		panic("wire: clone " + string(s.method) + ": " + err.Error())
	}
	clone.Write(a)
	clone.Write(b)
	var sum [sha256.Size]byte
	return hex.AppendEncode(dst, clone.Sum(sum[:0]))
}

// appendSignature appends "KEYNUM DIGEST", made with the signing key.
func (r *Keyring) appendSignature(dst, signed []byte) []byte {
	dst = strconv.AppendInt(dst, int64(r.sign), 10)
	dst = append(dst, ' ')
	return r.signers[r.sign].appendDigest(dst, signed, nil)
}

// verify checks "KEYNUM DIGEST" against a and b, with the key that it names.
func (r *Keyring) verify(signature, a, b []byte) error {
	number, digest, ok := cutKeyNumber(signature)
	if !ok {
		return refuse(NoSignature, "where it should stand is no key number with a digest")
	}
	if number >= maxKeys || r.signers[number].method == "" {
		return refuseKey(UnknownKey, number)
	}
	s := &r.signers[number]
	if s.method == CRC && number != r.sign {
		return refuseKey(CRCRefused, number)
	}
	var buf [maxDigest]byte
	if !hmac.Equal(s.appendDigest(buf[:0], a, b), digest) {
		return refuseKey(WrongSignature, number)
	}
	return nil
}

// cutKeyNumber splits a number of one or two digits and one blank from the front.
func cutKeyNumber(s []byte) (number int, rest []byte, ok bool) {
	i := 0
	for ; i < len(s) && i < 2 && '0' <= s[i] && s[i] <= '9'; i++ {
		number = 10*number + int(s[i]-'0')
	}
	if i == 0 || i == len(s) || s[i] != ' ' || s[0] == '0' && i > 1 {
		return 0, nil, false
	}
	return number, s[i+1:], true
}
