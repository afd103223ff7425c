package build

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// objectsPath is the import path of the author's API.
const objectsPath = "durago.example/objects"

// handler is a method that an object may have to be told of something.
type handler struct {
	name, signature string
	misnomers       []string // what people call it who come from elsewhere
}

var handlers = []handler{
	{"ServeHTTP", "(http.ResponseWriter, *http.Request)", []string{"Fetch", "HandleFetch", "Handle"}},
	{"Alarm", "(context.Context, objects.AlarmInfo) error", []string{"OnAlarm", "HandleAlarm"}},
	{"WebSocketMessage", "(context.Context, *objects.WebSocket, objects.Message) error", []string{"OnMessage", "OnWebSocketMessage", "Message"}},
	{"WebSocketClose", "(context.Context, *objects.WebSocket, objects.CloseInfo) error", []string{"OnClose", "OnWebSocketClose"}},
	{"WebSocketError", "(context.Context, *objects.WebSocket, error) error", []string{"OnError", "OnWebSocketError"}},
}

// CheckHandlers reads the source of the program for methods of classes that look like handlers and are none: Go takes them
// in silence, and nothing ever calls them. Each is a mistake of the *MismatchError. It is for a program that compiles.
//
// It goes by the words of the source and not by types: a class whose constructor is not written in its own package is
// passed over.
func CheckHandlers(ctx context.Context, dir, pkg string) error {
	packages, err := sources(ctx, dir, pkg)
	if err != nil {
		return err
	}
	var list []error
	for _, p := range packages {
		s := source{dir: dir, files: token.NewFileSet(), methods: map[string][]method{}}
		if err := s.read(p); err != nil {
			return err
		}
		list = append(list, s.mistakes()...)
	}
	if len(list) > 0 {
		return &MismatchError{list}
	}
	return nil
}

// sources are the files of each package of the program that uses the author's API, as whole paths.
func sources(ctx context.Context, dir, pkg string) (packages [][]string, err error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Dir,ImportPath,GoFiles,Standard,Imports", packageOf(dir, pkg))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list the program's packages: %w\n%s", err, strings.TrimSpace(stderr.String()))
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir, ImportPath  string
			GoFiles, Imports []string
			Standard         bool
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		if p.Standard || !slices.Contains(p.Imports, objectsPath) {
			continue
		}
		var files []string
		for _, f := range p.GoFiles {
			files = append(files, filepath.Join(p.Dir, f))
		}
		packages = append(packages, files)
	}
}

// source is what one package says of classes.
type source struct {
	dir     string // that places are relative to
	files   *token.FileSet
	classes []string            // names of their types
	methods map[string][]method // by the receiver's type
}

type method struct {
	name, signature string
	at              token.Pos
}

func (s *source) read(paths []string) error {
	constructors := map[string]string{} // function → type
	var made []ast.Expr
	for _, path := range paths {
		f, err := parser.ParseFile(s.files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		names := importNames(f)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			switch {
			case !ok:
			case fn.Recv == nil:
				constructors[fn.Name.Name] = pointee(fn.Type)
			default:
				t := strings.TrimPrefix(types.ExprString(fn.Recv.List[0].Type), "*")
				s.methods[t] = append(s.methods[t], method{fn.Name.Name, signature(fn.Type, names), fn.Name.Pos()})
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if ok && len(call.Args) > 1 && canonical(call.Fun, names) == "objects.NewClass" {
				made = append(made, call.Args[1])
			}
			return true
		})
	}
	for _, constructor := range made {
		switch x := constructor.(type) {
		case *ast.Ident:
			s.classes = append(s.classes, constructors[x.Name])
		case *ast.FuncLit:
			s.classes = append(s.classes, pointee(x.Type))
		}
	}
	return nil
}

// pointee is T of a function that returns *T.
func pointee(f *ast.FuncType) string {
	if f.Results == nil || len(f.Results.List) == 0 {
		return ""
	}
	t, _ := strings.CutPrefix(types.ExprString(f.Results.List[0].Type), "*")
	return t
}

// importNames are the names that a file has for what signatures name, and the canonical ones.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		name, ok := map[string]string{objectsPath: "objects", "net/http": "http", "context": "context"}[path]
		if !ok {
			continue
		}
		names[name] = name
		if i.Name != nil {
			delete(names, name)
			names[i.Name.Name] = name
		}
	}
	return names
}

// canonical is a type or a function with the usual names of packages.
func canonical(e ast.Expr, names map[string]string) string {
	if star, ok := e.(*ast.StarExpr); ok {
		return "*" + canonical(star.X, names)
	}
	if i, ok := e.(*ast.IndexExpr); ok { // an instance of a generic function
		return canonical(i.X, names)
	}
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return cmp.Or(names[x.Name], x.Name+"?") + "." + s.Sel.Name
		}
	}
	if i, ok := e.(*ast.Ident); ok && names["."] == "objects" && ast.IsExported(i.Name) {
		return "objects." + i.Name
	}
	return types.ExprString(e)
}

// signature is a function's type without the names of its parameters.
func signature(f *ast.FuncType, names map[string]string) string {
	list := func(fields *ast.FieldList) (all []string) {
		if fields == nil {
			return nil
		}
		for _, field := range fields.List {
			for range max(1, len(field.Names)) {
				all = append(all, strings.ReplaceAll(canonical(field.Type, names), "?", ""))
			}
		}
		return all
	}
	s := "(" + strings.Join(list(f.Params), ", ") + ")"
	switch results := list(f.Results); len(results) {
	case 0:
		return s
	case 1:
		return s + " " + results[0]
	default:
		return s + " (" + strings.Join(results, ", ") + ")"
	}
}

func (s *source) mistakes() (list []error) {
	for _, class := range s.classes {
		for _, h := range handlers {
			if slices.ContainsFunc(s.methods[class], func(m method) bool { return m.name == h.name && m.signature == h.signature }) {
				continue
			}
			for _, m := range s.methods[class] {
				switch {
				case m.name == h.name:
					list = append(list, fmt.Errorf("%s: nothing calls %s.%s%s: a handler is %s%s", s.place(m.at), class, m.name, m.signature, h.name, h.signature))
				case m.signature == h.signature && h.means(m.name):
					list = append(list, fmt.Errorf("%s: nothing calls %s.%s: the handler with its signature is %s", s.place(m.at), class, m.name, h.name))
				}
			}
		}
	}
	return list
}

// means tells whether a name is likely to be meant for the handler's.
func (h handler) means(name string) bool {
	return strings.EqualFold(name, h.name) || slices.ContainsFunc(h.misnomers, func(s string) bool { return strings.EqualFold(s, name) })
}

func (s *source) place(at token.Pos) string {
	p := s.files.Position(at)
	if dir, err := filepath.Abs(s.dir); err == nil {
		if rel, err := filepath.Rel(dir, p.Filename); err == nil && !strings.HasPrefix(rel, "..") {
			p.Filename = rel
		}
	}
	return p.String()
}
