//go:build !js

package main_test

import (
	"bufio"
	"cmp"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/worker/counter"
)

// blocks are the fenced blocks of the README in one language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestREADME_curl runs the README's curls as written, but for the port, on both forms of the demo.
func TestREADME_curl(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]hosttest.Options{"one worker": {Config: backend}, "two workers": {Config: app, With: []string{backend}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.GreaterOrEqual(t, curls(t, hosttest.Start(t, o)), 5)
		})
	}
}

func curls(t *testing.T, h *hosttest.Host) (ran int) {
	line := regexp.MustCompile(`^curl (?:-X (\w+) |(-N) |--json '([^']*)' )?'?http://127\.0\.0\.1:8787([^\s']*)'?$`)
	for _, block := range blocks(t, "sh") {
		lines := strings.Split(block, "\n")
		for i, l := range lines {
			m := line.FindStringSubmatch(l)
			if m == nil {
				require.NotContains(t, l, "curl ")
				continue
			}
			require.Equal(t, lines[i+1], "# "+curl(t, h, m[1], m[3], m[4], m[2] != ""), l)
			ran++
		}
	}
	return ran
}

// curl is what curl would print; of a stream, the first line of data.
func curl(t *testing.T, h *hosttest.Host, method, json, path string, stream bool) string {
	t.Helper()
	if json != "" {
		method = "POST"
	}
	r, err := http.NewRequestWithContext(t.Context(), cmp.Or(method, "GET"), h.URL+path, strings.NewReader(json))
	require.NoError(t, err)
	if json != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := h.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	if !stream {
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return strings.TrimSpace(string(b))
	}
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if strings.HasPrefix(s.Text(), "data: ") {
			return s.Text()
		}
	}
	return "no data"
}

// TestREADME_code holds that the README's object and configurations are the real ones, where they are not left out.
func TestREADME_code(t *testing.T) {
	for file, language := range map[string]string{"counter/counterserver/server.go": "go", backend: "toml", app: "jsonc"} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		rest := string(source)
		for part := range strings.SplitSeq(blocks(t, language)[0], "…\n") {
			for paragraph := range strings.SplitSeq(strings.Trim(part, "\n\t"), "\n\n") {
				_, after, found := strings.Cut(rest, strings.Trim(paragraph, "\n\t"))
				require.True(t, found, "%s does not go on with:\n%s", file, paragraph)
				rest = after
			}
		}
	}
}

// TestREADME_test is the README's test.
func TestREADME_test(t *testing.T) {
	t.Parallel()
	h := hosttest.Start(t, hosttest.Options{Config: "../wrangler.toml"})
	o := h.Object("COUNTER", "a")
	n, err := counter.Increment.Call(t.Context(), o, 2)
	require.NoError(t, err)
	require.Equal(t, 2, n)

	require.NoError(t, counter.ResetIn.Call(t.Context(), o, 60_000))
	require.NoError(t, o.Evict())
	h.Advance(time.Minute)
	n, err = counter.Get.Call(t.Context(), o)
	require.NoError(t, err)
	require.Zero(t, n)

	own, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	body := regexp.MustCompile(`(?s)\th := .*\n}`).FindString(blocks(t, "go")[2])
	require.NotEmpty(t, body)
	require.Contains(t, string(own), strings.TrimSuffix(body, "\n}"))
}
