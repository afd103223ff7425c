// Package assets serves static files beside a worker, as Cloudflare serves them: see
// https://developers.cloudflare.com/workers/static-assets/. Files are looked for at each request, so that what is changed is
// served at once.
package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say what is served and how. The zero values of the handlings are Cloudflare's defaults.
type Options struct {
	Directory        string
	HTMLHandling     string // "auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash" or "none"
	NotFoundHandling string // "none", "404-page" or "single-page-application"
	WorkerFirst      bool   // the worker is asked whatever files there are
	// WorkerRoutes are paths, with * for any text, for which it is; those that begin with ! are excepted. With them
	// not-found handling goes before the worker elsewhere.
	WorkerRoutes []string
	// Navigations has not-found handling go before the worker for a browser's own navigations, as since 2025-04-01.
	Navigations bool
}

// Bounds of what is served, as on Cloudflare.
const (
	MaxFiles  = 20_000
	MaxFile   = 25 << 20 // bytes
	maxRoutes = 100
	maxRoute  = 100 // bytes
)

// Site is a folder of files.
type Site struct {
	o      Options
	root   *os.Root
	routes routes

	mu   sync.Mutex
	tags map[string]tag // by file
}

// tag is what is known of a file's content.
type tag struct {
	size int64
	at   time.Time
	etag string
}

// Open checks the options and the folder. The error says what to do.
func Open(o Options) (*Site, error) {
	if o.HTMLHandling == "" {
		o.HTMLHandling = "auto-trailing-slash"
	}
	if _, ok := handlings[o.HTMLHandling]; !ok {
		return nil, fmt.Errorf("assets: html_handling is %q: must be auto-trailing-slash, force-trailing-slash, drop-trailing-slash or none", o.HTMLHandling)
	}
	if o.NotFoundHandling == "" {
		o.NotFoundHandling = "none"
	}
	if !slices.Contains([]string{"none", "404-page", "single-page-application"}, o.NotFoundHandling) {
		return nil, fmt.Errorf("assets: not_found_handling is %q: must be none, 404-page or single-page-application", o.NotFoundHandling)
	}
	if o.Directory == "" {
		return nil, errors.New("assets: no directory is named: set assets.directory to the folder of the files")
	}
	routes, err := parseRoutes(o.WorkerRoutes)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(o.Directory)
	if err != nil {
		return nil, fmt.Errorf("assets: the folder of assets.directory cannot be read: %w", err)
	}
	s := &Site{o: o, root: root, routes: routes, tags: map[string]tag{}}
	if err := s.check(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// Close closes the folder.
func (s *Site) Close() error { return s.root.Close() }

// ours are files that say how the others are served, and are not served themselves.
var ours = []string{"_headers", "_redirects", ".assetsignore", "_worker.js"}

// check looks through the folder for what Cloudflare would not take, or what is not understood here.
func (s *Site) check() error {
	for _, name := range ours {
		switch _, err := s.root.Stat(name); {
		case err != nil:
		case name == "_worker.js":
			return fmt.Errorf("assets: %s has a _worker.js, which would be served to everyone: take it out of assets.directory", s.o.Directory)
		default:
			return fmt.Errorf("assets: durago does not apply the %s of %s: take it out of assets.directory", name, s.o.Directory)
		}
	}
	n := 0
	return fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("assets: %w", err)
		}
		if d.IsDir() {
			return nil
		}
		if n++; n > MaxFiles {
			return fmt.Errorf("assets: %s has more than %d files", s.o.Directory, MaxFiles)
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("assets: %w", err)
		}
		if info.Size() > MaxFile {
			return fmt.Errorf("assets: %s has %d bytes: a file may have at most 25 MiB", filepath.Join(s.o.Directory, filepath.FromSlash(name)), info.Size())
		}
		return nil
	})
}

// exists tells whether a path of a URL, decoded, is that of a file.
func (s *Site) exists(p string) bool {
	name := strings.TrimPrefix(p, "/")
	if name == "" || strings.HasSuffix(name, "/") || slices.Contains(ours, name) || path.Clean(p) != p {
		return false
	}
	info, err := s.root.Stat(filepath.FromSlash(name))
	return err == nil && info.Mode().IsRegular() && info.Size() <= MaxFile
}

// open opens a file, with its ETag.
func (s *Site) open(p string) (f *os.File, size int64, etag string, err error) {
	name := filepath.FromSlash(strings.TrimPrefix(p, "/"))
	if f, err = s.root.Open(name); err != nil {
		return nil, 0, "", err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, "", err
	}
	s.mu.Lock()
	known, ok := s.tags[p]
	s.mu.Unlock()
	if ok && known.size == info.Size() && known.at.Equal(info.ModTime()) {
		return f, known.size, known.etag, nil
	}
	h := sha256.New()
	if _, err = io.Copy(h, f); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, "", err
	}
	etag = `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
	s.mu.Lock()
	if len(s.tags) >= 2*MaxFiles { // of files that are gone
		clear(s.tags)
	}
	s.tags[p] = tag{info.Size(), info.ModTime(), etag}
	s.mu.Unlock()
	return f, info.Size(), etag, nil
}
