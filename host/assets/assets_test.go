package assets_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/assets"
)

var update = flag.Bool("update", false, "write down what wrangler's local server says")

// files are the site of the comparison; each says its own name.
var files = []string{
	"index.html", "404.html", "about.html", "blog/index.html", "blog/404.html", "blog/post.html", "both.html", "both/index.html", "plain", "page", "page.html",
	"deep/index/index.html", "bin/index", "list/index.htm", "a b.html", "[x].html", "ä/ö.html", "style.css", "app.js", "data.json", "noext.zzz", "x.html.html", ".hidden",
	".well-known/security.txt", "%41.txt",
}

type request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"`
}

type answer struct {
	Status   int    `json:"status"`
	Location string `json:"location"`
	Type     string `json:"type"`
	Cache    string `json:"cache"`
	Body     string `json:"body"`
}

type site struct {
	Directory string         `json:"directory"`
	Options   map[string]any `json:"options"`
	Requests  []request      `json:"requests"`
}

// requests are every name with every ending, and what else can be asked.
func requests() (list []request) {
	for _, stem := range []string{"", "/about", "/blog", "/blog/post", "/both", "/plain", "/page", "/deep", "/deep/index", "/bin", "/list", "/none", "/blog/none", "/x", "/x.html"} {
		for _, end := range []string{"", "/", ".html", "/index", "/index.html", "/index/", ".html/", "//"} {
			if p := stem + end; strings.HasPrefix(p, "/") {
				list = append(list, request{Method: "GET", Path: p})
			}
		}
	}
	for _, p := range []string{
		"/a%20b", "/a+b", "/[x]", "/%5Bx%5D", "/%5bx%5d", "/%C3%A4/%C3%B6", "/%c3%a4/%c3%b6", "/%E4", "/style.css", "/app.js", "/data.json", "/noext.zzz", "/.hidden", "/.well-known/security.txt",
		"/%41.txt", "/%2541.txt", "/%61bout", "/about?q=1", "/about.html?q=1&r=%20", "/about/?", "//about", "//about.html", "/blog//post", "/blog//post.html", "/blog/../about", "/blog/./post", "/../about.html", "/%2e%2e/about",
		"/404", "/404.html", "/blog/404", "/index.htm", "/_headers", "/blog/deep/none", "/About", "/blog%2Fpost", "/a%00b", "/%2Fabout", "/%5Cabout",
	} {
		list = append(list, request{Method: "GET", Path: p})
	}
	for _, p := range []string{"/", "/about", "/about.html", "/none", "/none/", "/style.css"} {
		for _, m := range []string{"HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
			list = append(list, request{Method: m, Path: p})
		}
		list = append(list, request{Method: "GET", Path: p, Headers: map[string]string{"Sec-Fetch-Mode": "navigate"}},
			request{Method: "POST", Path: p, Headers: map[string]string{"Sec-Fetch-Mode": "navigate"}},
			request{Method: "GET", Path: p, Headers: map[string]string{"Authorization": "x"}},
			request{Method: "GET", Path: "/binding" + p}, request{Method: "POST", Path: "/binding" + p})
	}
	return list
}

func sites(t *testing.T) (list []site) {
	dir := t.TempDir()
	for _, name := range files {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
	}
	for _, html := range []string{"auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"} {
		for _, missing := range []string{"none", "404-page", "single-page-application"} {
			list = append(list, site{dir, map[string]any{"html_handling": html, "not_found_handling": missing}, requests()})
		}
	}
	for _, first := range []any{true, []string{"/blog/*", "/p*e", "!/blog/post", "!/page"}} {
		list = append(list, site{dir, map[string]any{"html_handling": "auto-trailing-slash", "not_found_handling": "404-page", "run_worker_first": first}, requests()})
	}
	return list
}

// ask asks the package itself.
func (s site) ask(t *testing.T) (list []answer) {
	o := assets.Options{Directory: s.Directory, HTMLHandling: s.Options["html_handling"].(string), NotFoundHandling: s.Options["not_found_handling"].(string), Navigations: true}
	switch first := s.Options["run_worker_first"].(type) {
	case bool:
		o.WorkerFirst = first
	case []string:
		o.WorkerRoutes = first
	}
	a, err := assets.Open(o)
	require.NoError(t, err)
	defer func() { require.NoError(t, a.Close()) }()
	for _, q := range s.Requests {
		r := httptest.NewRequest(q.Method, "http://h"+q.Path, nil)
		for k, v := range q.Headers {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		switch {
		case a.Takes(r):
			a.ServeHTTP(w, r)
		case strings.HasPrefix(q.Path, "/binding/"):
			r.URL.Path, r.URL.RawPath = strings.TrimPrefix(r.URL.Path, "/binding"), strings.TrimPrefix(r.URL.RawPath, "/binding")
			a.ServeHTTP(w, r)
		default:
			w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
			if q.Method != http.MethodHead {
				fmt.Fprint(w, "worker")
			}
		}
		resp := w.Result()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		list = append(list, answer{resp.StatusCode, resp.Header.Get("Location"), resp.Header.Get("Content-Type"), resp.Header.Get("Cache-Control"), string(body)})
	}
	return list
}

// lines are answers as they are written down.
func lines(list []site, all [][]answer) (out []string) {
	for i, s := range list {
		for j, q := range s.Requests {
			a := all[i][j]
			if strings.HasPrefix(a.Body, "worker") {
				a.Body = "worker" // how a path is written is for the worker to see
			}
			out = append(out, strings.TrimRight(fmt.Sprintf("%v %s %s %v: %d %s %s %q %s", s.Options, q.Method, q.Path, q.Headers, a.Status, a.Location, a.Type, a.Body, a.Cache), " "))
		}
	}
	return out
}

const record = "testdata/miniflare.txt"

// TestSite: each path of each kind of site is answered as by wrangler's local server.
func TestSite(t *testing.T) {
	list := sites(t)
	var all [][]answer
	for _, s := range list {
		all = append(all, s.ask(t))
	}
	want, err := os.ReadFile(record)
	require.NoError(t, err)
	require.Empty(t, differences(string(want), lines(list, all)))
	all[0][1].Status++
	require.Len(t, differences(string(want), lines(list, all)), 1, "a wrong answer is found")
}

// differences are the lines that the record has otherwise.
func differences(record string, got []string) (list []string) {
	wanted := strings.Split(strings.TrimSpace(record), "\n")
	if len(wanted) != len(got) {
		return []string{fmt.Sprintf("%d answers, and %d in the record", len(got), len(wanted))}
	}
	for i := range got {
		if wanted[i] != got[i] {
			list = append(list, fmt.Sprintf("want %s\n got %s", wanted[i], got[i]))
		}
	}
	return list
}

// TestSite_miniflare: what is written down is what wrangler's local server says. It needs DURAGO_WRANGLER, the folder of the
// npm package, DURAGO_NODE, a node that it runs on, and DURAGO_WORKERD.
func TestSite_miniflare(t *testing.T) {
	dir, node, workerd := os.Getenv("DURAGO_WRANGLER"), os.Getenv("DURAGO_NODE"), os.Getenv("DURAGO_WORKERD")
	if dir == "" || node == "" || workerd == "" {
		t.Skip("DURAGO_WRANGLER, DURAGO_NODE and DURAGO_WORKERD name no wrangler")
	}
	list := sites(t)
	var in bytes.Buffer
	for _, s := range list {
		require.NoError(t, json.NewEncoder(&in).Encode(s))
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/miniflare.cjs", filepath.Join(dir, "..", "miniflare"))
	cmd.Env = append(os.Environ(), "MINIFLARE_WORKERD_PATH="+workerd)
	cmd.Stdin = &in
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, said.String())
	var all [][]answer
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		var a []answer
		require.NoError(t, json.Unmarshal(s.Bytes(), &a))
		all = append(all, a)
	}
	require.Len(t, all, len(list))
	got := lines(list, all)
	if *update {
		require.NoError(t, os.WriteFile(record, []byte(strings.Join(got, "\n")+"\n"), 0o644))
	}
	want, err := os.ReadFile(record)
	require.NoError(t, err)
	require.Empty(t, differences(string(want), got))
	require.Len(t, differences(strings.Replace(string(want), "307 /about ", "200 /about ", 1), got), 1, "a record that is wrong is found")
	t.Logf("%d paths compared", len(got))
}

var _ http.Handler = (*assets.Site)(nil)

// TestOpen: what cannot be served says why.
func TestOpen(t *testing.T) {
	for name, row := range map[string]struct {
		o    assets.Options
		file string
		size int64
		want string
	}{
		"no folder":          {o: assets.Options{}, want: "assets: no directory is named: set assets.directory to the folder of the files"},
		"html handling":      {o: assets.Options{Directory: ".", HTMLHandling: "x"}, want: `assets: html_handling is "x": must be auto-trailing-slash, force-trailing-slash, drop-trailing-slash or none`},
		"not-found handling": {o: assets.Options{Directory: ".", NotFoundHandling: "x"}, want: `assets: not_found_handling is "x": must be none, 404-page or single-page-application`},
		"a wrong rule":       {o: assets.Options{Directory: ".", WorkerRoutes: []string{"x"}}, want: `assets: the rule "x" of run_worker_first must begin with /, or with !/`},
		"negative rules":     {o: assets.Options{Directory: ".", WorkerRoutes: []string{"!/x"}}, want: "assets: run_worker_first has only rules that begin with !: add one for what the worker is asked first"},
		"a long rule":        {o: assets.Options{Directory: ".", WorkerRoutes: []string{"/" + strings.Repeat("x", 100)}}, want: "has 101 bytes: at most 100 are allowed"},
		"many rules":         {o: assets.Options{Directory: ".", WorkerRoutes: make([]string, 101)}, want: "assets: run_worker_first has 101 rules: at most 100 are allowed"},
		"a missing folder":   {o: assets.Options{Directory: "nothing"}, want: "assets: the folder of assets.directory cannot be read: open nothing: no such file or directory"},
		"headers":            {file: "_headers", want: "assets: durago does not apply the _headers of "},
		"redirects":          {file: "_redirects", want: "assets: durago does not apply the _redirects of "},
		"ignored files":      {file: ".assetsignore", want: "assets: durago does not apply the .assetsignore of "},
		"a worker":           {file: "_worker.js", want: "has a _worker.js, which would be served to everyone"},
		"a large file":       {file: "large", size: assets.MaxFile + 1, want: "large has 26214401 bytes: a file may have at most 25 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			if row.file != "" {
				row.o.Directory = t.TempDir()
				f, err := os.Create(filepath.Join(row.o.Directory, row.file))
				require.NoError(t, err)
				require.NoError(t, f.Truncate(row.size))
				require.NoError(t, f.Close())
			}
			_, err := assets.Open(row.o)
			require.ErrorContains(t, err, row.want)
		})
	}
}

// TestSite_links: a link out of the folder is no file of it.
func TestSite_links(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in.txt"), []byte("in"), 0o644))
	require.NoError(t, os.Symlink("in.txt", filepath.Join(dir, "link.txt")))
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(dir, "out.txt")))
	s, err := assets.Open(assets.Options{Directory: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for path, want := range map[string]bool{"/in.txt": true, "/link.txt": true, "/out.txt": false} {
		require.Equal(t, want, s.Takes(httptest.NewRequest("GET", path, nil)), path)
	}
}

// BenchmarkSite_Takes is what files cost a request that is the worker's.
func BenchmarkSite_Takes(b *testing.B) {
	s, err := assets.Open(assets.Options{Directory: "testdata"})
	require.NoError(b, err)
	r := httptest.NewRequest("GET", "/api/items/1", nil)
	b.ReportAllocs()
	for b.Loop() {
		require.False(b, s.Takes(r))
	}
}
