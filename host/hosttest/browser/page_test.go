package browser_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

const demo = "../../../wrangler.toml"

// until waits for an expression to be true. One that fails is not, as on a page that gives way to another.
func (p *page) until(script string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script))
		if is && err == nil {
			return
		}
		if ctx.Err() != nil {
			require.Fail(p.t, "this does not become true: "+script, "%v; the page: %s", err, evaluate[string](p, `document.body.innerText`))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// keys presses keys, as a person does who has no mouse.
func (p *page) keys(keys string) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, chromedp.KeyEvent(keys)))
}

// tabTo presses Tab until an element has the focus, and returns the ids of all that had it on the way.
func (p *page) tabTo(id string) (order []string) {
	p.t.Helper()
	for range 10 {
		p.keys(kb.Tab)
		order = append(order, evaluate[string](p, `document.activeElement.id || document.activeElement.localName`))
		if order[len(order)-1] == id {
			return order
		}
	}
	require.Fail(p.t, "the keyboard does not reach "+id, "%v", order)
	return nil
}

// emulate has the page believe in a window and what its user prefers.
func (p *page) emulate(width, height int64, prefers ...emulation.MediaFeature) {
	p.t.Helper()
	list := make([]*emulation.MediaFeature, len(prefers))
	for i := range prefers {
		list[i] = &prefers[i]
	}
	require.NoError(p.t, chromedp.Do(p.ctx, chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list})
		return err
	})))
}

// complaints are what the page's console says from now on, but for connections that cannot be had. It is asked once.
func (p *page) complaints() func() []string {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.ctx)
	p.t.Cleanup(cancel)
	all, messages := make(chan []string, 1), chromedp.Console(ctx)
	go func() {
		var list []string
		for m, err := range messages {
			if err != nil {
				break
			}
			if !strings.Contains(m.Text, "WebSocket connection to") && !strings.Contains(m.Text, "ERR_CONNECTION_REFUSED") {
				list = append(list, m.String())
			}
		}
		all <- list
	}()
	return func() []string {
		cancel()
		return <-all
	}
}

// shoot keeps a picture of the page among the test's artifacts: go test -artifacts -outputdir DIR.
func (p *page) shoot(name string) {
	p.t.Helper()
	b, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+".png"), b, 0o644))
	picture, err := png.Decode(bytes.NewReader(b))
	require.NoError(p.t, err)
	require.NoError(p.t, drawn(picture), name)
}

// drawn is an error if a picture shows next to nothing.
func drawn(picture image.Image) error {
	colours, box := map[color.Color]int{}, picture.Bounds()
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			colours[picture.At(x, y)]++
		}
	}
	most := 0
	for _, n := range colours {
		most = max(most, n)
	}
	if share := float64(most) / float64(box.Dx()*box.Dy()); len(colours) < 20 || share > 0.98 {
		return fmt.Errorf("%d colours, one of which has %.1f %%", len(colours), 100*share)
	}
	return nil
}

// TestDrawn: a blank picture is noticed, and so is one with a line alone.
func TestDrawn(t *testing.T) {
	picture := image.NewGray(image.Rect(0, 0, 100, 100))
	require.ErrorContains(t, drawn(picture), "1 colours")
	for x := range 100 {
		picture.SetGray(x, 0, color.Gray{uint8(x)})
	}
	require.ErrorContains(t, drawn(picture), "one of which has 99.0 %")
}

// axe is what axe-core finds on a page that is not accessible: rule, impact and element.
func axe(p *page) []string {
	p.t.Helper()
	file := os.Getenv("DURAGO_AXE")
	if file == "" {
		p.t.Skip("DURAGO_AXE is not set: run make browser")
	}
	source, err := os.ReadFile(file)
	require.NoError(p.t, err)
	evaluate[chromedp.Void](p, string(source)+"; undefined")
	return evaluate[[]string](p, `axe.run().then((r) => {
		if (r.passes.length < 10) throw new Error("axe-core has looked at next to nothing");
		return r.violations.map((v) => v.id + " " + v.impact + " " + v.nodes.map((n) => n.html).join(" "));
	})`)
}

// heard are the lines of the page's messages.
func heard(p *page) []string {
	p.t.Helper()
	return evaluate[[]string](p, `[...document.querySelectorAll("#log p")].map((p) => p.textContent)`)
}

const connected = `document.getElementById("status")?.textContent === "Connected"`

// people waits until a page shows who is there, in any order.
func people(p *page, names ...string) {
	p.t.Helper()
	slices.Sort(names)
	p.until(fmt.Sprintf(`[...document.querySelectorAll("#people li")].map((li) => li.textContent).sort().join("|") === %q`, strings.Join(names, "|")))
}

// TestRoomPage: two people meet on the room's page. The first has a keyboard alone.
func TestRoomPage(t *testing.T) {
	b := chromium(t)
	d := serve(t, demo)
	ann := b.open(d.url + "/room/tea%20%3Ctime%3E")
	complaints := ann.complaints()
	ann.emulate(1280, 800)
	require.Empty(t, axe(ann), "the door")
	ann.shoot("door")
	require.Equal(t, "name", evaluate[string](ann, `document.activeElement.id`))
	ann.keys("Ann" + kb.Enter)
	ann.until(connected)
	require.Equal(t, "tea <time>", evaluate[string](ann, `document.querySelector("h1").textContent`))
	require.Equal(t, "tea <time> · room", evaluate[string](ann, `document.title`))
	people(ann, "Ann (you)")

	const name = `Bob <img src=x onerror=alert(1)>` // stays text
	bob := b.open(d.url + "/room/tea%20%3Ctime%3E?name=" + strings.NewReplacer(" ", "+", "=", "%3D").Replace(name))
	bob.emulate(1280, 800)
	bob.until(connected)
	people(ann, "Ann (you)", name)
	people(bob, name+" (you)", "Ann")
	require.Zero(t, evaluate[int](bob, `document.images.length`))

	t.Run("cursors", func(t *testing.T) {
		ann, bob := ann.of(t), bob.of(t)
		require.Equal(t, []string{"board"}, ann.tabTo("board"))
		ann.keys(strings.Repeat(kb.ArrowLeft, 10) + strings.Repeat(kb.ArrowDown, 4))
		bob.until(cursor("Ann", 25, 60))
		at := evaluate[struct{ X, Y float64 }](bob, `(({ left, top, width, height }) => ({ x: left + width * 0.75, y: top + height * 0.25 }))(document.getElementById("board").getBoundingClientRect())`)
		for i := range 200 { // more than a room allows at once
			require.NoError(t, chromedp.Do(bob.ctx, chromedp.MouseEvent(chromedp.MouseMoved, at.X-float64(i%50), at.Y)))
		}
		require.NoError(t, chromedp.Do(bob.ctx, chromedp.MouseEvent(chromedp.MouseMoved, at.X, at.Y)))
		ann.until(cursor(name, 75, 25))
		ann.shoot("cursors")
		require.NoError(t, chromedp.Do(bob.ctx, chromedp.MouseEvent(chromedp.MouseMoved, 1, 1)))
		ann.until(`document.querySelectorAll("#board b:not([hidden])").length === 1`) // one's own
	})

	var said []string
	t.Run("messages", func(t *testing.T) {
		ann, bob := ann.of(t), bob.of(t)
		require.Equal(t, []string{"log", "text"}, ann.tabTo("text"))
		ann.keys("Is there any tea left?" + kb.Enter)
		bob.until(`document.querySelectorAll("#log p").length === 1`)
		require.Equal(t, []string{"board", "log", "text"}, bob.tabTo("text"))
		bob.keys("<b>Plenty</b> & some cake" + kb.Enter)
		said = []string{"Ann Is there any tea left?", name + " <b>Plenty</b> & some cake"}
		for _, p := range []*page{ann, bob} {
			p.until(`document.querySelectorAll("#log p").length === 2 && document.querySelectorAll("#pending li").length === 0`)
			require.Equal(t, said, heard(p))
		}
	})

	t.Run("accessible", func(t *testing.T) {
		for name, as := range map[string]struct {
			width, height int64
			prefers       []emulation.MediaFeature
		}{
			"light":  {1280, 800, nil},
			"dark":   {1280, 800, []emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}},
			"narrow": {360, 780, []emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}},
		} {
			t.Run(name, func(t *testing.T) {
				ann := ann.of(t)
				ann.emulate(as.width, as.height, as.prefers...)
				ann.shoot(name)
				require.Empty(t, axe(ann))
				require.False(t, evaluate[bool](ann, `document.documentElement.scrollWidth > innerWidth`), "it scrolls sideways")
			})
		}
		ann := ann.of(t)
		ann.emulate(1280, 800)
		ann.do(`document.querySelector("label[for=text]").hidden = true; document.getElementById("text").placeholder = ""; document.getElementById("hint").style.color = "#aaa"`)
		found := strings.Join(axe(ann), "\n")
		ann.do(`document.querySelector("label[for=text]").hidden = false; document.getElementById("text").placeholder = "Say something"; document.getElementById("hint").style.color = ""`)
		require.Contains(t, found, "label critical", "a field without a label is noticed")
		require.Contains(t, found, "color-contrast serious", "faint text is noticed")
	})

	t.Run("offline and back", func(t *testing.T) {
		ann, bob := ann.of(t), bob.of(t)
		for i, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			d.end(s)
			for _, p := range []*page{ann, bob} {
				p.until(`document.getElementById("status").textContent.startsWith("Offline")`)
				p.keys(fmt.Sprint("while away ", i) + kb.Enter)
				p.keys(fmt.Sprint("still away ", i) + kb.Enter)
				p.until(`document.querySelectorAll("#pending li").length === 2`)
			}
			ann.shoot("offline")
			d.start()
			for _, p := range []*page{ann, bob} {
				p.until(connected)
				p.until(`document.querySelectorAll("#pending li").length === 0`)
				p.until(fmt.Sprintf(`document.querySelectorAll("#log p").length === %d`, len(said)+4))
			}
			all := heard(ann)
			require.Equal(t, all, heard(bob), "all in one order")
			require.NoError(t, goesOn(said, all, "Ann", name, i))
			said = all
		}
		require.Error(t, goesOn(said[:6], append(said[:9:9], said[8]), "Ann", name, 1), "a doubled message is noticed")
		people(ann, "Ann (you)", name)
		people(bob, name+" (you)", "Ann")
	})

	bob.close()
	people(ann, "Ann (you)")
	late := b.open(d.url + "/room/tea%20%3Ctime%3E?name=Late")
	late.until(fmt.Sprintf(`document.querySelectorAll("#log p").length === %d`, len(said)))
	require.Equal(t, said, heard(late), "what was said before is shown")

	ann.do(`document.body.append(Object.assign(document.createElement("script"), { textContent: "document.title = 'foreign'" }))`)
	ann.until(`document.title === "tea <time> · room"`)
	heard := complaints()
	require.Len(t, heard, 1, "of the page's policy, about the foreign script: %q", heard)
	require.Contains(t, heard[0], "Content Security Policy")
}

// cursor is whether a page shows somebody's cursor at a place, in percent.
func cursor(name string, x, y float64) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#board b:not([hidden])")].some((b) => b.textContent === %q &&
		Math.abs(parseFloat(b.style.left) - %v) < 0.5 && Math.abs(parseFloat(b.style.top) - %v) < 0.5)`, name, x, y)
}

// goesOn is an error unless all is what was said before, then what two people wrote while they were away: each text once, and
// those of one in their order.
func goesOn(before, all []string, a, b string, round int) error {
	if len(all) != len(before)+4 || !slices.Equal(all[:len(before)], before) {
		return fmt.Errorf("%q does not go on from %q", all, before)
	}
	var errs []error
	for _, name := range []string{a, b} {
		var own []string
		for _, line := range all[len(before):] {
			if text, ok := strings.CutPrefix(line, name+" "); ok {
				own = append(own, text)
			}
		}
		if want := []string{fmt.Sprint("while away ", round), fmt.Sprint("still away ", round)}; !slices.Equal(own, want) {
			errs = append(errs, fmt.Errorf("%s wrote %q, of which %q is there", name, want, own))
		}
	}
	return errors.Join(errs...)
}
