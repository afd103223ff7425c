// Package browser_test has real clients of sockets talk to hosts over real connections: pages in headless Chromium, the
// package ws of Node.js, and gorilla's in Go. DURAGO_CHROMIUM is the browser, and without it the tests are skipped:
// make browser runs them.
package browser_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// chromium starts a browser, which the test's end stops.
func chromium(t *testing.T) *browser {
	t.Helper()
	path := os.Getenv("DURAGO_CHROMIUM")
	if path == "" {
		t.Skip("DURAGO_CHROMIUM is not set: run make browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewContext(ctx)
	t.Cleanup(stop)
	require.NoError(t, chromedp.Do(ctx))
	return &browser{t, ctx}
}

type browser struct {
	t   *testing.T
	ctx context.Context
}

// page is a tab.
type page struct {
	t     *testing.T
	ctx   context.Context
	close context.CancelFunc
}

// open opens a page of a URL, whose origin its scripts have.
func (b *browser) open(url string) *page {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	p := &page{b.t, ctx, cancel}
	require.NoError(b.t, chromedp.Do(ctx, chromedp.Navigate(url)))
	return p
}

// of is the page as another test drives it.
func (p *page) of(t *testing.T) *page { return &page{t, p.ctx, p.close} }

// do runs statements, which may await.
func (p *page) do(script string) {
	p.t.Helper()
	evaluate[chromedp.Void](p, "(async () => { "+script+" })()")
}

// evaluate is an expression's value, or what it resolves with.
func evaluate[T any](p *page, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err)
	return v
}
