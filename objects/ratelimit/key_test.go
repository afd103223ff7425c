package ratelimit_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit"
)

func TestClientIP(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	for _, row := range []struct {
		name, peer, connecting, forwarded string
		trusted                           []netip.Prefix
		key                               string
	}{
		{"the peer", "203.0.113.9:1", "", "", nil, "ip:203.0.113.9"},
		{"Cloudflare's field", "172.16.0.1:1", "203.0.113.9", "", nil, "ip:203.0.113.9"},
		{"a forged X-Forwarded-For", "203.0.113.9:1", "", "1.2.3.4", nil, "ip:203.0.113.9"},
		{"a forged one past a proxy that is not trusted", "203.0.113.9:1", "", "1.2.3.4", proxies, "ip:203.0.113.9"},
		{"a trusted proxy", "10.0.0.1:1", "", "203.0.113.9", proxies, "ip:203.0.113.9"},
		{"a forged hop before a trusted proxy's", "10.0.0.1:1", "", "1.2.3.4, 203.0.113.9", proxies, "ip:203.0.113.9"},
		{"two trusted proxies", "10.0.0.1:1", "", "1.2.3.4,203.0.113.9 , 10.9.9.9", proxies, "ip:203.0.113.9"},
		{"nothing but proxies", "10.0.0.1:1", "", "10.9.9.9", proxies, "ip:10.9.9.9"},
		{"a trusted proxy that tells nothing", "10.0.0.1:1", "", "", proxies, "ip:10.0.0.1"},
		{"a trusted proxy that tells nonsense", "10.0.0.1:1", "", "1.2.3.4, unknown", proxies, "ip:10.0.0.1"},
		{"a trusted proxy behind Cloudflare's field", "x", "10.0.0.1", "203.0.113.9", proxies, "ip:203.0.113.9"},
		{"IPv6", "[2001:db8:1:2:3:4:5:6]:1", "", "", nil, "ip:2001:db8:1:2::/64"},
		{"IPv6 without a port", "2001:db8:1:2:3:4:5:6", "", "", nil, "ip:2001:db8:1:2::/64"},
		{"IPv6 of a trusted proxy", "[2001:db8:ffff::1]:1", "", "[2001:db8:1:2::9]:443", proxies, "ip:2001:db8:1:2::/64"},
		{"IPv4 within IPv6", "[::ffff:203.0.113.9]:1", "", "", nil, "ip:203.0.113.9"},
		{"a zone", "[fe80::1%eth0]:1", "", "", nil, "ip:fe80::/64"},
		{"no address", "@", "", "", nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = row.peer
			if row.connecting != "" {
				r.Header.Set("CF-Connecting-IP", row.connecting)
			}
			if row.forwarded != "" {
				r.Header.Set("X-Forwarded-For", row.forwarded)
			}
			key, ok := ratelimit.ClientIP(row.trusted...)(r)
			require.Equal(t, row.key, key)
			require.Equal(t, row.key != "", ok)
		})
	}
}

func TestFirstOf(t *testing.T) {
	f := ratelimit.FirstOf(ratelimit.User(func(r *http.Request) string { return r.URL.Query().Get("user") }), ratelimit.APIKey("Authorization"), ratelimit.APIKey("X-API-Key"))
	key := func(path, header, value string) string {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set(header, value)
		k, ok := f(r)
		require.Equal(t, k != "", ok)
		return k
	}
	require.Equal(t, "user:ann", key("/?user=ann", "X-API-Key", "s3cret"))
	digest := key("/", "X-API-Key", "s3cret")
	require.Regexp(t, "^key:[0-9a-f]{32}$", digest)
	require.Equal(t, digest, key("/", "Authorization", "Bearer s3cret"))
	require.NotEqual(t, digest, key("/", "X-API-Key", "other"))
	require.Empty(t, key("/", "Authorization", "Bearer "))
	require.Empty(t, key("/", "Authorization", "Bearer"))
}
