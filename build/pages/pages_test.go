package pages_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/pages"
)

// in writes files into a folder, whose path it returns.
func in(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func TestBuild(t *testing.T) {
	dir := in(t, map[string]string{
		"a.ts":   `import { b } from "./b"; export const a: string = b + "</script>";`,
		"b.ts":   `/*! a license */ export const b = "é"; export const unused = 1;`,
		"c.ts":   `import { b } from "./b"; document.title = b;`,
		"d.css":  "body { color: black; }\n",
		"p.html": "<title>p</title>\n<link rel=\"stylesheet\" href=\"d.css\">\n<p>text\n  <script type=\"module\" src=\"c.ts\"></script>\n",
	})
	b, err := pages.Build(filepath.Join(dir, "a.ts"))
	require.NoError(t, err)
	require.Equal(t, "// Made from a.ts by go generate. DO NOT EDIT.\nvar s=\"é<\\/script>\";export{s as a};\n", string(b))
	b, err = pages.Build(filepath.Join(dir, "p.html"))
	require.NoError(t, err)
	require.Equal(t, "<title>p</title>\n<style>body{color:#000}</style>\n<p>text\n<script type=\"module\">document.title=\"é\";</script>\n", string(b))
}

func TestBuild_errors(t *testing.T) {
	dir := in(t, map[string]string{
		"a.ts":   "import { b } from \"./b\";\nb();\n",
		"p.html": "<link rel=\"stylesheet\" href=\"none.css\">\n",
	})
	for name, want := range map[string]string{
		"a.ts":      `a.ts:1:19: Could not resolve "./b"`,
		"p.html":    "none.css: Could not resolve",
		"none.html": "no such file",
		"none.ts":   "Could not resolve",
		"a.go":      "a.go: neither .ts nor .html",
	} {
		_, err := pages.Build(filepath.Join(dir, name))
		require.ErrorContains(t, err, want)
	}
}
