package websocket_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
)

var (
	now    = time.Unix(1_700_000_000, 0)
	key    = []byte(strings.Repeat("k", 32))
	before = []byte(strings.Repeat("b", 32))
	other  = []byte(strings.Repeat("o", 32))
)

func newTokens(t testing.TB, keys ...[]byte) *websocket.JoinTokens {
	t.Helper()
	tokens, err := websocket.NewJoinTokens(keys...)
	require.NoError(t, err)
	return tokens
}

// ann is a token's content.
func ann() websocket.JoinToken {
	return websocket.JoinToken{ID: "t1", Identity: websocket.Identity{Room: "acme", Meta: websocket.UserMeta{UserID: "ann"},
		Capabilities: &websocket.Capabilities{Publish: []string{"chat"}}, Expires: now.Add(time.Hour)}}
}

func mint(t testing.TB, tokens *websocket.JoinTokens, change func(*websocket.JoinToken)) string {
	t.Helper()
	j := ann()
	if change != nil {
		change(&j)
	}
	text, err := tokens.Mint(j)
	require.NoError(t, err)
	return text
}

// forge signs any header and payload.
func forge(header, payload string, h func() hash.Hash, secret []byte) string {
	e := base64.RawURLEncoding
	text := e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(payload))
	m := hmac.New(h, secret)
	m.Write([]byte(text))
	return text + "." + e.EncodeToString(m.Sum(nil))
}

const (
	sound   = `{"alg":"HS256","typ":"join+jwt"}`
	payload = `{"room":"acme","meta":{"user_id":"ann"},"cap":{},"exp":1700003600}`
)

// TestJoinTokens: what is minted is read, by any key, for as long as it counts.
func TestJoinTokens(t *testing.T) {
	tokens := newTokens(t, key, before)
	t.Run("what is said is read", func(t *testing.T) {
		j, err := tokens.Check(mint(t, tokens, nil), now)
		require.NoError(t, err)
		require.Equal(t, "t1", j.ID)
		require.Equal(t, "acme", j.Room)
		require.Equal(t, json.RawMessage(`{"user_id":"ann"}`), j.Meta)
		require.Equal(t, ann().Capabilities, j.Capabilities)
		require.True(t, j.Expires.Equal(now.Add(time.Hour)))
	})
	t.Run("everything, in full", func(t *testing.T) {
		text := mint(t, tokens, func(j *websocket.JoinToken) { j.Capabilities, j.ID, j.Meta = nil, "", nil })
		j, err := tokens.Check(text, now)
		require.NoError(t, err)
		require.Equal(t, websocket.Everything(), j.Capabilities)
		require.Len(t, j.ID, 26)
		require.Nil(t, j.Meta)
	})
	t.Run("rotation", func(t *testing.T) {
		old, next := newTokens(t, before), newTokens(t, other, key)
		_, err := tokens.Check(mint(t, old, nil), now)
		require.NoError(t, err)
		_, err = next.Check(mint(t, tokens, nil), now)
		require.NoError(t, err)
		_, err = next.Check(mint(t, old, nil), now)
		require.ErrorIs(t, err, websocket.ErrToken)
	})
	t.Run("made by something else", func(t *testing.T) {
		j, err := tokens.Check(forge(sound, payload, sha256.New, before), now)
		require.NoError(t, err)
		require.Equal(t, &websocket.Capabilities{}, j.Capabilities)
		_, err = tokens.Check(forge(`{"typ":"join+jwt","kid":"`+websocket.KeyID(before)+`","alg":"HS256"}`, strings.Replace(payload, "1700003600", "1700003600.5", 1), sha256.New, before), now)
		require.NoError(t, err)
	})
	t.Run("times", func(t *testing.T) {
		text := mint(t, tokens, func(j *websocket.JoinToken) { j.NotBefore = now.Add(time.Minute) })
		for after, want := range map[time.Duration]error{
			29 * time.Second: websocket.ErrTokenEarly, 30 * time.Second: nil, time.Hour: nil,
			time.Hour + 30*time.Second - 1: nil, time.Hour + 30*time.Second: websocket.ErrTokenExpired,
		} {
			_, err := tokens.Check(text, now.Add(after))
			require.Equal(t, want, err, "%v", after)
		}
	})
	t.Run("its keys are not printed", func(t *testing.T) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			require.NotContains(t, fmt.Sprintf(verb, tokens), "kkkk")
			require.NotContains(t, fmt.Sprintf(verb, tokens), fmt.Sprint(key[:3]))
		}
	})
	t.Run("its keys are its own", func(t *testing.T) {
		mine := bytes.Clone(key)
		own := newTokens(t, mine)
		text := mint(t, own, nil)
		mine[0] = 'x'
		_, err := own.Check(text, now)
		require.NoError(t, err)
	})
}

// TestJoinTokens_Check: what is not accepted, and as what.
func TestJoinTokens_Check(t *testing.T) {
	tokens := newTokens(t, key)
	good := mint(t, tokens, nil)
	part := strings.Split(good, ".")
	flip := func(i int) string {
		p := strings.Split(good, ".")
		p[i] = p[i][:3] + string(p[i][3]^1) + p[i][4:]
		return strings.Join(p, ".")
	}
	last := good[len(good)-1]
	for name, text := range map[string]string{
		"nothing":                   "",
		"two parts":                 part[0] + "." + part[1],
		"four parts":                good + ".x",
		"another header":            flip(0),
		"another payload":           flip(1),
		"another signature":         flip(2),
		"no signature":              part[0] + "." + part[1] + ".",
		"half a signature":          good[:len(good)-10],
		"another key's":             mint(t, newTokens(t, other), nil),
		"another key's, of our kid": forge(`{"alg":"HS256","typ":"join+jwt","kid":"`+websocket.KeyID(key)+`"}`, payload, sha256.New, other),
		"a kid that is none":        forge(`{"alg":"HS256","typ":"join+jwt","kid":"x"}`, payload, sha256.New, key),
		"an empty key":              forge(sound, payload, sha256.New, nil),
		"alg none, unsigned":        strings.Join(strings.Split(forge(`{"alg":"none","typ":"join+jwt"}`, payload, sha256.New, key), ".")[:2], ".") + ".",
		"alg none, signed":          forge(`{"alg":"none","typ":"join+jwt"}`, payload, sha256.New, key),
		"HS512":                     forge(`{"alg":"HS512","typ":"join+jwt"}`, payload, sha512.New, key),
		"HS512, signed as HS256":    forge(`{"alg":"HS512","typ":"join+jwt"}`, payload, sha256.New, key),
		"another type":              forge(`{"alg":"HS256","typ":"JWT"}`, payload, sha256.New, key),
		"no type":                   forge(`{"alg":"HS256"}`, payload, sha256.New, key),
		"what must be understood":   forge(`{"alg":"HS256","typ":"join+jwt","crit":["b64"]}`, payload, sha256.New, key),
		"a long header":             forge(`{"alg":"HS256","typ":"join+jwt","pad":"`+strings.Repeat("[", 300)+`"}`, payload, sha256.New, key),
		"no JSON":                   forge(sound, `{`, sha256.New, key),
		"no room":                   forge(sound, `{"cap":{},"exp":1700003600}`, sha256.New, key),
		"no capabilities":           forge(sound, `{"room":"acme","exp":1700003600}`, sha256.New, key),
		"no expiry":                 forge(sound, `{"room":"acme","cap":{}}`, sha256.New, key),
		"an expiry that is none":    forge(sound, `{"room":"acme","cap":{},"exp":"1700003600"}`, sha256.New, key),
		"an expiry too far":         forge(sound, `{"room":"acme","cap":{},"exp":1e300}`, sha256.New, key),
		"a beginning too far":       forge(sound, `{"room":"acme","cap":{},"exp":1700003600,"nbf":-1}`, sha256.New, key),
		"an end of line":            part[0] + "\n." + part[1] + "." + part[2],
		"an end of line at its end": good + "\n",
		"padding":                   good + "=",
		"bits that are not read":    good[:len(good)-1] + string(last+1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokens.Check(text, now)
			require.Equal(t, websocket.ErrToken, err)
		})
	}
	t.Run("too long", func(t *testing.T) {
		_, err := tokens.Check(strings.Repeat("x", websocket.MaxToken+1), now)
		require.Equal(t, websocket.ErrTokenLong, err)
		_, err = tokens.Check(strings.Repeat("x", websocket.MaxToken), now)
		require.Equal(t, websocket.ErrToken, err)
	})
	_, err := tokens.Check(good, now)
	require.NoError(t, err)
}

// TestJoinTokens_Mint: what no room would take is not minted.
func TestJoinTokens_Mint(t *testing.T) {
	tokens := newTokens(t, key)
	for name, change := range map[string]func(*websocket.JoinToken){
		"no room":      func(j *websocket.JoinToken) { j.Room = "" },
		"no expiry":    func(j *websocket.JoinToken) { j.Expires = time.Time{} },
		"too late":     func(j *websocket.JoinToken) { j.Expires = time.Unix(253402300800, 0) },
		"never":        func(j *websocket.JoinToken) { j.NotBefore = j.Expires },
		"too early":    func(j *websocket.JoinToken) { j.NotBefore = time.Unix(-1, 0) },
		"capabilities": func(j *websocket.JoinToken) { j.Capabilities = &websocket.Capabilities{Publish: []string{""}} },
		"metadata":     func(j *websocket.JoinToken) { j.Meta = func() {} },
		"an id":        func(j *websocket.JoinToken) { j.ID = strings.Repeat("x", 129) },
		"length":       func(j *websocket.JoinToken) { j.Meta = strings.Repeat("x", 3<<10) },
	} {
		t.Run(name, func(t *testing.T) {
			j := ann()
			change(&j)
			_, err := tokens.Mint(j)
			require.Error(t, err)
		})
	}
	for _, keys := range [][][]byte{{}, {key[:31]}, {key, key}, {nil}, {{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}}} {
		_, err := websocket.NewJoinTokens(keys...)
		require.Error(t, err)
	}
}

// FuzzToken: never a panic, and only what was minted is accepted, however much it looks like it. Half of the inputs are
// signed: then what is accepted has all that a room needs.
func FuzzToken(f *testing.F) {
	tokens := newTokens(f, key)
	minted := mint(f, tokens, nil)
	part := strings.Split(minted, ".")
	f.Add(minted, "", "")
	f.Add(minted+"=", sound, payload)
	f.Add(part[0]+"\n."+part[1]+"."+part[2], `{"alg":"none"}`, payload)
	f.Add(part[0]+"."+part[1]+".", sound, `{"room":"r","cap":null,"exp":1}`)
	f.Add(mint(f, newTokens(f, other), nil), sound, `{"room":"r","cap":{"publish":["x:"]},"exp":1700000000,"meta":[[[]]]}`)
	f.Fuzz(func(t *testing.T, text, header, payload string) {
		if _, err := tokens.Check(text, now); err == nil && text != minted {
			t.Fatalf("%q was never minted", text)
		}
		j, err := tokens.Check(forge(header, payload, sha256.New, key), now)
		if err != nil {
			return
		}
		if !websocket.ValidRoom(j.Room) || j.Capabilities == nil || j.Capabilities.Check() != nil || !j.Expires.After(now.Add(-websocket.ClockSkew)) {
			t.Fatalf("%+v", j)
		}
		if _, err := tokens.Check(forge(header, payload, sha256.New, other), now); err == nil {
			t.Fatal("another key's")
		}
	})
}
