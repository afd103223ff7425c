package value

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// field is one field of a struct as JavaScript sees it.
type field struct {
	name      string
	index     []int
	omitEmpty bool // leave out a zero value, and a slice or map without elements
	omitZero  bool // leave out a zero value
}

// optional tells whether the property may be absent.
func (f *field) optional() bool { return f.omitEmpty || f.omitZero }

func (f *field) omit(v reflect.Value) bool {
	if !f.optional() {
		return false
	}
	v = v.FieldByIndex(f.index)
	return v.IsZero() || f.omitEmpty && (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

var fieldCache sync.Map // reflect.Type → []field

func fieldsOf(t reflect.Type) []field {
	if f, ok := fieldCache.Load(t); ok {
		return f.([]field)
	}
	f := visible(appendFields(nil, t, nil))
	fieldCache.Store(t, f)
	return f
}

// visible leaves out the fields that others of the same name hide: of those that are embedded least deeply, as in
// encoding/json, the only one stays.
func visible(all []field) (list []field) {
	for _, f := range all {
		hidden := slices.ContainsFunc(all, func(o field) bool {
			return o.name == f.name && !slices.Equal(o.index, f.index) && len(o.index) <= len(f.index)
		})
		if !hidden {
			list = append(list, f)
		}
	}
	return list
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
			name = camel(sf.Name)
		}
		list = append(list, field{name, index, strings.Contains(rest, "omitempty"), strings.Contains(rest, "omitzero")})
	}
	return list
}

// camel is an exported name with its first word in small letters: name, id, urlPath.
func camel(name string) string {
	r := []rune(name)
	for i := range r {
		if !unicode.IsUpper(r[i]) || i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
	return string(r)
}
