package value

import (
	"reflect"
	"strings"
)

// described are the types that stand for a class of JavaScript's.
var described = map[reflect.Type]string{
	timeType: "Date", bigIntType: "bigint", reflect.PointerTo(bigIntType): "bigint",
	reflect.TypeFor[Map](): "Map<any, any>", reflect.TypeFor[Set](): "Set<any>", reflect.TypeFor[RegExp](): "RegExp",
	reflect.TypeFor[Sparse](): "any[]", reflect.TypeFor[*Error](): "Error",
	reflect.TypeFor[Undefined](): "undefined", reflect.TypeFor[Handle](): "unknown",
}

// Describe is the TypeScript type of a Go type.
func Describe(t reflect.Type) string { return describe(t, 0) }

func describe(t reflect.Type, depth int) string {
	if depth > 8 { // a recursive type
		return "unknown"
	}
	if name, ok := described[t]; ok {
		return name
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Pointer:
		return describe(t.Elem(), depth+1) + " | null"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return "ArrayBuffer"
		}
		e := describe(t.Elem(), depth+1)
		if strings.ContainsAny(e, " ") {
			e = "(" + e + ")"
		}
		return e + "[]"
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return "Record<string, " + describe(t.Elem(), depth+1) + ">"
		}
		return "Map<" + describe(t.Key(), depth+1) + ", " + describe(t.Elem(), depth+1) + ">"
	case reflect.Struct:
		var b strings.Builder
		b.WriteString("{ ")
		for _, f := range fieldsOf(t) {
			b.WriteString(property(f.name))
			ft := t.FieldByIndex(f.index).Type
			if f.optional() {
				b.WriteString("?")
				if ft.Kind() == reflect.Pointer {
					ft = ft.Elem()
				}
			}
			b.WriteString(": " + describe(ft, depth+1) + "; ")
		}
		b.WriteString("}")
		return b.String()
	case reflect.Interface:
		return "any"
	}
	return "number"
}

// property is a property's name in a type: quoted if it is no identifier.
func property(name string) string {
	for i, r := range name {
		letter := r == '_' || r == '$' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return `"` + name + `"`
		}
	}
	return name
}
