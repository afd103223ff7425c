package wrangler_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// TestParse_wrangler asks wrangler itself what testdata says that it says, for every pair, with two processes. It needs
// DURAGO_WRANGLER, the folder of the npm package, and DURAGO_NODE, a node that it runs on. With -update what wrangler says
// is written anew.
func TestParse_wrangler(t *testing.T) {
	dir, node := os.Getenv("DURAGO_WRANGLER"), os.Getenv("DURAGO_NODE")
	if dir == "" || node == "" {
		t.Skip("DURAGO_WRANGLER and DURAGO_NODE name no wrangler")
	}
	archives := readPairs(t)
	var all []*pair
	for _, pairs := range archives {
		all = append(all, pairs...)
	}
	seeded := &pair{name: "seeded", file: "wrangler.toml", wrangler: []string{"accept"},
		files: []txtar.File{{Name: "wrangler.toml", Data: []byte("name = \"Bad Name\"\n")}}}
	all = append(all, seeded)
	half := len(all) / 2
	compared, different := 0, 0
	t.Run("the command", func(t *testing.T) { // what the driver says is what the command does
		for text, wrong := range map[string]bool{"name = \"w\"\ncompatibility_date = \"2026-11-17\"\n": false, string(seeded.files[0].Data): true} {
			work := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(work, "entry.mjs"), []byte(entry), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(work, "wrangler.toml"), []byte(text), 0o644))
			cmd := exec.CommandContext(t.Context(), node, filepath.Join(dir, "bin", "wrangler.js"), "deploy", "entry.mjs", "--dry-run")
			cmd.Dir, cmd.Env = work, quiet(t.TempDir())
			out, err := cmd.CombinedOutput()
			require.Equal(t, wrong, err != nil, "%s", out)
			require.Equal(t, wrong, strings.Contains(string(out), `alphanumeric and lowercase with dashes only but got "Bad Name".`), "%s", out)
		}
	})
	t.Run("ask", func(t *testing.T) {
		for i, part := range [][]*pair{all[:half], all[half:]} {
			t.Run([]string{"first", "second"}[i], func(t *testing.T) {
				t.Parallel()
				for j, got := range askWrangler(t, node, dir, part) {
					part[j].said = got
				}
			})
		}
	})
	require.NotEqual(t, seeded.wrangler, seeded.said, "a record that is wrong is not found")
	if *update {
		for archive, pairs := range archives {
			for _, p := range pairs {
				p.wrangler = p.said
			}
			writePairs(t, archive, pairs)
		}
		return
	}
	for archive, pairs := range archives {
		for _, p := range pairs {
			compared++
			if strings.Join(p.said, "\n") != strings.Join(p.wrangler, "\n") {
				different++
				t.Errorf("%s: %s: wrangler says\n%s\nrecorded is\n%s", archive, p.name, strings.Join(p.said, "\n"), strings.Join(p.wrangler, "\n"))
			}
		}
	}
	for archive, pairs := range archives {
		for _, p := range pairs {
			if p.vars != nil {
				require.Equal(t, p.vars, p.has, "%s: %s: the variables of wrangler dev", archive, p.name)
			}
		}
	}
	t.Logf("conformance: %d configurations compared with wrangler, %d differ from the record", compared, different)
}

// entry exports whatever a configuration of testdata may bind.
const entry = `import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
export class A extends DurableObject {}
export { A as B, A as C, A as Room, A as Hall };
export default { fetch() { return new Response("") }, scheduled() {} };
`

// quiet is an environment in which wrangler tells nobody anything.
func quiet(home string) []string {
	return append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "WRANGLER_SEND_METRICS=false", "CI=1", "NO_COLOR=1")
}

// askWrangler gives the answers of one process, in order.
func askWrangler(t *testing.T, node, dir string, pairs []*pair) (answers [][]string) {
	home := t.TempDir()
	var in bytes.Buffer
	for _, p := range pairs {
		work := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(work, "entry.mjs"), []byte(entry), 0o644))
		p.write(t, work)
		args := []string{"deploy", "entry.mjs", "--dry-run"}
		if p.env != "" {
			args = append(args, "--env", p.env)
		}
		require.NoError(t, json.NewEncoder(&in).Encode(map[string]any{"dir": work, "args": args, "file": p.file, "env": p.env, "vars": p.vars != nil}))
	}
	driver, err := filepath.Abs("testdata/wrangler.cjs")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), node, "--no-warnings", driver, dir)
	cmd.Env = quiet(home)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var a struct {
			Reject           bool
			Errors, Warnings []string
			Vars             []struct {
				Name, Type string
				Value      any
			}
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &a))
		said := []string{"accept"}
		if a.Reject {
			said[0] = "reject"
		}
		for _, e := range a.Errors {
			said = append(said, messages("error", e)...)
		}
		for _, w := range a.Warnings {
			said = append(said, messages("warning", w)...)
		}
		p := pairs[len(answers)]
		for _, v := range a.Vars {
			b, err := json.Marshal(v.Value)
			require.NoError(t, err)
			secret := ""
			if v.Type == "secret_text" {
				secret = "secret "
			}
			p.has = append(p.has, v.Name+" = "+secret+string(b))
		}
		slices.Sort(p.has)
		answers = append(answers, said)
	}
	require.Len(t, answers, len(pairs), "wrangler ended early")
	return answers
}

var (
	ansi   = regexp.MustCompile("\x1b\\[[0-9;]*m")
	header = regexp.MustCompile(`^Processing .* configuration:$`)
	group  = regexp.MustCompile(`^"env\.[^"]*" environment configuration$|^"[^"]+\[\d+\]": `)
)

// messages takes one of wrangler's reports apart: a tree of lists, of which each leaf is a message.
func messages(class, report string) (list []string) {
	report = ansi.ReplaceAllString(report, "")
	first, rest, _ := strings.Cut(report, "\n")
	if !header.MatchString(first) {
		return []string{class + " " + oneLine(report)}
	}
	return leaves(class, rest)
}

func leaves(class, text string) (list []string) {
	var items []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimPrefix(line, "  ")
		if item, ok := strings.CutPrefix(line, "- "); ok {
			items = append(items, item)
		} else if n := len(items); n > 0 {
			items[n-1] += "\n" + line
		}
	}
	for _, item := range items {
		first, rest, _ := strings.Cut(item, "\n")
		if group.MatchString(first) {
			list = append(list, leaves(class, rest)...)
		} else {
			list = append(list, class+" "+oneLine(item))
		}
	}
	return list
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
