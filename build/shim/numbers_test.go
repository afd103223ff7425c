package shim_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/build/shim"
)

// The shim repeats the numbers of wasm/abi and wasm/value. These tests read both sides as text: the constants of the
// Go package through go/types, and the object literals of the module.

// goConstants are the integer constants of a package, by name.
func goConstants(t *testing.T, dir string) map[string]int {
	fset := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, f)
	}
	// Imports are not needed for constants; what they leave unresolved is not an error here.
	config := types.Config{Error: func(error) {}}
	pkg, _ := config.Check(dir, fset, files, nil)
	out := map[string]int{}
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if !ok || c.Val().Kind() != constant.Int {
			continue
		}
		n, exact := constant.Int64Val(c.Val())
		require.True(t, exact, name)
		out[name] = int(n)
	}
	return out
}

// withPrefix are the constants whose name begins with prefix, under JavaScript's spelling of the rest.
func withPrefix(constants map[string]int, prefix string) map[string]int {
	out := map[string]int{}
	for name, n := range constants {
		rest, ok := strings.CutPrefix(name, prefix)
		if ok && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z' {
			out[upperSnake(rest)] = n
		}
	}
	return out
}

// upperSnake spells IDFromName as ID_FROM_NAME.
func upperSnake(name string) string {
	var b strings.Builder
	for i := range len(name) {
		upper := func(k int) bool { return k >= 0 && k < len(name) && name[k] >= 'A' && name[k] <= 'Z' }
		if i > 0 && upper(i) && (!upper(i-1) || i+1 < len(name) && !upper(i+1) && !digit(name[i+1])) {
			b.WriteByte('_')
		}
		b.WriteByte(name[i])
	}
	return strings.ToUpper(b.String())
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func source(t *testing.T, name string) string {
	b, err := shim.Files.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

// runtime is all modules but value.mjs, as one.
func runtime(t *testing.T) string {
	var all strings.Builder
	for _, name := range shim.Names {
		if name != "value.mjs" {
			all.WriteString(strings.ReplaceAll("\n"+source(t, name), "\nexport ", "\n"))
		}
	}
	return all.String()
}

// jsObject reads `const NAME = { A: 1, B: 0x2f };`.
func jsObject(t *testing.T, js, name string) map[string]int {
	_, rest, ok := strings.Cut(js, "\nconst "+name+" = {")
	require.True(t, ok, "const %s", name)
	body, _, ok := strings.Cut(rest, "};")
	require.True(t, ok, "const %s", name)
	out := map[string]int{}
	for item := range strings.SplitSeq(body, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		key, text, ok := strings.Cut(item, ":")
		require.True(t, ok, "const %s: %q", name, item)
		n, err := strconv.ParseInt(strings.TrimSpace(text), 0, 32)
		require.NoError(t, err, "const %s: %q", name, item)
		require.NotContains(t, out, key, "const %s", name)
		out[key] = int(n)
	}
	return out
}

func TestRuntime_numbers(t *testing.T) {
	js := runtime(t)
	constants := goConstants(t, "../../wasm/abi")
	for _, row := range []struct {
		name, prefix string
		without      string // what the shim has no use for, divided by spaces
	}{
		{"OP", "Op", "MANIFEST"},
		{"EVENT", "Event", "MANIFEST EXPIRE"},
		{"BODY", "Body", ""},
		{"LINK", "Link", ""},
		{"CONN", "Conn", ""},
		{"CONTROL", "Control", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := withPrefix(constants, row.prefix)
			require.NotEmpty(t, want)
			for _, name := range strings.Fields(row.without) {
				require.Contains(t, want, name)
				delete(want, name)
			}
			require.Equal(t, want, jsObject(t, js, row.name))
		})
	}
	t.Run("ABI", func(t *testing.T) {
		require.True(t, strings.Contains(js, "\nconst ABI = "+strconv.Itoa(constants["Version"])+";\n"))
	})
	t.Run("FLAGS", func(t *testing.T) {
		m := regexp.MustCompile(`\nconst FLAGS = (.*);\n`).FindStringSubmatch(js)
		require.NotNil(t, m)
		require.Equal(t, `[["remote", `+strconv.Itoa(constants["ErrorRemote"])+`], ["retryable", `+strconv.Itoa(constants["ErrorRetryable"])+
			`], ["overloaded", `+strconv.Itoa(constants["ErrorOverloaded"])+`], ["durableObjectReset", `+strconv.Itoa(constants["ErrorReset"])+`]]`, m[1])
	})
	t.Run("MAX_LINKS", func(t *testing.T) {
		require.True(t, strings.Contains(js, "\nconst MAX_LINKS = "+strconv.Itoa(constants["MaxLinks"])+";\n"))
	})
	t.Run("FIRST_EVENT", func(t *testing.T) {
		require.Equal(t, 0x80000000, constants["FirstEvent"])
		require.True(t, strings.Contains(js, "\nconst FIRST_EVENT = 0x80000000;\n"))
	})
	t.Run("REQUEST_UPGRADE", func(t *testing.T) {
		require.True(t, strings.Contains(js, "\nconst REQUEST_UPGRADE = "+strconv.Itoa(constants["RequestUpgrade"])+";\n"))
	})
	t.Run("exports", func(t *testing.T) {
		for _, name := range []string{"durago_alloc", "durago_event", "durago_transaction"} {
			require.True(t, strings.Contains(js, "x."+name+"("), "the shim calls %s", name)
		}
	})
}

// TestRuntime_operations: the shim handles every operation that the guest's code sends, and delivers only events that
// the guest's code handles.
func TestRuntime_operations(t *testing.T) {
	js := runtime(t)
	guest := ""
	names, err := filepath.Glob("../../wasm/guest/*.go")
	require.NoError(t, err)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		guest += string(b)
	}
	used := func(text, pattern string) map[string]bool {
		set := map[string]bool{}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			set[m[1]] = true
		}
		return set
	}
	handled := used(js, `(?:case|op ===) OP\.([A-Z0-9_]+)`)
	sent := used(guest, `abi\.Op([A-Z][A-Za-z0-9]*)`)
	require.Greater(t, len(sent), 40)
	for op := range sent {
		if op != "Manifest" { // the answer to an event that the shim does not have
			require.Contains(t, handled, upperSnake(op), "abi.Op%s, which the guest sends", op)
		}
	}
	answered := map[string]bool{}
	for event := range used(guest, `abi\.Event([A-Z][A-Za-z0-9]*)`) {
		answered[upperSnake(event)] = true
	}
	for event := range used(js, `\bEVENT\.([A-Z0-9_]+)`) {
		require.Contains(t, answered, event, "EVENT.%s, which the shim delivers", event)
	}
}

func TestValue_tags(t *testing.T) {
	js := source(t, "value.mjs")
	want := withPrefix(goConstants(t, "../../wasm/value"), "Tag")
	require.Contains(t, want, "HANDLE")
	want["REGEXP"] = want["REG_EXP"]
	want["BIGINT"] = want["BIG_INT"]
	delete(want, "REG_EXP")
	delete(want, "BIG_INT")
	require.Equal(t, want, jsObject(t, js, "T"))
	require.True(t, strings.Contains(js, "\nconst MAX_DEPTH = "+strconv.Itoa(goConstants(t, "../../wasm/abi")["MaxDepth"])+";\n"))
}
