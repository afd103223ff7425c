// Package pages makes what browsers load from TypeScript, CSS and HTML, with esbuild: a module of one file, or a page that
// holds its style and its script. What it makes is committed beside its source, so that building a worker needs no bundler,
// and a test of each folder holds it to the source with Build. Package generate in it is the command of go:generate.
//
// The package knows nothing of workers. Build may be called from any goroutine.
package pages

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/evanw/esbuild/pkg/api"
)

// Build makes what a source is for: of a .ts file an ES module without imports, of an .html file a page without links. Its
// lines <link rel="stylesheet" href="FILE"> and <script type="module" src="FILE"></script> become the files' contents. An
// error has file, line and column of what is wrong in the source.
func Build(source string) ([]byte, error) {
	switch filepath.Ext(source) {
	case ".ts":
		b, err := bundle(source)
		if err != nil {
			return nil, err
		}
		return append([]byte("// Made from "+filepath.Base(source)+" by go generate. DO NOT EDIT.\n"), b...), nil
	case ".html":
		return page(source)
	}
	return nil, fmt.Errorf("pages: %s: neither .ts nor .html", source)
}

// reference is a line of a page that names a file: a style's or a script's.
var reference = regexp.MustCompile(`(?m)^[ \t]*<(?:link rel="stylesheet" href="([^":]+)"|script type="module" src="([^":]+)"></script)>$`)

func page(source string) ([]byte, error) {
	html, err := os.ReadFile(source)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	var failed []error
	html = reference.ReplaceAllFunc(html, func(line []byte) []byte {
		m := reference.FindSubmatch(line)
		file, element := string(m[1]), "style"
		if file == "" {
			file, element = string(m[2]), `script type="module"`
		}
		b, err := bundle(filepath.Join(filepath.Dir(source), file))
		failed = append(failed, err)
		end, _, _ := bytes.Cut([]byte(element), []byte{' '})
		return fmt.Appendf(nil, "<%s>%s</%s>", element, bytes.TrimSpace(b), end)
	})
	return html, errors.Join(failed...)
}

// bundle is a style or a script with all that it imports, as short as can be.
func bundle(source string) ([]byte, error) {
	full, err := filepath.Abs(source)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{full}, AbsWorkingDir: filepath.Dir(full), Bundle: true, Format: api.FormatESModule, Platform: api.PlatformBrowser,
		Target: api.ES2022, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone, TsconfigRaw: "{}",
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
	})
	for _, m := range append(result.Errors, result.Warnings...) {
		at := source
		if l := m.Location; l != nil {
			at = fmt.Sprintf("%s:%d:%d", filepath.Join(filepath.Dir(source), l.File), l.Line, l.Column+1)
		}
		err = errors.Join(err, fmt.Errorf("pages: %s: %s", at, m.Text))
	}
	if err != nil {
		return nil, err
	}
	return result.OutputFiles[0].Contents, nil
}
