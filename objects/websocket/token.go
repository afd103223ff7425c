package websocket

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// JoinTokens mints and checks join tokens: a backend that knows a user gives the user's client one, with which it enters
// a room without a cookie. Anything that makes JSON Web Tokens can mint them too:
//
//	header   {"alg":"HS256","typ":"join+jwt","kid":…}   kid, KeyID of the key, may be left out
//	payload  {"jti":…,"room":…,"meta":…,"cap":{…},"nbf":…,"exp":…}
//
// The room, cap (see Capabilities) and exp must be there; nbf and exp are seconds since 1970. HS256 is the only algorithm,
// and typ keeps tokens apart that were made for something else with the same key.
// See https://www.rfc-editor.org/rfc/rfc7519 and, for both, https://www.rfc-editor.org/rfc/rfc8725.
//
// It does not change, and may be used from any goroutine. It does not print its keys.
type JoinTokens struct{ keys []joinKey }

type joinKey struct {
	id     string
	secret []byte
}

// Bounds of join tokens.
const (
	// MaxToken is the length of a token, in bytes.
	MaxToken = 4 << 10
	// ClockSkew is what clocks may differ by: a token counts that much before NotBefore, and that much after Expires.
	ClockSkew = 30 * time.Second
	// MinKey is the length of a key, in bytes: what is shorter can be guessed from a token.
	MinKey = 32
	// MaxKeys are the keys at a time. Each that a token without a kid may be of costs a digest.
	MaxKeys = 8
)

// TokenType is typ of the header.
const TokenType = "join+jwt"

// Errors of Check.
var (
	ErrToken        = errors.New("websocket: the join token is not of any of the keys, or none")
	ErrTokenLong    = fmt.Errorf("websocket: a join token has at most %d bytes", MaxToken)
	ErrTokenExpired = errors.New("websocket: the join token has expired")
	ErrTokenEarly   = errors.New("websocket: the join token does not count yet")
)

// JoinToken is what a token says.
type JoinToken struct {
	// Identity is who enters, where, as what. Room must be set, and is the only one that the token opens. Nil Capabilities
	// are everything, and are Everything() when the token is read. Expires must be set.
	Identity
	// ID names the token. Mint makes one up for a token that has none.
	ID string
	// NotBefore is when it begins to count. Zero is at once.
	NotBefore time.Time
}

// NewJoinTokens takes the keys: the first signs, all are accepted. To rotate, put the new one first, and drop the old one
// when its last token has expired. An error is a key of fewer than MinKey bytes, the same key twice, none, or more than
// MaxKeys.
func NewJoinTokens(keys ...[]byte) (*JoinTokens, error) {
	if len(keys) < 1 || len(keys) > MaxKeys {
		return nil, fmt.Errorf("websocket: join tokens need 1 to %d keys, got %d", MaxKeys, len(keys))
	}
	t := &JoinTokens{}
	for i, secret := range keys {
		if len(secret) < MinKey {
			return nil, fmt.Errorf("websocket: a key of join tokens has at least %d bytes, key %d has %d: make one with crypto/rand", MinKey, i+1, len(secret))
		}
		k := joinKey{KeyID(secret), bytes.Clone(secret)}
		for j, other := range t.keys {
			if k.id == other.id {
				return nil, fmt.Errorf("websocket: keys %d and %d of join tokens are the same", j+1, i+1)
			}
		}
		t.keys = append(t.keys, k)
	}
	return t, nil
}

// KeyID is the kid of tokens of a key.
func KeyID(secret []byte) string { return hex.EncodeToString(sign(secret, "kid")[:8]) }

// String does not tell the keys.
func (t *JoinTokens) String() string { return "websocket.JoinTokens" }

// GoString neither.
func (t *JoinTokens) GoString() string { return t.String() }

type joinHeader struct {
	Algorithm string          `json:"alg"`
	Key       string          `json:"kid,omitempty"`
	Type      string          `json:"typ"`
	Critical  json.RawMessage `json:"crit,omitempty"`
}

type joinClaims struct {
	ID           string          `json:"jti,omitempty"`
	Room         string          `json:"room"`
	Meta         json.RawMessage `json:"meta,omitempty"`
	Capabilities *Capabilities   `json:"cap"`
	NotBefore    float64         `json:"nbf,omitempty"`
	Expires      float64         `json:"exp"`
}

// Mint makes a token. An error is an identity that no room would take, or a token of more than MaxToken bytes.
func (t *JoinTokens) Mint(j JoinToken) (string, error) {
	c := joinClaims{ID: j.ID, Room: j.Room, Capabilities: j.Capabilities, Expires: float64(j.Expires.Unix())}
	switch {
	case !ValidRoom(j.Room):
		return "", fmt.Errorf("websocket: a join token needs a room of up to %d bytes of printable text, got %q", MaxRoom, j.Room)
	case !countable(j.Expires):
		return "", fmt.Errorf("websocket: a join token needs Expires, before the year 10000, got %v", j.Expires)
	case !j.NotBefore.IsZero() && !(countable(j.NotBefore) && j.NotBefore.Before(j.Expires)):
		return "", fmt.Errorf("websocket: a join token needs a NotBefore that is before Expires, %v, got %v", j.Expires, j.NotBefore)
	case len(j.ID) > MaxEvent:
		return "", fmt.Errorf("websocket: the ID of a join token has at most %d bytes, got %d", MaxEvent, len(j.ID))
	}
	if err := j.Capabilities.Check(); err != nil {
		return "", err
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	if c.Capabilities == nil {
		c.Capabilities = Everything()
	}
	if !j.NotBefore.IsZero() {
		c.NotBefore = float64(j.NotBefore.Unix())
	}
	if j.Meta != nil {
		var err error
		if c.Meta, err = json.Marshal(j.Meta); err != nil {
			return "", fmt.Errorf("websocket: the metadata of a join token: %w", err)
		}
	}
	header, _ := json.Marshal(joinHeader{Algorithm: "HS256", Key: t.keys[0].id, Type: TokenType})
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("websocket: join token: %w", err)
	}
	text := encoding.EncodeToString(header) + "." + encoding.EncodeToString(payload)
	text += "." + encoding.EncodeToString(sign(t.keys[0].secret, text))
	if len(text) > MaxToken {
		return "", fmt.Errorf("%w, this one would have %d: say less in Meta and Capabilities", ErrTokenLong, len(text))
	}
	return text, nil
}

// Check reads a token. An error is ErrTokenLong, ErrToken, ErrTokenExpired or ErrTokenEarly; the last two are of sound
// tokens only. Nothing of what a token says is read before its signature has been.
func (t *JoinTokens) Check(text string, now time.Time) (JoinToken, error) {
	if len(text) > MaxToken {
		return JoinToken{}, ErrTokenLong
	}
	payload, ok := t.verify(text)
	if !ok {
		return JoinToken{}, ErrToken
	}
	var c joinClaims
	if json.Unmarshal(payload, &c) != nil || !ValidRoom(c.Room) || c.Capabilities == nil || c.Capabilities.Check() != nil || len(c.ID) > MaxEvent {
		return JoinToken{}, ErrToken
	}
	expires, ok := seconds(c.Expires)
	if !ok {
		return JoinToken{}, ErrToken
	}
	j := JoinToken{ID: c.ID, Identity: Identity{Room: c.Room, Capabilities: c.Capabilities, Expires: expires}}
	if c.NotBefore != 0 {
		if j.NotBefore, ok = seconds(c.NotBefore); !ok {
			return JoinToken{}, ErrToken
		}
	}
	if len(c.Meta) > 0 && string(c.Meta) != "null" {
		j.Meta = c.Meta
	}
	switch {
	case !now.Before(j.Expires.Add(ClockSkew)):
		return JoinToken{}, ErrTokenExpired
	case now.Before(j.NotBefore.Add(-ClockSkew)):
		return JoinToken{}, ErrTokenEarly
	}
	return j, nil
}

func countable(at time.Time) bool {
	_, ok := seconds(float64(at.Unix()))
	return ok
}

// seconds is a NumericDate, which may have a fraction; ok is false for one that is not within the next eight thousand years.
func seconds(s float64) (at time.Time, ok bool) {
	if !(s > 0 && s < 253402300800) {
		return at, false
	}
	whole, fraction := math.Modf(s)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// maxHeader bounds the one part that is read before the signature is.
const maxHeader = 256

// verify is the payload of a token, if one of the keys has signed it.
func (t *JoinTokens) verify(text string) (payload []byte, ok bool) {
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 {
		return nil, false
	}
	head, body, ok := strings.Cut(text[:dot], ".")
	if !ok || len(head) > maxHeader || strings.IndexByte(body, '.') >= 0 {
		return nil, false
	}
	signature, ok := decode(text[dot+1:])
	if !ok {
		return nil, false
	}
	var h joinHeader
	if b, ok := decode(head); !ok || json.Unmarshal(b, &h) != nil || h.Algorithm != "HS256" || h.Type != TokenType || h.Critical != nil {
		return nil, false
	}
	ok = false
	for _, k := range t.keys {
		if h.Key == "" || h.Key == k.id {
			ok = hmac.Equal(sign(k.secret, text[:dot]), signature) || ok
		}
	}
	if !ok {
		return nil, false
	}
	return decode(body)
}

func sign(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// encoding takes one text for each value, so that a token cannot be written in two ways. It passes over ends of lines.
var encoding = base64.RawURLEncoding.Strict()

func decode(s string) (b []byte, ok bool) {
	b, err := encoding.DecodeString(s)
	return b, err == nil && !strings.ContainsAny(s, "\r\n")
}
