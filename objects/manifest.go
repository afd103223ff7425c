package objects

import (
	"reflect"

	"durago.example/wasm/abi"
)

// targets are the contracts of all targets that methods take or return, and those that their own methods do.
func (p *Program) targets() []abi.ManifestClass {
	w := walk{types: map[reflect.Type]bool{}}
	for _, c := range p.Classes {
		w.signatures(c.methods)
	}
	for _, s := range p.Services {
		w.signatures(s.class.methods)
	}
	return w.found
}

// walk looks for targets in types, each once.
type walk struct {
	types map[reflect.Type]bool
	found []abi.ManifestClass
}

func (w *walk) signatures(list []*Signature) {
	for _, s := range list {
		for _, t := range s.In {
			w.look(t)
		}
		if s.Out != nil {
			w.look(s.Out)
		}
	}
}

func (w *walk) look(t reflect.Type) {
	if w.types[t] {
		return
	}
	w.types[t] = true
	if t.Kind() == reflect.Pointer {
		switch x := reflect.Zero(t).Interface().(type) {
		case interface {
			contract() abi.ManifestClass
			signatures() []*Signature
		}:
			w.found = append(w.found, x.contract())
			w.signatures(x.signatures())
			return
		case interface{ mentions() []reflect.Type }:
			for _, t := range x.mentions() {
				w.look(t)
			}
			return
		}
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		w.look(t.Elem())
	case reflect.Map:
		w.look(t.Key())
		w.look(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() || f.Anonymous {
				w.look(f.Type)
			}
		}
	}
}
