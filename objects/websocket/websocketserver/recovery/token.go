package recovery

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

// NewID is an identifier that cannot be guessed: 26 letters and digits, 130 bits.
func NewID() string { return rand.Text() }

// NewToken makes the proof of a session, which its client keeps, and the digest, by which it is known again.
func NewToken(session string) (token string, digest []byte) {
	secret := rand.Text()
	return session + "." + secret, digestOf(secret)
}

// Split takes a token apart; ok is false if it can be none.
func Split(token string) (session, secret string, ok bool) {
	session, secret, ok = strings.Cut(token, ".")
	return session, secret, ok && len(session) == 26 && len(secret) == 26
}

// Match tells whether a secret is that of a digest, in a time that does not depend on them.
func Match(secret string, digest []byte) bool {
	return subtle.ConstantTimeCompare(digestOf(secret), digest) == 1
}

func digestOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
