package durable

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// An id is 16 bytes and their keyed digest, as workerd makes them: sha256 of the namespace's unique key is the key, the
// first half is the digest of the name or random, the second half is the digest of the first.

func digest(uniqueKey string, b []byte) []byte {
	key := sha256.Sum256([]byte(uniqueKey))
	h := hmac.New(sha256.New, key[:])
	h.Write(b)
	return h.Sum(nil)[:16]
}

func seal(uniqueKey string, base []byte) string {
	return hex.EncodeToString(append(base[:16:16], digest(uniqueKey, base)...))
}

// named are ids of names that were asked for lately. Making one takes four digests, a twentieth of what a small request costs.
type named [1024]atomic.Pointer[namedID]

type namedID struct{ name, id string }

var namedSeed = maphash.MakeSeed()

// IDFromName is the id of the object of that name. It may be called from any goroutine.
func (n *Namespace) IDFromName(name string) string {
	at := &n.named[maphash.String(namedSeed, name)%uint64(len(n.named))]
	if last := at.Load(); last != nil && last.name == name {
		return last.id
	}
	id := seal(n.UniqueKey, digest(n.UniqueKey, []byte(name)))
	if len(name) <= maxName {
		at.Store(&namedID{strings.Clone(name), id})
	}
	return id
}

// NewUniqueID is the id of an object that does not exist yet.
func (n *Namespace) NewUniqueID() string {
	var base [16]byte
	_, _ = rand.Read(base[:]) // never fails
	return seal(n.UniqueKey, base[:])
}

// ParseID checks an id and puts it in its usual form.
func (n *Namespace) ParseID(s string) (string, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		return "", &Error{Name: "TypeError", Message: "Invalid Durable Object ID: must be 64 hex digits"}
	}
	if subtle.ConstantTimeCompare(b[16:], digest(n.UniqueKey, b[:16])) != 1 {
		return "", &Error{Name: "TypeError", Message: "Durable Object ID is not valid for this namespace."}
	}
	return strings.ToLower(s), nil
}
