package websocket

import (
	"errors"
	"log"
	"net/http"
	"strings"
)

// takeToken takes the join token that a client offers out of its request, which is copied for that. Two are none.
func takeToken(r **http.Request) (token string, offered bool) {
	const name = "Sec-WebSocket-Protocol"
	var rest []string
	n := 0
	for _, p := range strings.Split(strings.Join((*r).Header.Values(name), ","), ",") {
		p = strings.TrimSpace(p)
		if t, ok := strings.CutPrefix(p, TokenProtocol); ok {
			token = t
			n++
		} else if p != "" {
			rest = append(rest, p)
		}
	}
	if n == 0 {
		return "", false
	}
	*r = (*r).Clone((*r).Context())
	(*r).Header.Del(name)
	if len(rest) > 0 {
		(*r).Header.Set(name, strings.Join(rest, ", "))
	}
	if n > 1 {
		return "", true
	}
	return token, true
}

// bearer is the join token of a request to a door, if it has one: there a page may set a header.
func bearer(r *http.Request) string {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// join lets somebody in who has a token. Nobody's log gets it.
func (h handler) join(w http.ResponseWriter, r *http.Request, token string, then entrance) {
	tokens, err := h.Tokens(r.Context())
	if err != nil || tokens == nil {
		log.Printf("websocket: the keys of join tokens: %v", err)
		WriteError(w, http.StatusServiceUnavailable, "WebSocket not available")
		return
	}
	if token == "" {
		WriteError(w, http.StatusBadRequest, "Offer one join token")
		return
	}
	j, err := tokens.Check(token, h.Now())
	if err != nil {
		status, message := TokenStatus(err)
		WriteError(w, status, message)
		return
	}
	if named := r.URL.Query().Get("room"); named != "" && named != j.Room {
		WriteError(w, http.StatusForbidden, "The join token is for another room")
		return
	}
	then(w, r, j.Room, &j.Identity, j.ID)
}

// TokenStatus is how an error of JoinTokens.Check is answered.
func TokenStatus(err error) (status int, message string) {
	switch {
	case errors.Is(err, ErrTokenLong):
		return http.StatusBadRequest, "The join token is too long"
	case errors.Is(err, ErrTokenExpired):
		return http.StatusUnauthorized, "The join token has expired: get another"
	case errors.Is(err, ErrTokenEarly):
		return http.StatusUnauthorized, "The join token does not count yet"
	}
	return http.StatusUnauthorized, "The join token is not valid"
}

// ends is when a session ends, in milliseconds since 1970, or 0.
func (who *Identity) ends() int64 {
	if who.Expires.IsZero() {
		return 0
	}
	return who.Expires.UnixMilli()
}
