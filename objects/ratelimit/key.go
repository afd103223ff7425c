package ratelimit

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// KeyFunc is the key that a request counts under; ok is false if it has none. It must not change the request. Keys of
// different functions differ: each has a prefix.
type KeyFunc func(r *http.Request) (key string, ok bool)

// ClientIP is the address of the client: ip:203.0.113.9, or the network of 64 bits of an IPv6 address, which is what one
// subscriber has.
//
// The address is that of CF-Connecting-IP, which Cloudflare and the durago host set themselves and let nobody else set;
// where there is none, it is the peer's. If it belongs to a proxy that is trusted, X-Forwarded-For is read from its end:
// the client is the last address there that is not trusted. Without trusted proxies that field is never read. See
// https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip.
func ClientIP(trusted ...netip.Prefix) KeyFunc {
	proxy := func(a netip.Addr) bool {
		for _, p := range trusted {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	return func(r *http.Request) (string, bool) {
		peer := r.Header.Get("CF-Connecting-IP")
		if peer == "" {
			peer = r.RemoteAddr
		}
		a, ok := address(peer)
		if !ok {
			return "", false
		}
		// Each proxy has appended the address that it saw.
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0 && proxy(a); i-- {
			next, ok := address(strings.TrimSpace(hops[i]))
			if !ok {
				break
			}
			a = next
		}
		if a.Is6() {
			p, _ := a.Prefix(64)
			return "ip:" + p.String(), true
		}
		return "ip:" + a.String(), true
	}
}

// address reads an address, with or without a port. IPv4 within IPv6 is IPv4, and a zone is left out.
func address(s string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}

// User is the user whom the application knows: user:ann. An empty name is none.
func User(name func(r *http.Request) string) KeyFunc {
	return func(r *http.Request) (string, bool) {
		n := name(r)
		return "user:" + n, n != ""
	}
}

// APIKey is the secret in a header, as a digest, so that it is stored nowhere: key: and 32 hexadecimal digits. In
// Authorization the scheme is left out. It limits whoever presents the secret, and does not check it: what is not
// authenticated gets a fresh key with each guess, and is better limited by ClientIP too.
func APIKey(header string) KeyFunc {
	return func(r *http.Request) (string, bool) {
		secret := r.Header.Get(header)
		if strings.EqualFold(header, "Authorization") {
			_, secret, _ = strings.Cut(secret, " ")
		}
		if secret = strings.TrimSpace(secret); secret == "" {
			return "", false
		}
		sum := sha256.Sum256([]byte(secret))
		return "key:" + hex.EncodeToString(sum[:16]), true
	}
}

// FirstOf is the key of the first function that has one: a user if there is one, else the address. All but the last
// should be of what has been authenticated: who can make up a key gets past the rest.
func FirstOf(functions ...KeyFunc) KeyFunc {
	return func(r *http.Request) (string, bool) {
		for _, f := range functions {
			if key, ok := f(r); ok {
				return key, true
			}
		}
		return "", false
	}
}
