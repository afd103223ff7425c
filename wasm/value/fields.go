package value

import (
	"reflect"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// field is one field of a struct as JavaScript sees it.
type field struct {
	name      string
	index     []int
	omitEmpty bool
}

func (f *field) omit(v reflect.Value) bool { return f.omitEmpty && v.FieldByIndex(f.index).IsZero() }

var fieldCache sync.Map // reflect.Type → []field

func fieldsOf(t reflect.Type) []field {
	if f, ok := fieldCache.Load(t); ok {
		return f.([]field)
	}
	f := appendFields(nil, t, nil)
	fieldCache.Store(t, f)
	return f
}

func appendFields(list []field, t reflect.Type, outer []int) []field {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(append([]int(nil), outer...), i)
		tag, own := sf.Tag.Lookup("js")
		if !own {
			tag = sf.Tag.Get("json")
		}
		name, rest, _ := strings.Cut(tag, ",")
		if sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct {
			list = appendFields(list, sf.Type, index)
			continue
		}
		if !sf.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			r, n := utf8.DecodeRuneInString(sf.Name)
			name = string(unicode.ToLower(r)) + sf.Name[n:]
		}
		list = append(list, field{name, index, strings.Contains(rest, "omitempty")})
	}
	return list
}
