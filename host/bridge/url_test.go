package bridge

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFetched: URLs become what workerd makes of them; rpc.fetch of testdata/conformance has the same on both runtimes.
func TestFetched(t *testing.T) {
	for from, to := range map[string]string{
		"http://x/":                  "http://x/",
		"http://x-1.y/a?b=../c":      "http://x-1.y/a?b=../c",
		"http://x":                   "http://x/",
		"http://x?a":                 "http://x/?a",
		"HTTP://HOST/Path":           "http://host/Path",
		"http://x:80/y":              "http://x/y",
		"https://x:443/y":            "https://x/y",
		"http://x:443/y":             "http://x:443/y",
		"https://x:80/y":             "https://x:80/y",
		"http://x:/y":                "http://x/y",
		"http://x/a/../b":            "http://x/b",
		"http://x/a/./b/":            "http://x/a/b/",
		"http://x/../..":             "http://x/",
		"http://x/.well-known/a":     "http://x/.well-known/a",
		"http://x//a":                "http://x//a",
		"http://x/%41%2f?q=%20":      "http://x/%41%2f?q=%20",
		"http://user:word@X/y":       "http://user:word@x/y",
		"http://[::1]:8080/y?":       "http://[::1]:8080/y?",
		"https://x.example/a;b/c,d?": "https://x.example/a;b/c,d?",
	} {
		got, err := fetched(from)
		require.NoError(t, err, from)
		require.Equal(t, to, got, from)
	}
	_, err := fetched("ftp://x/y")
	require.EqualError(t, err, "TypeError: Fetch API cannot load: ftp://x/y")
	_, err = fetched("http://x:port/")
	require.EqualError(t, err, "TypeError: Invalid URL: http://x:port/")
}
